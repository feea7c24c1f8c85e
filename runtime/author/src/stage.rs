//! Plays a case: the real component in the real engine, on a test server in memory, at the case's own time.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use hob_cases::{Answer, Case, Happened, Happening};
use hob_engine::{CodeFor, Denial, Engine, EngineConfig, HttpError, HttpRequest, HttpResponse, Outbound, Secrets};
use hob_host::local::{Bench, BenchBot, BenchEvent, BenchGiven, LocalOutcome};
use hob_model::{Auth, Cause, Interaction, ManualClock, Payload, Reference, RunId, VersionId};
use hob_testserver::Settings;
use http::Request;
use serde_json::Value;

use crate::error::Fault;
use crate::told;
use crate::transport::InMemory;
use crate::{AuthorError, Language, Project};

/// Entries of a page: few, so that a bot that reads only the first is found out.
const PAGE: usize = 2;

/// What a component is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// To be run as in service.
    Service,
    /// To be run soon, with file and line in traps.
    Author,
}

/// An engine on this machine. What it compiled is kept in the user's cache folder, so that a component is compiled once.
///
/// # Errors
/// Where the sandbox cannot be set up.
pub fn engine(aim: Aim, denial: Denial) -> Result<Engine, AuthorError> {
    let code = match aim {
        Aim::Service => CodeFor::Service,
        Aim::Author => CodeFor::Author,
    };
    let config = EngineConfig { concurrent_runs: 2, code, cache_dir: cache(), denial, ..EngineConfig::default() };
    // A cache that cannot be used is no reason not to work.
    Engine::new(config.clone()).or_else(|_| Engine::new(EngineConfig { cache_dir: None, ..config })).map_err(AuthorError::from)
}

/// Where a bot of this project learns that it asked beyond its scopes. A function of Rust is known by the stack that the engine sees; what an interpreter was at
/// only the bot itself can say, so it is told.
pub(crate) fn denial(project: &Project) -> Denial {
    match project.language() {
        Ok(Language::Node | Language::Python) => Denial::IsTold,
        Ok(Language::Rust) | Err(_) => Denial::Ends,
    }
}

fn cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?.join("hob/components");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder)
}

/// What a case is played on.
pub(crate) struct Stage {
    pub(crate) server: InMemory,
    bench: Bench,
    clock: Arc<ManualClock>,
}

/// What came of one run of a case.
pub(crate) struct Played {
    /// In the words of `expect`.
    pub(crate) document: Value,
    /// The `[[on]]` tables that wanted the event.
    pub(crate) wanted: Vec<usize>,
    /// None where the event did not start the bot.
    pub(crate) outcome: Option<LocalOutcome>,
}

impl Stage {
    /// Puts resources on a server, at the case's time.
    pub(crate) fn set(case: &Case, given: &[Value]) -> Result<Self, AuthorError> {
        let clock = Arc::new(ManualClock::new(case.now));
        let settings = Settings { page: PAGE, ..Settings::standard(InMemory::base()?) };
        let capabilities = settings.proved(case.now);
        let server = InMemory::new(settings, Arc::clone(&clock) as _);
        for resource in given {
            let put = server.server().seed(case.now, resource.clone());
            put.map_err(|why| broken(format!("given: {}: {}", name(resource), why.why)))?;
        }
        let bench =
            Bench::new(InMemory::base()?, Auth::None, Some(capabilities), Arc::new(server.clone()), Arc::clone(&clock) as _)?;
        Ok(Self { server, bench, clock })
    }

    /// The event of the case; a delete takes the resource off the server.
    pub(crate) fn event(&self, case: &Case) -> Result<BenchEvent, AuthorError> {
        let plain = |cause: Cause, payload: Payload| BenchEvent { cause, payload, resource: None, previous: None };
        Ok(match &case.event {
            Happening::Change(it) => self.change(&it.resource, it.version.as_deref(), it.change)?,
            Happening::Timer(it) => {
                let set_by = RunId::of_parts(&[b"case"]);
                plain(Cause::Timer { key: it.timer.clone(), due: it.due, set_by }, payload(&it.payload, Some("application/json")))
            }
            Happening::Cron(it) => {
                let cause = Cause::Cron { schedule: it.cron.clone(), at: it.at.unwrap_or(case.now) };
                plain(cause, Payload::default())
            }
            Happening::Invoke(it) => {
                let requester = it.requester.clone().unwrap_or_else(|| "case".to_owned());
                plain(Cause::Invoke { requester }, payload(&it.invoke, it.content_type.as_deref()))
            }
            Happening::Reply(it) => {
                let sent_by = RunId::of_parts(&[b"case"]);
                let cause = Cause::Reply { sent_by, key: it.reply.clone(), status: it.status };
                plain(cause, payload(&it.body, it.content_type.as_deref()))
            }
        })
    }

