//! The bots of the simulation: native, small, and such that what they leave on the server says which event it came from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hob_engine::{Components, EngineError, HttpError, HttpRequest, Outside, RunInput, RunOutput};
use hob_host::{Prepared, Sandbox};
use hob_model::{
    BotName, Cause, Effects, Event, Failure, FailureKind, Interaction, Journal, Manifest, OutboxItem, Reference, TimerOp,
    Timestamp, VersionId, Write,
};
use serde_json::{Value, json};

use super::host::Life;
use super::judge::Breach;

/// A bot of the simulation.
pub(super) struct Native {
    pub(super) name: &'static str,
    /// What stands in the manifest beside name and version.
    manifest: &'static str,
    /// It asks for something before it decides about a change.
    asks: bool,
    decide: fn(&Event, Option<&Value>, Timestamp) -> Effects,
}

/// All of them.
pub(super) const BOTS: [Native; 4] = [
    Native {
        name: "scorer",
        manifest: "scopes = [\"system/Observation.c\"]\n[[on]]\nchange = \"Task\"\ninteractions = [\"create\", \"update\", \"delete\"]\n",
        asks: false,
        decide: score,
    },
    Native {
        name: "router",
        manifest: "scopes = [\"system/ServiceRequest.u\"]\n[[on]]\nchange = \"ServiceRequest?status=active\"\n",
        asks: false,
        decide: route,
    },
    Native {
        name: "reminder",
        manifest: "scopes = [\"system/Communication.c\", \"system/Basic.c\"]\n[[on]]\nchange = \"Encounter\"\n[[on]]\ntimer = true\n[[on]]\ncron = \"0 * * * * *\"\nzone = \"UTC\"\n",
        asks: false,
        decide: remind,
    },
    Native {
        name: "notifier",
        manifest: "scopes = [\"system/Basic.c\"]\n[[on]]\nchange = \"Appointment\"\n[[on]]\nreply = true\n[[http]]\nmethods = [\"POST\"]\nhost = \"sms.sim\"\npath = \"/\"\ninsecure = true\n",
        asks: true,
        decide: notify,
    },
];

/// The manifest of a release. Retries end soon, so that a simulation does. `resend`: what becomes of a request with an unknown outcome.
pub(super) fn manifest(bot: usize, release: u32, resend: bool) -> String {
    let Native { name, manifest, .. } = &BOTS[bot];
    let retry = "[retry]\nattempts = 1000\nconflicts = 1000\nfirst-ms = 200\nmax-ms = 5000\n";
    let outbox = if resend { "[outbox]\nunknown = \"resend\"\n" } else { "" };
    format!("name = \"{name}\"\nversion = \"0.{release}.0\"\n{manifest}{retry}{outbox}")
}

/// The sandbox of one life.
pub(super) struct Natives(pub(super) Arc<Life>);

#[async_trait]
impl Sandbox for Natives {
    async fn prepare(
        &self,
        component: Bytes,
        _manifest: Manifest,
        _again: Arc<dyn Components>,
    ) -> Result<Arc<dyn Prepared>, EngineError> {
        let text = String::from_utf8_lossy(&component).into_owned();
        let bot = BOTS.iter().position(|bot| text.split(' ').nth(1) == Some(bot.name));
        let bot = bot.ok_or_else(|| EngineError::Compile("no bot of the simulation".to_owned()))?;
        Ok(Arc::new(Ready { life: Arc::clone(&self.0), bot }))
    }
}

struct Ready {
    life: Arc<Life>,
    bot: usize,
}

#[async_trait]
impl Prepared for Ready {
    async fn run(&self, input: RunInput, outside: Outside) -> RunOutput {
        let clock = Arc::clone(&outside.clock);
        let (world, bot) = (&self.life.world, &BOTS[self.bot]);
        let began = clock.now();
        let subject = match &input.event.cause {
            Cause::Change { key, .. } => Some(key.resource.resource.clone()),
            _ => None,
        };
        let place = subject.clone().zip(bot.name.parse::<BotName>().ok()).map(|(subject, bot)| (self.life.number, bot, subject));
        if let Some(place) = &place {
            let mut state = world.state();
            state.subject.clone_from(&subject);
            if !state.running.insert(place.clone()) {
                state.breaches.push(Breach::new("two-at-once", &place.2, "two runs of one resource at one time"));
            }
        }
        tokio::time::sleep(world.span(Duration::from_millis(20))).await;
        let is_change = matches!(input.event.cause, Cause::Change { .. });
        let answer = if bot.asks && is_change { self.ask(&outside, &named(&input.event)).await } else { Ok(()) };
        let resource = input.resource.as_ref().map(hob_engine::Document::value);
        let decided = answer.map(|()| (bot.decide)(&input.event, resource, input.now));
        let (result, effects) = match decided {
            Ok(effects) => (Ok(None), effects),
            Err(failure) => (Err(failure), Effects::default()),
        };
        world.tell(|| {
            let failed = result.as_ref().err().map_or("", |failure: &Failure| failure.code.as_str());
            format!("{} runs on {} and stages {} writes {failed}", bot.name, named(&input.event), effects.writes.len())
        });
        if let Some(place) = &place {
            world.state().running.remove(place);
        }
        let journal = Journal { seed: input.seed, started: input.now, ..Journal::default() };
        RunOutput { result, effects, journal, read: BTreeMap::new(), cpu: Duration::ZERO, wall: clock.now().since(began) }
    }
}

