//! A release: a compiled component and its manifest, ready to run.

use std::sync::Arc;
use std::time::Duration;

use hob_model::{Digest, Effects, Failure, FailureKind, Given, Journal, LogLevel, LogLine, Manifest, Payload};
use wasmtime::component::ResourceTable;
use wasmtime::{Store, UpdateDeadline};

use crate::Scrub;
use crate::bindings::BotPre;
use crate::bindings::hob::bot::types;
use crate::budget::{Budget, Meter, Metered};
use crate::engine::Code;
use crate::recorder::{Recorder, Recording};
use crate::scopes::{Access, Scopes};
use crate::staging::Staging;
use crate::state::State;
use crate::stop::{Limit, failure_of};
use crate::tape::Tape;
use crate::{Denial, Document, Engine, EngineError, FhirReads as _, Outside, RunInput, RunOutput, event, log, world};

/// What a guest's words of failure are cut to; they go into the ledger and into tables.
const LONGEST_CODE: usize = 64;
const LONGEST_MESSAGE: usize = 4_096;
/// Bytes that one call's arguments may take in the host.
const LIFTED: usize = 32 << 20;
/// Handles that a guest holds at once.
const HANDLES: usize = 10_000;

/// What every run of a release is held to.
pub(crate) struct Bound {
    pub(crate) manifest: Manifest,
    pub(crate) scopes: Arc<Scopes>,
}

/// One immutable version of a bot, ready to run.
pub struct Release {
    pub(crate) bound: Arc<Bound>,
    pub(crate) code: Code,
    pub(crate) engine: Engine,
}

