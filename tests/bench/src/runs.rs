//! What the engine is given for a run that no ledger knows of, and a run in another language against the same in Rust.

use std::collections::BTreeMap;

use bytes::Bytes;
use hob_engine::{Document, RunInput};
use hob_host::SystemClock;
use hob_model::{Cause, ChangeKey, Clock as _, Event, EventId, Interaction, Payload, ResourceKey, RunId};
use serde_json::Value;

use crate::report::{Goal, Outcome, Row};
use crate::stopwatch::{Rounds, median};

const ROUNDS: usize = 20;
const ROUND: usize = 50;

/// A run for this cause, without a resource and settings.
pub(crate) fn input(cause: Cause, payload: Payload) -> Outcome<RunInput> {
    let now = SystemClock.now();
    Ok(RunInput {
        run: RunId::of_parts(&[b"bench"]),
        event: Event {
            id: EventId::of_parts(&[b"bench"]),
            tenant: "bench".parse()?,
            source: Some("ehr".parse()?),
            cause,
            occurred: None,
            received: now,
            hop: 0,
        },
        payload,
        resource: None,
        previous: None,
        attempt: 1,
        seed: 1,
        now,
        settings: BTreeMap::new(),
    })
}

/// The first version of a resource came.
pub(crate) fn created(reference: &str) -> Outcome<Cause> {
    let resource = ResourceKey { tenant: "bench".parse()?, source: "ehr".parse()?, resource: reference.parse()? };
    let key = ChangeKey { resource, version: "1".parse()? };
    Ok(Cause::Change { key, interaction: Interaction::Create, previous: None })
}

/// A run on the first version of this resource.
pub(crate) fn change(resource: &Value) -> Outcome<RunInput> {
    let text = |key: &str| resource[key].as_str().unwrap_or_default();
    let bytes = Bytes::from(resource.to_string());
    let payload = Payload { content_type: "application/fhir+json".to_owned(), bytes: bytes.clone() };
    let cause = created(&format!("{}/{}", text("resourceType"), text("id")))?;
    Ok(RunInput { resource: Some(Document::parse(&bytes)?), ..input(cause, payload)? })
}

/// A run of the test component in Rust, which makes these calls.
pub(crate) fn script(calls: &Value) -> Outcome<RunInput> {
    let payload = Payload { content_type: "application/json".to_owned(), bytes: Bytes::from(calls.to_string()) };
    input(Cause::Invoke { requester: "bench".to_owned() }, payload)
}

/// Two rows: what `ours` gives, held to the first goal, and its ratio to what `rust` gives, held to the second. Both give the CPU of one run, in microseconds.
pub(crate) async fn against_rust(
    names: [&'static str; 2],
    goals: [f64; 2],
    ours: impl AsyncFn() -> Outcome<f64>,
    rust: impl AsyncFn() -> Outcome<f64>,
) -> Outcome<[Row; 2]> {
    eprintln!("{}: {ROUNDS} rounds of {ROUND}", names[0]);
    let mut rounds = Rounds::default();
    // The first round warms up.
    for round in 0..=ROUNDS {
        let (mut cpu, mut floor) = (Vec::with_capacity(ROUND), Vec::with_capacity(ROUND));
        for _ in 0..ROUND {
            cpu.push(ours().await?);
        }
        for _ in 0..ROUND {
            floor.push(rust().await?);
        }
        if round > 0 {
            rounds.ours.push(median(cpu));
            rounds.floor.push(median(floor));
            rounds.n += ROUND;
        }
    }
    let (figure, floor) = (median(rounds.ours), median(rounds.floor));
    let row = Row { name: names[0], n: rounds.n, median: figure, unit: "us", floor: None, goal: Goal::AtMost(goals[0]) };
    Ok([row, Row { name: names[1], floor: Some(floor), goal: Goal::AtMost(goals[1]), ..row }])
}