impl Ready {
    /// Asks for what the bot needs to know of an event; the answer is that of this question.
    async fn ask(&self, outside: &Outside, name: &str) -> Result<(), Failure> {
        let request = HttpRequest {
            method: "POST".to_owned(),
            url: "http://sms.sim/number".to_owned(),
            headers: Vec::new(),
            body: Bytes::copy_from_slice(name.as_bytes()),
        };
        let failed =
            |code: &str, message: String| Failure { kind: FailureKind::Retry, code: code.to_owned(), message, retry_after: None };
        match outside.http.send(request).await {
            Ok(response) if response.body == name.as_bytes() => Ok(()),
            Ok(_) => {
                let breach = Breach::new("ask", &name, "the answer is that of another question");
                self.life.world.state().breaches.push(breach);
                Err(failed("ask", "another's answer".to_owned()))
            }
            Err(HttpError::Told { code, message, .. }) => Err(failed(code, message)),
            Err(HttpError::Ends(failure)) => Err(failure),
        }
    }
}

/// How what came of an event is named on the server.
pub(super) fn named(event: &Event) -> String {
    match &event.cause {
        Cause::Change { key, .. } => change(&key.resource.resource, &key.version),
        Cause::Timer { set_by, .. } => format!("timer/{set_by}"),
        Cause::Cron { at, .. } => format!("cron/{at}"),
        Cause::Reply { sent_by, .. } => format!("reply/{sent_by}"),
        Cause::Invoke { .. } => "invoke".to_owned(),
    }
}

pub(super) fn change(reference: &Reference, version: &VersionId) -> String {
    format!("{reference}/{version}")
}

/// A new resource that says what it came of.
fn create(kind: &str, name: &str) -> Option<Write> {
    let resource = json!({
        "resourceType": kind, "status": "final",
        "identifier": [{"system": "urn:sim:of", "value": name}],
    });
    let reference = format!("urn:uuid:{name}");
    Some(Write::Create { resource_type: kind.parse().ok()?, reference, is_final: false, if_none_exist: None, resource })
}

fn writes(writes: impl IntoIterator<Item = Option<Write>>) -> Effects {
    Effects { writes: writes.into_iter().flatten().collect(), ..Effects::default() }
}

/// One Observation for each version of a Task, deletes too.
fn score(event: &Event, _: Option<&Value>, _: Timestamp) -> Effects {
    writes([create("Observation", &named(event))])
}

/// Marks the ServiceRequest itself as routed, once for what a person wrote.
fn route(_: &Event, resource: Option<&Value>, _: Timestamp) -> Effects {
    let routed = resource.and_then(|resource| {
        let written = resource["identifier"][0]["value"].as_str()?;
        if resource["note"][0]["text"] == written {
            return None;
        }
        let target = format!("ServiceRequest/{}", resource["id"].as_str()?).parse().ok()?;
        let read = resource["meta"]["versionId"].as_str()?.parse().ok()?;
        let mut content = resource.clone();
        content["note"] = json!([{"text": written}]);
        Some(Write::Update { target, read, resource: content })
    });
    writes([routed])
}

/// A planned Encounter sets or moves a timer, any other takes it back; a timer that fires makes a Communication.
fn remind(event: &Event, resource: Option<&Value>, now: Timestamp) -> Effects {
    match &event.cause {
        Cause::Change { interaction: Interaction::Create | Interaction::Update, .. } => {
            let planned = resource.is_some_and(|resource| resource["status"] == "planned");
            let timer = if planned {
                TimerOp::Set { key: "visit".to_owned(), at: now + Duration::from_secs(20), payload: json!({}) }
            } else {
                TimerOp::Cancel { key: "visit".to_owned() }
            };
            Effects { timers: vec![timer], ..writes([create("Basic", &format!("set/{}", named(event)))]) }
        }
        _ => writes([create("Communication", &named(event))]),
    }
}

/// A message for each version of an Appointment, and a note of its answer.
fn notify(event: &Event, _: Option<&Value>, _: Timestamp) -> Effects {
    let name = named(event);
    if !matches!(event.cause, Cause::Change { .. }) {
        return writes([create("Basic", &name)]);
    }
    let message = OutboxItem {
        key: "sms".to_owned(),
        method: "POST".to_owned(),
        url: "http://sms.sim/".to_owned(),
        headers: Vec::new(),
        body: name.clone().into_bytes(),
    };
    Effects { outbox: vec![message], ..writes([create("Basic", &format!("sent/{name}"))]) }
}
