//! A session: what was built, what ran last, and what is done about each input.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hob_cases::Happening;
use hob_engine::{Engine, Offline};
use hob_host::local::{Bench, BenchBot, BenchEvent, BenchGiven, LocalOutcome, own_secrets};
use hob_model::{
    Auth, BaseUrl, Cause, Clock, Interaction, Payload, Reference, RunId, TimerOp, Timestamp, Trigger, VersionId, Write,
};
use hob_testserver::Settings;
use http::Request;
use rand::RngExt as _;
use serde_json::Value;
use tokio::sync::mpsc;

use super::desk::{Desk, Version};
use super::input::{Command, Input};
use super::show::{Called, Changed, Ran, Shown};
use super::{Options, seeds};
use crate::build::{Profile, Words, build};
use crate::stage::{Aim, denial, engine, payload};
use crate::{AuthorError, Project, test};

/// How long a change of files must be over before it is looked at: editors write in several steps.
const QUIET: Duration = Duration::from_millis(15);
/// How long a build may take without a word.
const PATIENCE: Duration = Duration::from_secs(5);
/// Runs that follow from the bot's own writes, at most.
const HOPS: usize = 5;

pub(super) struct Session {
    options: Options,
    project: Project,
    engine: Engine,
    desk: Desk,
    bench: Bench,
    base: BaseUrl,
    clock: Arc<dyn Clock>,
    bot: Option<Arc<BenchBot>>,
    last: Option<Last>,
    timers: BTreeMap<String, (Timestamp, Value)>,
}

/// The last run.
struct Last {
    what: String,
    event: BenchEvent,
    /// The requests by which it wrote.
    wrote: Range<usize>,
    /// Timers as they were before it.
    timers: BTreeMap<String, (Timestamp, Value)>,
}

