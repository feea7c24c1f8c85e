//! The people on the other side: they create, update and delete what bots look at, and change what bots made.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hob_model::{Reference, Timestamp, VersionId};
use http::{Method, Request};
use rand::RngExt as _;
use serde_json::{Value, json};

use super::{BASE, World};

/// Resources of each type that are changed again and again. The others are made once, so that no later change tells that one was missed.
const EACH: u32 = 4;

/// The longest that a person's transaction takes.
const LONG: Duration = Duration::from_secs(5);

/// What people work on, and how often.
const TYPES: [(&str, u32); 4] = [("Task", 45), ("ServiceRequest", 20), ("Encounter", 20), ("Appointment", 15)];

impl World {
    /// Makes `changes` changes, in bursts and with pauses.
    pub(super) async fn people(self: Arc<Self>, changes: u32) {
        let mut made = 0;
        while made < changes {
            let burst = self.state().rng.random_range(1..6);
            for _ in 0..burst {
                let (kind, id, delete) = {
                    let mut state = self.state();
                    let mut pick = state.rng.random_range(0..100);
                    let mut kind = TYPES[0].0;
                    for (name, share) in TYPES {
                        if pick < share {
                            kind = name;
                            break;
                        }
                        pick -= share;
                    }
                    let fresh = state.rng.random_range(0..100) < 15;
                    let number = if fresh { EACH + made } else { state.rng.random_range(0..EACH) };
                    (kind, number, state.rng.random_range(0..100) < 8)
                };
                if let Ok(reference) = format!("{kind}/{}-{id}", kind.to_lowercase()).parse() {
                    self.person_changes(&reference, delete);
                }
                made += 1;
            }
            tokio::time::sleep(self.span(Duration::from_millis(1_500))).await;
        }
    }

    /// Writes the next version of a resource, or deletes it.
    pub(super) fn person_changes(self: &Arc<Self>, reference: &Reference, delete: bool) {
        let number = {
            let mut state = self.state();
            state.written += 1;
            state.written
        };
        let choice = self.state().rng.random_range(0..100_u32);
        let (kind, id) = (reference.resource_type.as_str(), reference.id.as_str());
        let status = match (kind, choice) {
            ("ServiceRequest", 0..70) => "active",
            ("ServiceRequest", _) => "on-hold",
            ("Encounter", 0..60) => "planned",
            ("Encounter", _) => "finished",
            ("Appointment", _) => "booked",
            _ => "ready",
        };
        let resource = json!({
            "resourceType": kind, "id": id, "status": status,
            "identifier": [{"system": "urn:sim:written", "value": number.to_string()}],
        });
        if delete {
            self.person(Method::DELETE, reference, None);
        } else {
            self.person(Method::PUT, reference, Some(resource));
        }
    }

    /// Edits or deletes something that a bot made.
    pub(super) fn person_changes_output(self: &Arc<Self>) {
        let pick = self.state().rng.random_range(0..1_000_usize);
        let delete = pick % 2 == 0;
        let found = {
            let state = self.state();
            let made = |kind: &str| matches!(kind, "Observation" | "Communication");
            let there: Vec<_> =
                state.server.current().filter(|kept| made(kept.resource_type) && kept.resource.is_some()).collect();
            let one = if there.is_empty() { None } else { there.get(pick % there.len()) };
            one.and_then(|kept| Some((format!("{}/{}", kept.resource_type, kept.id).parse().ok()?, kept.resource.cloned()?)))
        };
        let Some((reference, mut edited)) = found else { return };
        if delete {
            self.person(Method::DELETE, &reference, None);
        } else {
            edited["status"] = json!("amended");
            self.person(Method::PUT, &reference, Some(edited));
        }
    }

    /// When the transaction of a change began, which is the time that the change bears: now and then it took long, and what was committed
    /// meanwhile bears a later one.
    fn began(&self) -> Timestamp {
        let now = self.clocks.server();
        let mut state = self.state();
        let longest = now.since(state.opened).min(LONG);
        let slow = state.rng.random_range(0..4) == 0;
        drop(state);
        if slow { now - self.span(longest) } else { now }
    }

    fn person(self: &Arc<Self>, method: Method, reference: &Reference, resource: Option<Value>) {
        let body = resource.map(|resource| Bytes::from(resource.to_string())).unwrap_or_default();
        let mut request = Request::new(body);
        *request.method_mut() = method.clone();
        if let Ok(uri) = format!("{BASE}/{reference}").parse() {
            *request.uri_mut() = uri;
        }
        let began = self.began();
        let mut state = self.state();
        let before = state.server.look(reference).map(|kept| kept.version.to_owned());
        let _ = state.server.handle(began, &request);
        let after = state.server.look(reference).map(|kept| kept.version.to_owned());
        if after != before
            && let Some(version) = after.and_then(|version| VersionId::new(version).ok())
        {
            state.by_people.insert((reference.clone(), version.clone()));
            drop(state);
            self.tell(|| format!("a person: {method} {reference} makes version {version}"));
        } else {
            drop(state);
        }
        let posts = self.state().server.take_posts();
        self.post(posts);
    }
}