    /// A change of a resource that is on the server.
    pub(crate) fn change(&self, resource: &str, version: Option<&str>, change: Interaction) -> Result<BenchEvent, AuthorError> {
        let reference: Reference = resource.parse().map_err(|why| broken(format!("event: `{resource}`: {why}; give Type/id")))?;
        let find = |id: &str| {
            let server = self.server.server();
            let of = |kept: &hob_testserver::Kept<'_>| {
                kept.resource_type == reference.resource_type.as_str() && kept.id == reference.id.as_str()
            };
            let versions =
                server.versions().filter(of).filter_map(|kept| Some((kept.version.to_owned(), kept.resource?.clone())));
            let versions: Vec<(String, Value)> = versions.collect();
            let at = if id.is_empty() {
                versions.len().checked_sub(1)
            } else {
                versions.iter().position(|(version, _)| version == id)
            };
            at.map(|at| (versions[at].clone(), at.checked_sub(1).map(|before| versions[before].clone())))
        };
        let found = find(version.unwrap_or_default());
        let ((mut version, resource), mut before) = found
            .ok_or_else(|| broken(format!("event: {reference} is not among the given resources, or not at that version")))?;
        if change == Interaction::Delete {
            let request = Request::delete(format!("{}/{reference}", crate::transport::BASE)).body(Bytes::new());
            let request = request.map_err(|why| broken(why.to_string()))?;
            let answer = self.server.server().handle(case_time(&self.clock), &request);
            if !answer.status().is_success() {
                return Err(broken(format!("event: {reference} cannot be deleted: {}", answer.status())));
            }
            before = Some((version.clone(), resource.clone()));
            version = self.server.server().look(&reference).map_or(version, |kept| kept.version.to_owned());
        }
        let bytes = Bytes::from(resource.to_string());
        let id = |text: &str| VersionId::new(text).map_err(|why| broken(why.to_string()));
        let previous = before.filter(|_| change != Interaction::Create);
        let cause = self.bench.change(reference, id(&version)?, change, previous.as_ref().map(|(v, _)| id(v)).transpose()?);
        let payload = Payload { content_type: "application/fhir+json".to_owned(), bytes };
        Ok(BenchEvent { cause, payload, resource: Some(resource), previous: previous.map(|(_, content)| content) })
    }

    /// Runs the bot on the event, if one of its triggers wants it.
    pub(crate) async fn play(&self, bot: &BenchBot, case: &Case, event: BenchEvent, seed: u64) -> Result<Played, AuthorError> {
        let wanted = bot.wanted_by(&event);
        if wanted.is_empty() {
            return Ok(Played { document: Happened::not_started(), wanted, outcome: None });
        }
        let answers = Arc::new(Canned(Mutex::new(case.answers.iter().cloned().collect())));
        let settings = case.checked_settings(bot.manifest()).map_err(broken)?;
        let given =
            BenchGiven { settings, seed, http: Arc::clone(&answers) as _, secrets: Arc::new(Known(case.secrets.clone())) };
        let outcome = self.bench.run(bot, event, given).await?;
        let left = answers.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        if left > 0 && outcome.result.is_ok() {
            return Err(broken(format!("answers: the bot did not ask for the last {left} of them")));
        }
        Ok(Played { document: told::document(&outcome), wanted, outcome: Some(outcome) })
    }

    /// Writes what the bot decided onto the server.
    pub(crate) async fn commit(&self, outcome: &mut LocalOutcome) -> Result<(), AuthorError> {
        Ok(self.bench.transaction(outcome, true).await?)
    }
}

fn case_time(clock: &Arc<ManualClock>) -> hob_model::Timestamp {
    use hob_model::Clock as _;
    clock.now()
}

/// A case that cannot be played.
pub(crate) fn broken(why: impl std::fmt::Display) -> AuthorError {
    AuthorError::new(
        Fault::Data,
        "case",
        why,
        "mend the case; vendor/hob/schema/case.json in a project, and docs/author.md of Hob, describe it",
    )
}

fn name(resource: &Value) -> String {
    let text = |key: &str| resource[key].as_str().unwrap_or("?").to_owned();
    format!("{}/{}", text("resourceType"), text("id"))
}

/// A text as it is, anything else as JSON; nothing for null.
pub(crate) fn payload(value: &Value, content_type: Option<&str>) -> Payload {
    let (kind, body) = match value {
        Value::Null => return Payload::default(),
        Value::String(text) if content_type != Some("application/json") => ("text/plain", text.clone()),
        other => ("application/json", other.to_string()),
    };
    Payload { content_type: content_type.unwrap_or(kind).to_owned(), bytes: body.into() }
}

/// The answers of a case, one after the other.
struct Canned(Mutex<VecDeque<Answer>>);

#[async_trait]
impl Outbound for Canned {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |answer: &&Answer| {
            request.url.starts_with(&answer.url) && answer.method.as_ref().is_none_or(|method| *method == request.method)
        };
        if answers.front().filter(fits).is_none() {
            let message = "the next of the case's `answers` is not for this request".to_owned();
            return Err(HttpError::Told { code: "refused", message, retry_after: None });
        }
        let answer = answers.pop_front().unwrap_or_else(|| unreachable!("it was there"));
        let payload = payload(&answer.body, None);
        let mut headers: Vec<(String, String)> =
            answer.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        if !payload.content_type.is_empty() && headers.iter().all(|(name, _)| name != "content-type") {
            headers.push(("content-type".to_owned(), payload.content_type));
        }
        Ok(HttpResponse { status: answer.status, headers, body: payload.bytes })
    }
}

/// The secrets of a case.
struct Known(BTreeMap<String, String>);

impl Secrets for Known {
    fn value(&self, name: &str) -> Result<String, String> {
        self.0.get(name).cloned().ok_or_else(|| format!("the case's `secrets` have no {name}"))
    }
}
