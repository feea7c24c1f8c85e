//! A bot that does what its event's payload says, step by step, and answers with what each step gave. The tests of the sandbox use
//! it for good and bad behaviour alike: one component, many acts.
//!
//! Deployed with a setting `steps`, an object from a trigger's word to steps, it does these. Their strings may name the event and what was made
//! before: `{ref}`, `{id}`, `{version}`, `{key}`, `{at}`, and `{0}` for the reference that step 0 created.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hob_sdk::{Error, Event, FhirError, Host, HttpError, Level, Message, Outcome, Payload, Refused, Request, Response, Trigger};
use serde_json::{Value, json};

/// Would exceed 1 if an instance were used twice.
static RUNS: AtomicU64 = AtomicU64::new(0);

fn handle(event: Event, hob: &dyn Host) -> Result<Outcome, Error> {
    let steps = steps(&event, hob)?;
    let mut answers = Vec::new();
    for mut step in steps {
        fill(&mut step, &event, &answers);
        answers.push(act(&step, &event, hob)?);
    }
    Ok(Outcome::Reply(Payload::json(&answers)?))
}

fn steps(event: &Event, hob: &dyn Host) -> Result<Vec<Value>, Error> {
    let Some(by_trigger) = hob.setting("steps") else { return event.json() };
    let word = match &event.trigger {
        Trigger::Change { .. } => "change",
        Trigger::Cron { .. } => "cron",
        Trigger::Timer { .. } => "timer",
        Trigger::Reply { .. } => "reply",
        _ => return event.json(),
    };
    Ok(by_trigger[word].as_array().cloned().unwrap_or_default())
}