impl Session {
    pub(super) fn new(
        options: Options,
        project: Project,
        desk: Desk,
        base: BaseUrl,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuthorError> {
        let capabilities = Settings::standard(base.clone()).proved(clock.now());
        let bench = Bench::new(base.clone(), Auth::None, Some(capabilities), Arc::new(desk.clone()), Arc::clone(&clock))?;
        let engine = engine(Aim::Author, denial(&project))?;
        Ok(Self { options, project, engine, desk, bench, base, clock, bot: None, last: None, timers: BTreeMap::new() })
    }

    /// Until the next timer is due; for ever where none is set.
    pub(super) fn next_timer(&self) -> impl Future<Output = ()> + use<> {
        let next = self.timers.values().map(|(at, _)| *at).min();
        let wait = next.map(|at| at.since(self.clock.now()));
        async move {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        }
    }

    pub(super) async fn take(&mut self, input: Input, waiting: &mut mpsc::Receiver<Input>, show: &mut dyn FnMut(Shown)) {
        match input {
            Input::Files(files) => {
                let saved = self.clock.now();
                let (files, others) = settled(files, waiting).await;
                self.files(files, saved, show).await;
                for other in others {
                    Box::pin(self.take(other, waiting, show)).await;
                }
            }
            Input::Written => self.written(0, show).await,
            Input::Due => self.fire(false, show).await,
            Input::Command(Command::Again) => match self.last.is_some() {
                true => self.again(None, show).await,
                false => show(Shown::Nothing { why: "no event has come yet" }),
            },
            Input::Command(Command::Fire) => self.fire(true, show).await,
            Input::Command(Command::Cron) => self.cron(show).await,
            Input::Command(Command::Cases) => self.cases(show).await,
        }
    }

    /// Builds the bot, plays its cases, and runs the last event again.
    pub(super) async fn rebuild(&mut self, saved: Option<Timestamp>, show: &mut dyn FnMut(Shown)) {
        match self.build(saved, show).await {
            Ok(()) => {
                if self.last.is_some() {
                    self.again(saved, show).await;
                }
                self.cases(show).await;
            }
            Err(error) => show(Shown::Wrong(error)),
        }
    }

    async fn build(&mut self, saved: Option<Timestamp>, show: &mut dyn FnMut(Shown)) -> Result<(), AuthorError> {
        self.project = Project::open(&self.options.dir)?;
        let (project, color, clock) = (self.project.clone(), self.options.color, Arc::clone(&self.clock));
        let words = Words::Kept { color };
        let cut_off = |_| AuthorError::new(crate::error::Fault::Failed, "build-failed", "the build was cut off", "save again");
        let began = self.clock.now();
        let mut building = tokio::task::spawn_blocking(move || build(&project, Profile::Author, words, &*clock));
        let built = loop {
            tokio::select! {
                built = &mut building => break built.map_err(cut_off)??,
                () = tokio::time::sleep(PATIENCE) => show(Shown::StillBuilding {
                    since: self.clock.now().since(began),
                    is_first: self.bot.is_none(),
                }),
            }
        };
        let bytes =
            Bytes::from(std::fs::read(&built.component).map_err(|error| AuthorError::unreadable(&built.component, &error))?);
        let (engine, manifest, base) = (self.engine.clone(), self.project.manifest.clone(), self.base.clone());
        let before = self.clock.now();
        let bot = tokio::task::spawn_blocking(move || BenchBot::prepare(&engine, &manifest, &bytes, &base))
            .await
            .map_err(cut_off)?
            .map_err(|error| self.project.placed(error.into()))?;
        self.bot = Some(Arc::new(bot));
        let now = self.clock.now();
        show(Shown::Ready { built, compiled: now.since(before), since_save: saved.map(|saved| now.since(saved)) });
        Ok(())
    }

    async fn cases(&mut self, show: &mut dyn FnMut(Shown)) {
        let Some(bot) = self.bot.clone() else { return };
        match test::run(&self.project, &bot, &test::Options::default(), &*self.clock).await {
            Ok(report) if report.cases.is_empty() => {}
            Ok(report) => {
                let failed = report.cases.iter().filter(|case| !case.verdict.is_good()).map(|case| case.name.clone());
                let failed: Vec<String> = failed.collect();
                show(Shown::Cases { passed: report.cases.len() - failed.len(), failed, took: report.took });
            }
            Err(error) => show(Shown::Wrong(error)),
        }
    }

    /// What changed files mean.
    async fn files(&mut self, files: BTreeSet<PathBuf>, saved: Timestamp, show: &mut dyn FnMut(Shown)) {
        let Ok(root) = self.options.dir.canonicalize() else { return };
        let inside: Vec<PathBuf> = files.iter().filter_map(|file| Some(file.strip_prefix(&root).ok()?.to_owned())).collect();
        let (events, rest): (Vec<_>, Vec<_>) = inside.into_iter().partition(|file| file.starts_with("dev/events"));
        let (seeds, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|file| file.starts_with("dev"));
        let (cases, sources): (Vec<_>, Vec<_>) = rest.into_iter().partition(|file| file.starts_with("cases"));
        if !seeds.is_empty() {
            let read = seeds::read(&self.project, self.options.seeds.as_deref());
            match read.and_then(|seeds| self.desk.reseed(seeds)) {
                Ok(()) => {
                    self.last = None;
                    self.timers.clear();
                    show(Shown::Reseeded { resources: self.desk.count() });
                }
                Err(error) => show(Shown::Wrong(error)),
            }
        }
        // A folder changes with each file in it; and what is gone and has no ending was a tool's, for a moment.
        let is_source = |file: &PathBuf| match std::fs::metadata(root.join(file)) {
            Ok(found) => found.is_file(),
            Err(_) => file.extension().is_some(),
        };
        let files: Vec<PathBuf> = sources.into_iter().filter(is_source).collect();
        if !files.is_empty() {
            show(Shown::Building { files });
            self.rebuild(Some(saved), show).await;
        } else if !cases.is_empty() {
            self.cases(show).await;
        }
        for event in events {
            let file = root.join(&event);
            if file.is_file() && file.extension().is_some_and(|end| end == "json") {
                self.play_file(&file, &event, show).await;
            }
        }
    }

    /// An event from a file: a resource is put on the server, and what a case has as its `event` is done.
    async fn play_file(&mut self, file: &Path, name: &Path, show: &mut dyn FnMut(Shown)) {
        let wrong = |why: String| {
            let help =
                "give a FHIR resource with resourceType and id, or an event as cases have it: {\"invoke\": …}, {\"timer\": …}";
            AuthorError::new(crate::error::Fault::Data, "event", why, help).at(name.display())
        };
        let value = match seeds::json(file) {
            Ok(value) => value,
            Err(error) => return show(Shown::Wrong(error)),
        };
        if value["resourceType"].is_string() {
            if let Err(why) = self.put(&value) {
                return show(Shown::Wrong(wrong(why)));
            }
            return self.written(0, show).await;
        }
        match serde_json::from_value::<Happening>(value).map_err(|why| why.to_string()).and_then(|event| self.happening(event)) {
            Ok(event) => {
                let what = format!("{} from {}", word(&event.cause), name.display());
                self.run(what, event, 0, None, show).await;
            }
            Err(why) => show(Shown::Wrong(wrong(why))),
        }
    }

    /// Puts a resource on the server as a person would.
    fn put(&self, resource: &Value) -> Result<(), String> {
        let text = |key: &str| resource[key].as_str().ok_or_else(|| format!("it has no {key}"));
        let url = format!("{}/{}/{}", self.base, text("resourceType")?, text("id")?);
        let body = Bytes::from(resource.to_string());
        let request =
            Request::put(url).header("content-type", "application/fhir+json").body(body).map_err(|why| why.to_string())?;
        let answer = self.desk.handle(request, false);
        if answer.status().is_success() {
            return Ok(());
        }
        let outcome: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        Err(format!(
            "the server refuses it: {} {}",
            answer.status(),
            outcome["issue"][0]["diagnostics"].as_str().unwrap_or_default()
        ))
    }

    fn happening(&self, happening: Happening) -> Result<BenchEvent, String> {
        let now = self.clock.now();
        let plain = |cause: Cause, payload: Payload| Ok(BenchEvent { cause, payload, resource: None, previous: None });
        let by = RunId::of_parts(&[b"dev"]);
        match happening {
            Happening::Change(it) => {
                let reference: Reference = it.resource.parse().map_err(|why| format!("{why}; give Type/id"))?;
                let resource = self.desk.look(&reference).ok_or_else(|| format!("{reference} is not on the server"))?;
                let version = resource["meta"]["versionId"].as_str().unwrap_or("1").to_owned();
                let interaction = it.change;
                Ok(self.of(Version {
                    reference,
                    version,
                    interaction,
                    resource: Some(resource),
                    previous: None,
                    by_bot: false,
                })?)
            }
            Happening::Timer(it) => {
                plain(Cause::Timer { key: it.timer, due: it.due, set_by: by }, payload(&it.payload, Some("application/json")))
            }
            Happening::Cron(it) => plain(Cause::Cron { schedule: it.cron, at: it.at.unwrap_or(now) }, Payload::default()),
            Happening::Invoke(it) => {
                let requester = it.requester.unwrap_or_else(|| "dev".to_owned());
                plain(Cause::Invoke { requester }, payload(&it.invoke, it.content_type.as_deref()))
            }
            Happening::Reply(it) => plain(
                Cause::Reply { sent_by: by, key: it.reply, status: it.status },
                payload(&it.body, it.content_type.as_deref()),
            ),
        }
    }

    /// The event of a version.
    fn of(&self, version: Version) -> Result<BenchEvent, String> {
        let id = |text: &str| VersionId::new(text).map_err(|why| why.to_string());
        let previous = version.previous.as_ref().map(|(version, _)| id(version)).transpose()?;
        let cause = self.bench.change(version.reference, id(&version.version)?, version.interaction, previous);
        let bytes = Bytes::from(version.resource.as_ref().map(Value::to_string).unwrap_or_default());
        let payload = Payload { content_type: "application/fhir+json".to_owned(), bytes };
        Ok(BenchEvent { cause, payload, resource: version.resource, previous: version.previous.map(|(_, content)| content) })
    }

    /// Runs the bot on what was written on the server, and on what it writes then, where it wants that.
    async fn written(&mut self, hop: usize, show: &mut dyn FnMut(Shown)) {
        for version in self.desk.written() {
            if version.by_bot && !self.project.manifest.own_changes {
                continue;
            }
            let what = format!("{} {}", version.interaction, version.reference);
            match self.of(version) {
                Ok(event) => self.run(what, event, hop, None, show).await,
                Err(why) => show(Shown::Wrong(AuthorError::new(crate::error::Fault::Data, "event", why, "give it another id"))),
            }
        }
    }

    async fn cron(&mut self, show: &mut dyn FnMut(Shown)) {
        let schedule = self.project.manifest.on.iter().find_map(|trigger| match trigger {
            Trigger::Cron { schedule, .. } => Some(schedule.clone()),
            _ => None,
        });
        let Some(schedule) = schedule else { return show(Shown::Nothing { why: "bot.toml has no cron" }) };
        let what = format!("cron {schedule}");
        let cause = Cause::Cron { schedule, at: self.clock.now() };
        let event = BenchEvent { cause, payload: Payload::default(), resource: None, previous: None };
        self.run(what, event, 0, None, show).await;
    }

    /// Fires the next timer, where it is due or is wanted now.
    async fn fire(&mut self, now: bool, show: &mut dyn FnMut(Shown)) {
        let next =
            self.timers.iter().min_by_key(|(_, (at, _))| *at).map(|(key, (at, payload))| (key.clone(), *at, payload.clone()));
        let Some((key, due, payload)) = next else { return show(Shown::Nothing { why: "no timer is set" }) };
        if !now && due > self.clock.now() {
            return;
        }
        self.timers.remove(&key);
        let what = format!("timer {key}");
        let cause = Cause::Timer { key, due, set_by: RunId::of_parts(&[b"dev"]) };
        let payload = Payload { content_type: "application/json".to_owned(), bytes: payload.to_string().into() };
        self.run(what, BenchEvent { cause, payload, resource: None, previous: None }, 0, None, show).await;
    }

    /// The last event, on the server as it was before it.
    async fn again(&mut self, saved: Option<Timestamp>, show: &mut dyn FnMut(Shown)) {
        let Some(last) = self.last.take() else { return };
        if let Err(error) = self.desk.without(last.wrote) {
            return show(Shown::Wrong(error));
        }
        self.timers = last.timers;
        self.run(last.what, last.event, 0, Some(saved), show).await;
    }

    async fn run(
        &mut self,
        what: String,
        event: BenchEvent,
        hop: usize,
        again: Option<Option<Timestamp>>,
        show: &mut dyn FnMut(Shown),
    ) {
        let Some(bot) = self.bot.clone() else { return };
        if bot.wanted_by(&event).is_empty() {
            return show(Shown::NotWanted { what });
        }
        let settings = match seeds::settings(&self.project) {
            Ok(settings) => settings,
            Err(error) => return show(Shown::Wrong(error)),
        };
        let given = BenchGiven {
            settings,
            seed: rand::rng().random(),
            http: Arc::new(Offline),
            secrets: own_secrets(self.project.manifest.secrets.clone()),
        };
        let timers = self.timers.clone();
        let outcome = match self.bench.run(&bot, event.clone(), given).await {
            Ok(outcome) => outcome,
            Err(error) => return show(Shown::Wrong(error.into())),
        };
        let from = self.desk.mark();
        let ran = self.commit(what.clone(), outcome, again, show).await;
        let wrote = from..self.desk.mark();
        self.last = Some(Last { what, event, wrote, timers });
        show(Shown::Ran(Box::new(ran)));
        if hop < HOPS {
            Box::pin(self.written(hop + 1, show)).await;
        }
    }

    /// Writes what the bot decided, and tells what came of it.
    async fn commit(
        &mut self,
        what: String,
        mut outcome: LocalOutcome,
        again: Option<Option<Timestamp>>,
        show: &mut dyn FnMut(Shown),
    ) -> Ran {
        let mut changes: Vec<Changed> = Vec::new();
        for write in &outcome.effects.writes {
            let (reference, after) = match write {
                Write::Create { reference, resource, .. } => (reference.clone(), resource.clone()),
                Write::Update { target, resource, .. } => (target.to_string(), resource.clone()),
                Write::Delete { target, .. } => (target.to_string(), Value::Null),
            };
            let before = reference.parse().ok().and_then(|target| self.desk.look(&target)).unwrap_or_default();
            changes.push(Changed { reference, before: hob_cases::shown(before), after: hob_cases::shown(after) });
        }
        match self.bench.transaction(&mut outcome, true).await {
            Ok(()) => self.set(&outcome.effects.timers),
            Err(error) => show(Shown::Wrong(error.into())),
        }
        let calls = outcome.journal.calls.iter().map(|call| {
            let response: Value = serde_json::from_str(call.response.get()).unwrap_or_default();
            let error = response.get("error").map(|error| error["code"].as_str().unwrap_or("error").to_owned());
            let asked = call.request.get().to_owned();
            Called { function: call.function.clone(), asked, error, took: Duration::from_micros(call.micros) }
        });
        let calls = calls.collect();
        let failure = outcome.result.as_ref().err().cloned();
        let hint = failure.as_ref().and_then(|failure| test::hint(failure, &outcome.journal.calls));
        let result = outcome.result.ok().flatten().map(|payload| String::from_utf8_lossy(&payload.bytes).into_owned());
        Ran {
            what,
            again: again.is_some(),
            log: outcome.journal.log,
            calls,
            changes,
            timers: outcome.effects.timers,
            outbox: outcome.effects.outbox,
            result,
            failure,
            hint,
            cpu: outcome.cpu,
            wall: outcome.wall,
            since_save: again.flatten().map(|saved| self.clock.now().since(saved)),
        }
    }

    fn set(&mut self, ops: &[TimerOp]) {
        for op in ops {
            match op {
                TimerOp::Set { key, at, payload } => self.timers.insert(key.clone(), (*at, payload.clone())),
                TimerOp::Cancel { key } => self.timers.remove(key),
            };
        }
    }
}

/// Waits until files are quiet; gives them all, and what else came meanwhile.
async fn settled(first: Vec<PathBuf>, waiting: &mut mpsc::Receiver<Input>) -> (BTreeSet<PathBuf>, Vec<Input>) {
    let mut files: BTreeSet<PathBuf> = first.into_iter().collect();
    let mut others = Vec::new();
    while let Ok(Some(input)) = tokio::time::timeout(QUIET, waiting.recv()).await {
        match input {
            Input::Files(more) => files.extend(more),
            other => others.push(other),
        }
    }
    (files, others)
}

/// What happened, for the author.
const fn word(cause: &Cause) -> &'static str {
    match cause {
        Cause::Change { interaction: Interaction::Delete, .. } => "delete",
        cause => cause.word(),
    }
}
