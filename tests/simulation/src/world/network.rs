//! The network between the host and everybody else, as the host's own transport.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hob_fhir::{Answer, NoAnswer, Transport};
use http::{HeaderMap, Method, Request, Response};
use rand::RngExt as _;
use tokio::sync::oneshot;

use super::host::Life;
use super::{BASE, Received, World};
use crate::mutation::Mutant;
use crate::points::{Hook as _, Point, Side, is_question};

/// The longest that a request or an answer is on its way in fair weather.
const FAIR: Duration = Duration::from_millis(8);
/// The same while the server is slow.
const SLOW: Duration = Duration::from_secs(20);
/// The longest that a late transaction stays on its way: longer than a host waits for its answer.
const LATE: Duration = Duration::from_secs(90);

/// The longest between the count of a history and its reading.
const COUNTED: Duration = Duration::from_millis(200);

/// What one life of a host speaks through.
pub(super) struct Net(pub(super) Arc<Life>);

/// What becomes of a request on its way, decided when it leaves.
enum Way {
    /// It arrives after this.
    Arrives(Duration),
    /// It arrives after this; by then nobody waits.
    Late(Duration),
    /// It never arrives, and the sender is not told.
    Swallowed,
    /// Nobody listens.
    NoConnection,
}

#[async_trait]
impl Transport for Net {
    async fn exchange(&self, request: Request<Bytes>, _most: usize) -> Result<Answer, NoAnswer> {
        let life = &self.0;
        life.pass().await;
        if request.uri().host() == Some("sms.sim") {
            return self.sms(request).await;
        }
        let transaction = request.method() == Method::POST && request.uri().path() == "/fhir";
        if transaction {
            life.at(Point::Send, Side::Before).await;
        }
        let way = life.world.way(transaction);
        let (answered, answer) = oneshot::channel();
        let on_the_way = match way {
            Way::NoConnection => return Err(NoAnswer::NotSent("no connection")),
            Way::Swallowed => {
                // Held, so that the sender waits until it gives up.
                let _held = answered;
                return std::future::pending().await;
            }
            Way::Arrives(after) | Way::Late(after) => after,
        };
        let (world, sender) = (Arc::clone(&life.world), Arc::clone(life));
        // Not the host's task: what has left arrives though its sender dies.
        tokio::spawn(async move {
            tokio::time::sleep(on_the_way).await;
            if transaction {
                world.strike(&sender, Point::ServerCommit, Side::Before);
            }
            let counted = world.counts_first(&request);
            if counted.is_some() {
                tokio::time::sleep(world.span(COUNTED)).await;
            }
            let response = cut(world.serve(&request, transaction), counted);
            if transaction {
                world.strike(&sender, Point::ServerCommit, Side::After);
            }
            let lost = world.loses_answer();
            tokio::time::sleep(world.span(FAIR)).await;
            if !lost {
                let _ = answered.send(response);
            }
        });
        if transaction {
            life.at(Point::Send, Side::After).await;
        }
        if matches!(way, Way::Late(_)) {
            tokio::time::sleep(life.world.span(FAIR)).await;
            return Err(NoAnswer::Unknown("the connection broke"));
        }
        let response = answer.await.map_err(|_| NoAnswer::Unknown("the connection broke"))?;
        if transaction {
            life.at(Point::Answer, Side::Before).await;
            life.at(Point::Answer, Side::After).await;
        }
        life.pass().await;
        let (parts, body) = response.into_parts();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body, whole: true })
    }
}

impl Net {
    /// The receiver of what bots ask and send: keeps what came, and answers.
    async fn sms(&self, request: Request<Bytes>) -> Result<Answer, NoAnswer> {
        let (life, world) = (&self.0, &self.0.world);
        let number = is_question(request.uri());
        let point = if number { Point::AskSend } else { Point::OutboxSend };
        life.at(point, Side::Before).await;
        tokio::time::sleep(world.span(FAIR)).await;
        let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
        let body = String::from_utf8_lossy(request.body()).into_owned();
        world.receive(number, key, body);
        let lost = world.loses_answer();
        tokio::time::sleep(world.span(FAIR)).await;
        life.at(point, Side::After).await;
        if lost {
            return Err(NoAnswer::Unknown("the connection broke"));
        }
        // It gives back what it is asked, as if it were the answer to that alone.
        Ok(Answer { status: 202, headers: HeaderMap::new(), body: request.into_body(), whole: true })
    }
}

impl World {
    fn way(&self, transaction: bool) -> Way {
        let now = self.clocks.elapsed();
        let mut state = self.state();
        if now < state.weather.hangs_until {
            return Way::Swallowed;
        }
        if state.rarity > 0 && state.rng.random_range(0..2_000) == 0 {
            return Way::NoConnection;
        }
        let late = transaction && state.weather.late_sends > 0;
        state.weather.late_sends -= u32::from(late);
        let most = match (late, now < state.weather.slow_until) {
            (true, _) => LATE,
            (false, true) => SLOW,
            (false, false) => FAIR,
        };
        drop(state);
        let span = self.span(most);
        if late { Way::Late(span) } else { Way::Arrives(span) }
    }