impl Release {
    /// The manifest that the runs are held to.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.bound.manifest
    }

    /// Runs one attempt in a fresh instance. Never panics and never holds a worker for longer than a tick, whatever the guest does.
    ///
    /// Needs a tokio runtime with time. Waits for a slot first where all are taken.
    pub async fn run(&self, input: RunInput, outside: Outside) -> RunOutput {
        let tape = Arc::new(Tape::of(outside.fhir));
        let given = Given {
            client_ids: tape.capabilities().client_ids,
            settings: input.settings.clone(),
            resource: None,
            previous: input.previous.as_ref().map(|previous| previous.json().to_owned()),
        };
        let (mut output, hidden) = self.attempt(input, Outside { fhir: Arc::clone(&tape) as _, ..outside }, Recording::New).await;
        let (asked, said) = tape.take(&output.journal.calls);
        output.journal.said = hidden.said(said);
        output.journal.asked = asked.into_iter().map(|asked| hidden.text(&asked).into_owned()).collect();
        output.journal.given = given;
        output
    }

    /// One attempt; where there is one that was recorded, by its journal. With it what the bot was shown, and nobody keeps.
    pub(crate) async fn attempt(&self, input: RunInput, outside: Outside, recording: Recording) -> (RunOutput, Scrub) {
        let clock = Arc::clone(&outside.clock);
        let shared = self.engine.shared();
        let bot = match self.engine.code(&self.code).await {
            Ok(bot) => bot,
            Err(error) => return (no_code(&self.bound.manifest, &input, &error), Scrub::default()),
        };
        // The semaphore is never closed; without a permit the pool itself would refuse.
        let _slot = Arc::clone(&shared.slots).acquire_owned().await.ok();
        let _busy = shared.busy.enter();
        let began = clock.now();
        let limits = self.bound.manifest.limits.clone();
        let lines = log::Log::new(limits.log_kib);
        let meter = Arc::new(Meter::default());
        let wasi = world::wasi(input.seed, input.now, &lines);
        let mut state = State::new(Arc::clone(&self.bound), input, outside, Arc::clone(&meter), wasi, recording);
        state.denial = shared.config.denial;
        state.know_event();
        let mut store = Store::new(&shared.wasmtime, state);
        store.limiter(|state| &mut state.budget);
        store.set_hostcall_fuel(LIFTED);
        store.set_epoch_deadline(1);
        let most = Duration::from_millis(limits.cpu_ms);
        store.epoch_deadline_callback(move |context| {
            let state = context.data();
            if state.meter.now() > most {
                return Err(state.budget.over(Limit::Cpu));
            }
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        let guest = Metered { inner: Box::pin(call(&bot, &mut store)), meter: Arc::clone(&meter) };
        let answered = tokio::time::timeout(Duration::from_millis(limits.wall_ms), guest).await;
        let mut state = store.into_data();
        let stopped = |failure: Failure, state: &State| placed(failure, state.recorder.so_far());
        let answer = match answered {
            Err(_) => Err(stopped(Limit::Wall.failure(&limits), &state)),
            Ok(Err(error)) => Err(stopped(failure_of(&error), &state)),
            Ok(Ok(answer)) => answer.map_err(|failure| told(failure, &lines)),
        };
        let result = match (state.fatal.take(), answer) {
            // What stopped the guest knows where it was.
            (Some(fatal), Err(said)) if said.kind == fatal.kind => Err(said),
            (Some(fatal), _) => Err(stopped(fatal, &state)),
            (None, answer) => answer.and_then(|payload| state.take_result(payload)),
        };
        // Less than a tick over is still over.
        let result = if result.is_ok() && meter.total() > most + Duration::from_millis(shared.config.tick_ms.max(1)) {
            Err(stopped(Limit::Cpu.failure(&limits), &state))
        } else {
            result
        };
        let hidden = std::mem::take(&mut state.recorder.hidden);
        let result = result.map_err(|failure| hidden.failure(failure));
        let (effects, journal, read) = state.finish();
        let log = lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let log = log.into_iter().map(|line| LogLine { text: hidden.text(&line.text).into_owned(), ..line }).collect();
        let (result, effects) = match (result, effects) {
            (Ok(payload), Ok(effects)) => (Ok(payload), effects),
            (Ok(_), Err(failure)) | (Err(failure), _) => (Err(failure), Effects::default()),
        };
        let timed_out = matches!(&result, Err(failure) if Limit::of_time(&failure.code));
        let journal = Journal { log, timed_out, outcome: outcome(&result, &effects, &hidden), ..journal };
        (RunOutput { result, effects, journal, read, cpu: meter.total(), wall: clock.now().since(began) }, hidden)
    }
}

async fn call(bot: &BotPre<State>, store: &mut Store<State>) -> wasmtime::Result<Result<Option<types::Payload>, types::Failure>> {
    let bot = bot.instantiate_async(&mut *store).await?;
    let event = event::lower(store.data_mut())?;
    bot.call_handle(&mut *store, &event).await
}

/// A failure that is not the guest's own, with how far the guest had come.
fn placed(mut failure: Failure, so_far: Option<(usize, &str)>) -> Failure {
    failure.message.push_str(&match so_far {
        None => "; before any host call was answered".to_owned(),
        Some((1, function)) => format!("; after one host call, {function}"),
        Some((calls, function)) => format!("; after {calls} host calls, the last {function}"),
    });
    failure
}

/// The end of an attempt whose bot's compiled code is gone and cannot be made again: the operator's trouble, not the bot's.
fn no_code(manifest: &Manifest, input: &RunInput, error: &EngineError) -> RunOutput {
    tracing::error!(bot = %manifest.name, %error, "the code of a bot is gone from the cache and cannot be compiled again: its runs fail");
    let message = "the bot's code cannot be loaded: see the host's log".to_owned();
    let failure = Failure { kind: FailureKind::Retry, code: "component-gone".to_owned(), message, retry_after: None };
    let journal = Journal { seed: input.seed, started: input.now, ..Journal::default() };
    let (read, none) = (std::collections::BTreeMap::new(), Duration::ZERO);
    RunOutput { result: Err(failure), effects: Effects::default(), journal, read, cpu: none, wall: none }
}

impl State {
    fn new(
        bound: Arc<Bound>,
        input: RunInput,
        outside: Outside,
        meter: Arc<Meter>,
        wasi: wasmtime_wasi::WasiCtx,
        recording: Recording,
    ) -> Self {
        let Outside { fhir, http, secrets, clock } = outside;
        let budget = Budget::new(bound.manifest.limits.clone());
        let access = Access::new(&bound.scopes, input.resource.as_ref().map(Document::value));
        Self {
            access,
            bound,
            input,
            fhir,
            http,
            secrets,
            budget,
            meter,
            recorder: Recorder::new(clock, recording),
            staging: Staging::default(),
            known: std::collections::BTreeMap::new(),
            nexts: Vec::new(),
            guards: Vec::new(),
            timers: Vec::new(),
            outbox: Vec::new(),
            output: 0,
            fatal: None,
            denial: Denial::Ends,
            table: table(),
            wasi,
        }
    }

    fn take_result(&mut self, payload: Option<types::Payload>) -> Result<Option<Payload>, Failure> {
        let Some(payload) = payload else { return Ok(None) };
        self.output = self.output.saturating_add(payload.body.len() + payload.content_type.len());
        self.check_output().map_err(|error| failure_of(&error))?;
        Ok(Some(Payload { content_type: payload.content_type, bytes: payload.body.into() }))
    }
}

/// What came of an attempt, for a repeat to be held against. A repeat is shown the marks of secrets, so they stand for the values here too.
fn outcome(result: &Result<Option<Payload>, Failure>, effects: &Effects, hidden: &Scrub) -> Option<Digest> {
    let effects = hidden.effects(effects).ok()?;
    Some(match result {
        Ok(None) => Digest::of_parts(&[b"nothing", &effects]),
        Ok(Some(payload)) => {
            Digest::of_parts(&[b"payload", payload.content_type.as_bytes(), &hidden.bytes(&payload.bytes), &effects])
        }
        Err(failure) => Digest::of_parts(&[b"failure", failure.code.as_bytes(), failure.message.as_bytes(), &effects]),
    })
}

/// The table of a run's handles: documents, and those of WASI, which nothing else bounds.
fn table() -> ResourceTable {
    let mut table = ResourceTable::new();
    table.set_max_capacity(HANDLES);
    table
}

/// The guest's failure in the model's words; what has no place there goes to the log.
fn told(failure: types::Failure, lines: &std::sync::Mutex<log::Log>) -> Failure {
    if let Some(details) = &failure.details {
        lines
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(LogLine { level: LogLevel::Error, text: format!("details: {details}") });
    }
    Failure {
        kind: if failure.kind == "reject" { FailureKind::Reject } else { FailureKind::Retry },
        code: cut(failure.code, LONGEST_CODE),
        message: cut(failure.message, LONGEST_MESSAGE),
        retry_after: failure.retry_after_ms.map(Duration::from_millis),
    }
}

fn cut(mut text: String, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    text
}
