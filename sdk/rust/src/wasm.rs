//! The contract's implementation in the sandbox. Hidden: only [`bot!`](crate::bot) names it.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::{
    Created, Error, Event, FhirError, Host, HttpError, Kind, Message, Outcome, Page, Payload, Refused, Request, Response, Trigger,
};

/// Made from `sdk/wit`.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "bot",
        pub_export_macro: true,
        export_macro_name: "export_bot",
        default_bindings_module: "hob_sdk::wasm::bindings",
    });
}

pub use bindings::export_bot;

use bindings::hob::bot::{document, fhir, http, outbox, secrets, settings, timers};

/// Calls the bot's function.
///
/// # Errors
/// The bot's, in the contract's words.
pub fn run(
    event: bindings::Event,
    handle: fn(Event, &dyn Host) -> Result<Outcome, Error>,
) -> Result<Option<bindings::Payload>, bindings::Failure> {
    let given = lift(event).map_err(lower)?;
    match handle(given, &Sandbox).map_err(lower)? {
        Outcome::Done => Ok(None),
        Outcome::Reply(payload) => Ok(Some(bindings::Payload { content_type: payload.content_type, body: payload.body })),
    }
}

fn lift(event: bindings::Event) -> Result<Event, Error> {
    let attributes = serde_json::from_str(&event.attributes)?;
    // A change's payload is its resource: it is here already, up to the size beyond which there is no payload.
    let resource = match (event.resource, &event.payload) {
        (Some(_), Some(payload)) if event.trigger == "change" => Some(serde_json::from_slice(&payload.body)?),
        (Some(document), _) => Some(serde_json::from_slice(&document.bytes())?),
        (None, _) => None,
    };
    Ok(Event {
        trigger: Trigger::of(&event.trigger, attributes),
        id: event.id,
        run: event.run,
        tenant: event.tenant,
        source: event.source,
        occurred: event.occurred,
        received: event.received,
        deadline: event.deadline,
        attempt: event.attempt,
        hop: event.hop,
        payload: event.payload.map(|payload| Payload { content_type: payload.content_type, body: payload.body }),
        resource,
    })
}

