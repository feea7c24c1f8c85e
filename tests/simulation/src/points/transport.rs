//! The network with its commit points.
//!
//! Of the way of a transaction only the ends are on the host's side: it leaves ([`Point::Send`], before) and its answer is there ([`Point::Answer`], after).
//! What lies between, from the end of the sending to the begin of the answer, only the server's side can see: whoever plays the server calls
//! the hook there, and knows by [`is_transaction`] when.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hob_fhir::{Answer, NoAnswer, Transport};
use http::{Method, Request, Uri};

use super::{Hook, Point, Pointed, Side};

impl Pointed<dyn Transport> {
    /// A transport with a hook around each transaction and each request of a bot.
    pub fn transport(inner: Arc<dyn Transport>, hook: Arc<dyn Hook>) -> Self {
        Self { inner, hook }
    }
}

#[async_trait]
impl Transport for Pointed<dyn Transport> {
    async fn exchange(&self, request: Request<Bytes>, most: usize) -> Result<Answer, NoAnswer> {
        let around = if request.headers().contains_key("idempotency-key") {
            let point = if is_question(request.uri()) { Point::AskSend } else { Point::OutboxSend };
            Some((point, point))
        } else if is_transaction(request.method(), request.body()) {
            Some((Point::Send, Point::Answer))
        } else {
            None
        };
        let Some((leaves, answered)) = around else { return self.inner.exchange(request, most).await };
        self.hook.at(leaves, Side::Before).await;
        let answer = self.inner.exchange(request, most).await;
        self.hook.at(answered, Side::After).await;
        answer
    }
}

/// Whether a request to a receiver of the tests is one that a run waits for: both kinds look alike on the wire, so they have paths of their own.
#[must_use]
pub fn is_question(uri: &Uri) -> bool {
    uri.path() == "/number"
}

/// Whether a request is the transaction of a run, as [`hob_fhir::plan`] writes it.
#[must_use]
pub fn is_transaction(method: &Method, body: &[u8]) -> bool {
    method == Method::POST && body.starts_with(br#"{"resourceType":"Bundle","type":"transaction""#)
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use hob_fhir::fence::{FenceUse, Slot, SlotName};
    use hob_fhir::plan::bundle;
    use hob_model::{Effects, RunId, Write};

    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);

    impl Seen {
        fn push(&self, what: String) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what);
        }
    }

    #[async_trait]
    impl Hook for Seen {
        async fn at(&self, point: Point, side: Side) {
            self.push(format!("{side} {point}"));
        }
    }

    struct Wire(Arc<Seen>);

    #[async_trait]
    impl Transport for Wire {
        async fn exchange(&self, request: Request<Bytes>, _most: usize) -> Result<Answer, NoAnswer> {
            self.0.push(request.method().to_string());
            Err(NoAnswer::Unknown("nobody is there"))
        }
    }

    #[tokio::test]
    async fn a_transaction_and_a_request_of_the_outbox_are_seen_and_nothing_else() {
        let slot = Slot {
            name: SlotName::new("hob-1").unwrap(),
            reference: "Basic/hob-1".parse().unwrap(),
            version: "1".parse().unwrap(),
        };
        let write = Write::Create {
            resource_type: "Basic".parse().unwrap(),
            reference: "urn:uuid:0191e3a0-0000-7000-8000-000000000001".to_owned(),
            is_final: false,
            if_none_exist: None,
            resource: serde_json::json!({"resourceType": "Basic"}),
        };
        let effects = Effects { writes: vec![write], ..Effects::default() };
        let plan = bundle(&effects, &FenceUse { slot, run: RunId::of_parts(&[b"r"]), attempt: 1 }).unwrap();

        let seen = Arc::new(Seen::default());
        let transport = Pointed::transport(Arc::new(Wire(Arc::clone(&seen))), Arc::clone(&seen) as Arc<dyn Hook>);
        let send = async |request: http::request::Builder, body: Bytes| transport.exchange(request.body(body).unwrap(), 9).await;
        send(Request::post("http://fhir/"), plan.bytes).await.unwrap_err();
        send(Request::get("http://fhir/Task/1"), Bytes::new()).await.unwrap_err();
        send(Request::post("http://fhir/Basic"), Bytes::from_static(b"{\"resourceType\":\"Basic\"}")).await.unwrap_err();
        send(Request::post("http://sms/").header("Idempotency-Key", "k"), Bytes::new()).await.unwrap_err();
        send(Request::post("http://sms/number").header("Idempotency-Key", "k"), Bytes::new()).await.unwrap_err();
        let wanted = [
            "before send",
            "POST",
            "after answer",
            "GET",
            "POST",
            "before outbox-send",
            "POST",
            "after outbox-send",
            "before ask-send",
            "POST",
            "after ask-send",
        ];
        assert_eq!(*seen.0.lock().unwrap(), wanted);
    }
}