    /// The server's answer to what arrived.
    fn serve(self: &Arc<Self>, request: &Request<Bytes>, transaction: bool) -> Response<Bytes> {
        let now = self.clocks.elapsed();
        let mut state = self.state();
        if now < state.weather.fails_until {
            let status = if state.rng.random_range(0..2) == 0 { 500 } else { 503 };
            return answer(status);
        }
        if transaction && state.weather.refuse > 0 {
            state.weather.refuse -= 1;
            return answer(422);
        }
        let unfenced = (transaction && self.mutant == Some(Mutant::NoFence)).then(|| without_fence(request)).flatten();
        let response = state.server.handle(self.clocks.server(), unfenced.as_ref().unwrap_or(request));
        let posts = state.server.take_posts();
        drop(state);
        if transaction {
            self.tell(|| {
                let sent: serde_json::Value = serde_json::from_slice(request.body()).unwrap_or_default();
                let entries = sent["entry"].as_array().into_iter().flatten();
                let urls: Vec<String> = entries
                    .map(|e| {
                        let named = e["resource"]["identifier"][0]["value"].as_str().unwrap_or_default();
                        let word = |key: &str| e["request"][key].as_str().unwrap_or_default().to_owned();
                        format!("{} {} {} {named}", word("method"), word("url"), word("ifMatch"))
                    })
                    .collect();
                format!("server answers {} to {}", response.status().as_u16(), urls.join("; "))
            });
        }
        self.post(posts);
        self.by_arrival(response)
    }

    /// How many entries a history has when it is asked for: as HAPI does, the server counts them before it reads them.
    fn counts_first(&self, request: &Request<Bytes>) -> Option<u64> {
        let now = self.clocks.server();
        let history = request.method() == Method::GET && request.uri().path().ends_with("/_history");
        // Not each time: to count costs what to read does.
        let slowly = history && self.state().rng.random_range(0..4) == 0;
        let body = slowly.then(|| self.state().server.handle(now, request).into_body())?;
        serde_json::from_slice::<serde_json::Value>(&body).ok()?["total"].as_u64()
    }

    fn loses_answer(&self) -> bool {
        let mut state = self.state();
        let lost = state.weather.lose_answers > 0;
        state.weather.lose_answers -= u32::from(lost);
        lost
    }

    fn receive(&self, number: bool, key: String, body: String) {
        let mut state = self.state();
        if number {
            state.asked.push((key, body.clone()));
            drop(state);
            self.tell(|| format!("a number for {body} asked for"));
            return;
        }
        let committed = super::judge::is_there(&state.server, &format!("sent/{body}"));
        state.received.push(Received { key, body: body.clone(), committed });
        drop(state);
        self.tell(|| format!("sms of {body} received"));
    }

    /// Under the mutant that takes versions in the order of arrival, the server keeps no history that could tell another.
    fn by_arrival(&self, response: Response<Bytes>) -> Response<Bytes> {
        if self.mutant != Some(Mutant::OrderByArrival) {
            return response;
        }
        let history = std::str::from_utf8(response.body()).is_ok_and(|text| text.contains("\"type\":\"history\""));
        if history { answer(404) } else { response }
    }
}

fn answer(status: u16) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(br#"{"resourceType":"OperationOutcome","issue":[]}"#));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// The last page of a history without what was beyond the count.
fn cut(response: Response<Bytes>, counted: Option<u64>) -> Response<Bytes> {
    let Some(counted) = counted else { return response };
    let (parts, body) = response.into_parts();
    let shorter = || {
        let mut bundle: serde_json::Value = serde_json::from_slice(&body).ok()?;
        let more = usize::try_from(bundle["total"].as_u64()?.checked_sub(counted)?).ok()?;
        let last = bundle["link"].as_array()?.iter().all(|link| link["relation"] != "next");
        let entries = bundle["entry"].as_array_mut().filter(|_| last && more > 0)?;
        entries.truncate(entries.len().saturating_sub(more));
        bundle["total"] = counted.into();
        Some(Bytes::from(bundle.to_string()))
    };
    let body = shorter().unwrap_or(body);
    Response::from_parts(parts, body)
}

/// The transaction without the condition that lets it succeed once.
fn without_fence(request: &Request<Bytes>) -> Option<Request<Bytes>> {
    let mut bundle: serde_json::Value = serde_json::from_slice(request.body()).ok()?;
    for entry in bundle["entry"].as_array_mut()? {
        if entry["request"]["url"].as_str().is_some_and(|url| url.starts_with("Basic/")) {
            entry["request"].as_object_mut()?.remove("ifMatch");
        }
    }
    let mut changed = Request::new(Bytes::from(bundle.to_string()));
    *changed.method_mut() = request.method().clone();
    *changed.uri_mut() = BASE.parse().ok()?;
    *changed.headers_mut() = request.headers().clone();
    Some(changed)
}