fn lower(error: Error) -> bindings::Failure {
    bindings::Failure {
        kind: match error.kind {
            Kind::Retry => "retry".to_owned(),
            Kind::Reject => "reject".to_owned(),
        },
        code: error.code,
        message: error.message,
        retry_after_ms: error.retry_after.map(|wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        details: error.details.map(|details| details.to_string()),
    }
}

/// The host of this sandbox.
struct Sandbox;

fn said(error: fhir::Error) -> FhirError {
    FhirError {
        code: error.code,
        status: error.status,
        message: error.message,
        outcome: error.outcome.and_then(|outcome| serde_json::from_str(&outcome).ok().map(Box::new)),
    }
}

fn value(document: &document::Document) -> Result<Value, FhirError> {
    serde_json::from_slice(&document.bytes()).map_err(|why| FhirError {
        code: "invalid".to_owned(),
        status: None,
        message: why.to_string(),
        outcome: None,
    })
}

fn page(page: fhir::Page) -> Result<Page, FhirError> {
    Ok(Page { bundle: value(&page.bundle)?, next: page.next })
}

fn refused(what: &'static str) -> impl Fn(String) -> Refused {
    move |message| Refused { what, message }
}

impl Host for Sandbox {
    #[expect(
        clippy::disallowed_methods,
        reason = "in the sandbox this is the run's own clock, which the host sets and the journal keeps"
    )]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn read(&self, reference: &str) -> Result<Value, FhirError> {
        value(&fhir::read(reference).map_err(said)?)
    }

    fn vread(&self, reference: &str, version: &str) -> Result<Value, FhirError> {
        value(&fhir::vread(reference, version).map_err(said)?)
    }

    fn history(&self, reference: &str) -> Result<Page, FhirError> {
        page(fhir::history(reference).map_err(said)?)
    }

    fn search(&self, resource_type: &str, query: &str) -> Result<Page, FhirError> {
        page(fhir::search(resource_type, query).map_err(said)?)
    }

    fn more(&self, next: &str) -> Result<Page, FhirError> {
        page(fhir::more(next).map_err(said)?)
    }

    fn operation(&self, name: &str, reference: &str, query: &str) -> Result<Page, FhirError> {
        page(fhir::operation(name, reference, query).map_err(said)?)
    }

    fn batch(&self, urls: &[String]) -> Vec<Result<Value, FhirError>> {
        let requests: Vec<_> = urls.iter().map(|url| fhir::Request { url: url.clone() }).collect();
        fhir::batch(&requests).into_iter().map(|answer| value(&answer.map_err(said)?)).collect()
    }

    fn create(&self, resource: &Value, if_none_exist: Option<&str>) -> Result<Created, FhirError> {
        let created = fhir::create(resource.to_string().as_bytes(), if_none_exist).map_err(said)?;
        Ok(Created { reference: created.reference, is_final: created.is_final, existed: created.existed })
    }

    fn update(&self, resource: &Value) -> Result<(), FhirError> {
        fhir::update(resource.to_string().as_bytes()).map_err(said)
    }

    fn patch(&self, reference: &str, patch: &Value) -> Result<(), FhirError> {
        fhir::patch(reference, &patch.to_string()).map_err(said)
    }

    fn delete(&self, reference: &str) -> Result<(), FhirError> {
        fhir::delete(reference).map_err(said)
    }

    fn guard(&self, reference: &str, version: &str) -> Result<(), FhirError> {
        fhir::guard(reference, version).map_err(said)
    }

    fn set_timer(&self, key: &str, at: &str, payload: &Value) -> Result<(), Refused> {
        timers::set(key, at, &payload.to_string()).map_err(refused("timer"))
    }

    fn cancel_timer(&self, key: &str) -> Result<(), Refused> {
        timers::cancel(key).map_err(refused("timer"))
    }

    fn send(&self, message: &Message) -> Result<(), Refused> {
        outbox::send(&outbox::Request {
            key: message.key.clone(),
            method: message.method.clone(),
            url: message.url.clone(),
            headers: message.headers.clone(),
            body: message.body.clone(),
        })
        .map_err(refused("outbox"))
    }

    fn ask(&self, request: &Request) -> Result<Response, HttpError> {
        let Request { method, url, headers, body } = request.clone();
        let answer = http::send(&http::Request { method, url, headers, body });
        match answer {
            Ok(http::Response { status, headers, body }) => Ok(Response { status, headers, body }),
            Err(http::Error { code, message, retry_after_ms }) => {
                Err(HttpError { code, message, retry_after: retry_after_ms.map(Duration::from_millis) })
            }
        }
    }

    fn setting(&self, name: &str) -> Option<Value> {
        settings::get(name).and_then(|value| serde_json::from_str(&value).ok())
    }

    fn placeholder(&self, name: &str) -> Result<String, Refused> {
        secrets::placeholder(name).map_err(refused("secret"))
    }

    fn sign(&self, name: &str, algorithm: &str, bytes: &[u8]) -> Result<Vec<u8>, Refused> {
        secrets::sign(name, algorithm, bytes).map_err(refused("secret"))
    }

    fn expose(&self, name: &str) -> Result<String, Refused> {
        secrets::expose(name).map_err(refused("secret"))
    }

    fn fhirpath(&self, resource: &Value, expression: &str) -> Result<Vec<Value>, Refused> {
        let failed = |error: document::Error| Refused { what: "fhirpath", message: error.message };
        let document = document::Document::parse(resource.to_string().as_bytes()).map_err(failed)?;
        let found = document.fhirpath(expression, None).map_err(failed)?;
        serde_json::from_str(&found).map_err(|why| Refused { what: "fhirpath", message: why.to_string() })
    }
}