/// Puts what is known of the event and of earlier steps in the place of its name.
fn fill(value: &mut Value, event: &Event, answers: &[Value]) {
    match value {
        Value::String(text) if text.contains('{') => {
            match &event.trigger {
                Trigger::Change { resource_type, id, version, .. } => {
                    *text =
                        text.replace("{ref}", &format!("{resource_type}/{id}")).replace("{id}", id).replace("{version}", version);
                }
                Trigger::Timer { key, .. } | Trigger::Reply { key, .. } => *text = text.replace("{key}", key),
                Trigger::Cron { at, .. } => *text = text.replace("{at}", at),
                _ => {}
            }
            for (index, answer) in answers.iter().enumerate() {
                if let Some(reference) = answer["ok"]["reference"].as_str() {
                    *text = text.replace(&format!("{{{index}}}"), reference);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, event, answers)),
        Value::Object(members) => members.values_mut().for_each(|member| fill(member, event, answers)),
        _ => {}
    }
}

hob_sdk::bot!(handle);

/// What another attempt can cure fails this one.
fn ask(answer: Result<Response, HttpError>) -> Result<Value, Error> {
    match answer {
        Ok(response) => Ok(json!({ "status": response.status, "body": String::from_utf8_lossy(&response.body) })),
        Err(error) if matches!(error.code.as_str(), "later" | "unknown") => Err(error.into()),
        Err(error) => Ok(json!({ "error": error.code, "message": error.message })),
    }
}

fn act(step: &Value, event: &Event, hob: &dyn Host) -> Result<Value, Error> {
    let text = |index: usize| step[index].as_str().unwrap_or_default();
    let count = |index: usize| usize::try_from(step[index].as_u64().unwrap_or_default()).unwrap_or(usize::MAX);
    Ok(match text(0) {
        // Reads and writes.
        "read" => fhir(hob.read(text(1))),
        "vread" => fhir(hob.vread(text(1), text(2))),
        "history" => fhir(hob.history(text(1)).map(|page| page.bundle)),
        "search" => fhir(hob.search(text(1), text(2)).map(|page| json!({ "bundle": page.bundle, "next": page.next }))),
        "search-all" => fhir(hob.fhir().search_all(text(1), text(2)).map(Value::Array)),
        "operation" => {
            fhir(hob.operation(text(1), text(2), text(3)).map(|page| json!({ "bundle": page.bundle, "next": page.next })))
        }
        "more" => fhir(hob.more(text(1)).map(|page| page.bundle)),
        "batch" => {
            let urls: Vec<String> =
                step[1].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
            hob.batch(&urls).into_iter().map(fhir).collect()
        }
        "create" => {
            let created = hob.create(&step[1], step[2].as_str());
            fhir(created.map(|it| json!({ "reference": it.reference, "final": it.is_final, "existed": it.existed })))
        }
        "update" => fhir(hob.update(&step[1]).map(|()| Value::Null)),
        "patch" => fhir(hob.patch(text(1), &step[2]).map(|()| Value::Null)),
        "delete" => fhir(hob.delete(text(1)).map(|()| Value::Null)),
        "guard" => fhir(hob.guard(text(1), text(2)).map(|()| Value::Null)),
        "timer" => other(hob.set_timer(text(1), text(2), &step[3])),
        "cancel" => other(hob.cancel_timer(text(1))),
        "send" => other(hob.send(&Message {
            key: text(1).to_owned(),
            method: text(2).to_owned(),
            url: text(3).to_owned(),
            headers: Vec::new(),
            body: text(4).as_bytes().to_vec(),
        })),
        "ask" => ask(hob.http().send(&Request {
            method: text(1).to_owned(),
            url: text(2).to_owned(),
            headers: step[4].as_str().map(|value| ("x-with".to_owned(), value.to_owned())).into_iter().collect(),
            body: text(3).as_bytes().to_vec(),
        }))?,
        "setting" => hob.setting(text(1)).unwrap_or(Value::Null),
        "secret" => other(hob.placeholder(text(1))),
        "sign" => other(hob.sign(text(1), text(2), text(3).as_bytes())),
        // Shows it in all places that a run leaves behind.
        "expose" => {
            let value = hob.secret(text(1)).expose();
            if let Ok(value) = &value {
                hob_sdk::log(Level::Info, format_args!("exposed {value}"));
                let _ = hob.create(&json!({ "resourceType": "Basic", "code": { "text": value } }), None);
                let _ = hob.http().send(&Request {
                    method: "POST".to_owned(),
                    url: text(2).to_owned(),
                    headers: vec![("x-key".to_owned(), value.clone())],
                    body: value.clone().into_bytes(),
                });
                if text(3) == "fail" {
                    return Err(Error::reject("told", format!("it is {value}")).details(json!(value)));
                }
            }
            other(value)
        }
        "fhirpath" => other(hob.fhirpath(&step[1], text(2))),
        // What the sandbox shows of the machine.
        "event" => {
            json!({ "attempt": event.attempt, "deadline": event.deadline, "resource": event.resource, "trigger": format!("{:?}", event.trigger) })
        }
        "runs" => json!(RUNS.fetch_add(1, Ordering::Relaxed) + 1),
        "machine" => machine(),
        "log" => {
            hob_sdk::log(Level::Info, format_args!("{}", "x".repeat(count(1))));
            Value::Null
        }
        "say" => {
            hob_sdk::log(Level::Info, format_args!("{}", text(1)));
            Value::Null
        }
        // What arrived with the event, as text.
        "payload" => json!(event.payload.as_ref().map(|payload| String::from_utf8_lossy(&payload.body).into_owned())),
        // Bad behaviour.
        "loop" => {
            let mut turns = 0_u64;
            loop {
                turns = std::hint::black_box(turns.wrapping_add(1));
            }
        }
        "sleep" => {
            std::thread::sleep(Duration::from_millis(step[1].as_u64().unwrap_or_default()));
            Value::Null
        }
        "hog" => {
            let mut held = Vec::new();
            for _ in 0..count(1) {
                held.push(std::hint::black_box(vec![1_u8; 1 << 20]));
            }
            json!(held.len())
        }
        "hold" => {
            let documents: Vec<Value> = (0..count(1)).map(|_| fhir(hob.read(text(2)))).collect();
            json!(documents.len())
        }
        "trap" => {
            let nothing: [u8; 0] = [];
            json!(nothing[std::hint::black_box(count(1))])
        }
        "recurse" => json!(recurse(0)),
        "exit" => std::process::exit(3),
        "big" => json!("y".repeat(count(1))),
        "reject" => return Err(Error::reject(text(1), text(2)).details(json!({ "why": "told" }))),
        "retry" => return Err(Error::retry(text(1), text(2)).after(Duration::from_secs(7))),
        word => return Err(Error::reject("step", format!("unknown step {word}"))),
    })
}

fn fhir(answer: Result<Value, FhirError>) -> Value {
    match answer {
        Ok(value) => json!({ "ok": value }),
        Err(error) => json!({ "error": error.code, "message": error.message }),
    }
}

fn other<T: Into<Value>>(answer: Result<T, Refused>) -> Value {
    match answer {
        Ok(value) => json!({ "ok": value.into() }),
        Err(error) => json!({ "error": error.what, "message": error.message }),
    }
}

/// Everything of the machine that a bot might hope to see.
#[allow(clippy::disallowed_methods, reason = "what the sandbox answers to exactly these calls is under test")]
fn machine() -> Value {
    use std::hash::{BuildHasher, RandomState};
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let first = std::time::Instant::now();
    json!({
        "now": since.as_micros().to_string(),
        "elapsed": first.elapsed().as_nanos().to_string(),
        "random": RandomState::new().hash_one(1).to_string(),
        "args": std::env::args().count(),
        "env": std::env::vars().count(),
        "root": std::fs::read_dir("/").is_ok(),
        "file": std::fs::read("/etc/passwd").is_ok(),
        "write": std::fs::write("/tmp/hob", "x").is_ok(),
        "dial": std::net::TcpStream::connect("127.0.0.1:80").is_ok(),
        "listen": std::net::TcpListener::bind("127.0.0.1:0").is_ok(),
    })
}

fn recurse(depth: u64) -> u64 {
    let page = std::hint::black_box([depth; 64]);
    if std::hint::black_box(depth) == u64::MAX { 0 } else { recurse(depth + 1) + page[3] }
}
