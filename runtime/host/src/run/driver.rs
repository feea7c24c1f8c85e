//! Drives the dispatcher: turns its outputs into work and the work's ends into its inputs.
//!
//! One task owns the dispatcher. Attempts and ledger writes are tasks of their own; a page of runs is read only after every write that
//! went out before it, so that the ledger's answer is never older than what the dispatcher was told.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::Shared;
use hob_dispatch::{Dispatcher, Input, Outcome, Output, PageRequest, Policy, RunHead};
use hob_ledger::{LedgerError, Next, RunKey, RunSeq, Tried};
use hob_model::{BotName, Failure, FailureKind, LaneKey, OnDead, RunId, RunState, SourceId, TenantId, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::core::Core;
use crate::run::attempt;
use crate::server::stopped;

/// What the driver is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// New runs of a bot are in the ledger.
    News(TenantId, BotName),
    /// An operator opened a run again.
    Retry(RunHead),
    /// An operator gave up a dead letter: it holds its lane no more.
    GivenUp(RunId),
    /// A bot was deployed or removed. Its runs up to `newest` are for the dispatcher to page, those after it come as news.
    Policy { tenant: TenantId, bot: BotName, policy: Policy, newest: RunSeq },
}

/// How an attempt ended, as its task says.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The ledger holds the end.
    Finished,
    /// It failed: what to write once the dispatcher has decided.
    Failed(Box<Failed>),
    /// The source did not answer: the run stands where it stood.
    SourceDown {
        /// Which.
        source: SourceId,
        /// When to try again.
        until: Timestamp,
    },
    /// Nobody can say.
    Lost,
}

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The attempt; its failure is the one below.
    pub(crate) tried: Tried,
    /// Why.
    pub(crate) failure: Failure,
    /// Recorded effects may be on the server: they are to be sent, or looked for, again.
    pub(crate) unsure: bool,
}

enum Done {
    Attempt(TenantId, RunId, Ended),
    Written(RunId, Outcome),
    Page(PageRequest, Vec<RunHead>, bool),
    News(TenantId, BotName, Vec<RunHead>, bool),
}

/// How far a bot's new runs were read. Tasks that make runs end in any order, and the dispatcher must be told in the ledger's: so they only say that
/// there is news, and one reader a bot follows the ledger.
#[derive(Debug)]
struct Feed {
    after: RunSeq,
    reading: bool,
    again: bool,
}

pub(crate) struct Driver {
    core: Arc<Core>,
    dispatcher: Dispatcher,
    messages: mpsc::Receiver<Message>,
    tasks: JoinSet<Option<Done>>,
    /// Failures whose end or retry the dispatcher has yet to decide.
    failed: BTreeMap<RunId, Failed>,
    feeds: BTreeMap<(TenantId, BotName), Feed>,
    /// Ledger writes that went out and may not have ended: a page waits for those before it.
    writes: Vec<Shared<oneshot::Receiver<()>>>,
    /// Those of them that write a failure down before the run's next attempt. It must not begin earlier: it would find the ledger as the failed
    /// attempt left it, and what it records would be taken for what failed.
    retries: BTreeMap<RunId, Shared<oneshot::Receiver<()>>>,
}

impl Driver {
    pub(crate) fn new(core: Arc<Core>, messages: mpsc::Receiver<Message>, seed: u64) -> Self {
        let limits = &core.config.limits;
        let config = hob_dispatch::Config {
            in_flight: limits.runs,
            per_source: limits.runs_per_source,
            ..hob_dispatch::Config::default()
        };
        Self {
            dispatcher: Dispatcher::new(config, seed),
            core,
            messages,
            tasks: JoinSet::new(),
            failed: BTreeMap::new(),
            feeds: BTreeMap::new(),
            writes: Vec::new(),
            retries: BTreeMap::new(),
        }
    }

    /// Runs until `stop` is true, then waits for what is in flight, `drain` at most.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>, drain: Duration) {
        loop {
            let wait = self.turn();
            let sleep = sleep_until(&self.core, wait);
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => self.take(done.ok().flatten()),
                message = self.messages.recv() => match message {
                    Some(message) => self.told(message),
                    None => break,
                },
                () = sleep => {}
            }
        }
        let rest = async {
            while let Some(done) = self.tasks.join_next().await {
                self.take(done.ok().flatten());
                self.settle_only();
            }
        };
        if tokio::time::timeout(drain, rest).await.is_err() {
            tracing::warn!(
                left = self.tasks.len(),
                "runs in flight were cut off at the end of the drain: they go on after the next start"
            );
        }
    }

    fn told(&mut self, message: Message) {
        let now = self.core.clock.now();
        match message {
            Message::News(tenant, bot) => self.read_news(tenant, bot),
            Message::Retry(head) => self.dispatcher.handle(Input::Retry(head), now),
            Message::GivenUp(run) => self.dispatcher.handle(Input::Ended { run, outcome: Outcome::Finished }, now),
            Message::Policy { tenant, bot, policy, newest } => {
                let feed = Feed { after: newest, reading: false, again: false };
                self.feeds.entry((tenant.clone(), bot.clone())).or_insert(feed);
                self.dispatcher.handle(Input::Policy { tenant, bot, policy }, now);
            }
        }
    }

    fn take(&mut self, done: Option<Done>) {
        let now = self.core.clock.now();
        let input = match done {
            Some(Done::Attempt(_, run, Ended::Finished)) => Input::Ended { run, outcome: Outcome::Finished },
            Some(Done::Written(run, outcome)) => Input::Ended { run, outcome },
            Some(Done::Attempt(_, run, Ended::Lost)) => Input::Ended { run, outcome: Outcome::Lost },
            Some(Done::Attempt(tenant, run, Ended::SourceDown { source, until })) => {
                self.dispatcher.handle(Input::SourceDown { tenant, source, until }, now);
                Input::Ended { run, outcome: Outcome::Lost }
            }
            Some(Done::Attempt(_, run, Ended::Failed(failed))) => {
                let outcome = Outcome::Failed { kind: failed.failure.kind, retry_after: failed.failure.retry_after };
                self.failed.insert(run, *failed);
                Input::Ended { run, outcome }
            }
            Some(Done::Page(request, heads, more)) => Input::Page { request, heads, more },
            Some(Done::News(tenant, bot, heads, more)) => {
                let mut again = more;
                if let Some(feed) = self.feeds.get_mut(&(tenant.clone(), bot.clone())) {
                    feed.after = heads.last().map_or(feed.after, |head| RunSeq::new(head.seq));
                    again |= feed.again;
                    feed.reading = false;
                }
                for head in heads {
                    self.dispatcher.handle(Input::Queued(head), now);
                }
                if again {
                    self.read_news(tenant, bot);
                }
                return;
            }
            None => return,
        };
        self.dispatcher.handle(input, now);
    }

    /// Does all that the dispatcher wants now; says when it wants to be asked again.
    fn turn(&mut self) -> Option<Timestamp> {
        loop {
            match self.dispatcher.poll(self.core.clock.now()) {
                Output::Wait(until) => return until,
                Output::Start { tenant, bot, run, .. } => self.start(tenant, bot, run),
                other => self.write(other),
            }
        }
    }

    /// During a drain nothing new starts, but what has failed is still written down.
    fn settle_only(&mut self) {
        loop {
            match self.dispatcher.poll(self.core.clock.now()) {
                Output::Wait(_) => return,
                Output::Start { .. } | Output::NeedMore(_) => {}
                other => self.write(other),
            }
        }
    }

    fn start(&mut self, tenant: TenantId, bot: BotName, run: RunId) {
        let core = Arc::clone(&self.core);
        let before = self.retries.remove(&run);
        self.tasks.spawn(async move {
            if let Some(before) = before {
                // Ends when the writer drops its end.
                drop(before.await);
            }
            let attempt = std::panic::AssertUnwindSafe(attempt::attempt(&core, &tenant, &bot, run)).catch_unwind();
            let ended = match attempt.await {
                Ok(ended) => ended,
                Err(_) => attempt::panicked(&core, RunKey { tenant: tenant.clone(), run }).await,
            };
            Some(Done::Attempt(tenant, run, ended))
        });
    }

    fn read_news(&mut self, tenant: TenantId, bot: BotName) {
        let Some(feed) = self.feeds.get_mut(&(tenant.clone(), bot.clone())) else { return };
        feed.again = feed.reading;
        if feed.reading {
            return;
        }
        feed.reading = true;
        let (core, after) = (Arc::clone(&self.core), feed.after);
        self.tasks.spawn(async move {
            let (heads, more) = open_runs(&core, &tenant, &bot, None, after, NEWS).await;
            Some(Done::News(tenant, bot, heads, more))
        });
    }

    /// Says that a ledger write is under way for as long as the answer lives.
    fn under_way(&mut self) -> (oneshot::Sender<()>, Shared<oneshot::Receiver<()>>) {
        let (under, ended) = oneshot::channel();
        self.writes.retain(|write| write.peek().is_none());
        self.retries.retain(|_, write| write.peek().is_none());
        let ended = ended.shared();
        self.writes.push(ended.clone());
        (under, ended)
    }

    fn write(&mut self, output: Output) {
        let core = Arc::clone(&self.core);
        match output {
            Output::Retry { tenant, run, at, .. } => {
                let Some(failed) = self.failed.remove(&run) else { return };
                let next = if failed.unsure { Next::Resend { at } } else { Next::Again { at } };
                let (under, ended) = self.under_way();
                self.retries.insert(run, ended);
                self.tasks.spawn(async move {
                    let _under = under;
                    write_failure(&core, RunKey { tenant, run }, failed, next, false).await;
                    None
                });
            }
            Output::End { tenant, run, reason, hold, .. } => {
                let Some(mut failed) = self.failed.remove(&run) else { return };
                if let Some(failure) = &mut failed.tried.attempt.failure
                    && matches!(failure.kind, FailureKind::Retry | FailureKind::Conflict)
                {
                    failure.message = format!("{} (given up: {})", failure.message, reason.code());
                }
                let next = match (reason.state(), failed.unsure) {
                    (RunState::Rejected, _) => Next::Rejected,
                    (_, true) => Next::DeadUnsure,
                    (_, false) => Next::Dead,
                };
                let (under, _) = self.under_way();
                self.tasks.spawn(async move {
                    let _under = under;
                    let taken = write_failure(&core, RunKey { tenant, run }, failed, next, hold).await;
                    // One that the ledger refused has ended otherwise.
                    Some(Done::Written(run, if hold && taken { Outcome::Held } else { Outcome::Finished }))
                });
            }
            Output::NeedMore(request) => {
                let before = self.writes.clone();
                self.tasks.spawn(async move {
                    futures::future::join_all(before).await;
                    let after = RunSeq::new(request.after_seq);
                    let lane = request.lane.as_ref();
                    let (heads, more) = open_runs(&core, &request.tenant, &request.bot, lane, after, request.limit).await;
                    Some(Done::Page(request, heads, more))
                });
            }
            Output::Start { .. } | Output::Wait(_) => {}
        }
    }
}

/// Writes a failure down, however long the ledger needs to take it: the lane stands still until it has. `hold` where a dead letter is to
/// hold its lane. False where the ledger refused it.
async fn write_failure(core: &Core, run: RunKey, failed: Failed, next: Next, hold: bool) -> bool {
    let Failed { tried, failure, .. } = failed;
    tracing::info!(
        tenant = %run.tenant, run = %run.run, code = failure.word(), kind = ?failure.kind, attempt = tried.attempt.number, ?next,
        "an attempt failed"
    );
    let write = || async {
        let tried = tried.clone();
        if hold {
            core.ledger.fail_and_hold(core.epoch, &run, tried, next).await
        } else {
            core.ledger.fail(core.epoch, &run, tried, next).await
        }
    };
    let taken = persist(core, "fail", write).await.is_some();
    if !matches!(next, Next::Resend { .. }) {
        core.commit_ended(&run);
    }
    taken
}

/// Repeats a ledger write until it is taken, or the ledger says that it never will be.
pub(crate) async fn persist<T, F>(core: &Core, what: &'static str, write: impl Fn() -> F) -> Option<T>
where
    F: Future<Output = Result<T, LedgerError>>,
{
    let mut pause = Duration::from_millis(100);
    loop {
        match write().await {
            Ok(done) => return Some(done),
            Err(
                error @ (LedgerError::LeaseLost { .. }
                | LedgerError::NotFound { .. }
                | LedgerError::RunIs { .. }
                | LedgerError::Closed),
            ) => {
                tracing::error!(%error, what, "a ledger write was refused");
                return None;
            }
            Err(error) => {
                tracing::error!(%error, what, "a ledger write failed: trying again");
                core.pause(pause).await;
                pause = (pause * 2).min(Duration::from_secs(10));
            }
        }
    }
}

/// How many new runs are read at once.
const NEWS: usize = 1_000;

async fn open_runs(
    core: &Core,
    tenant: &TenantId,
    bot: &BotName,
    lane: Option<&LaneKey>,
    after: RunSeq,
    limit: usize,
) -> (Vec<RunHead>, bool) {
    let read = || async move {
        match lane {
            Some(lane) => core.ledger.open_in_lane(tenant, bot, lane, after, limit + 1).await,
            None => core.ledger.open_runs(tenant, bot, after, limit + 1).await,
        }
    };
    let mut heads = persist(core, "read runs", read).await.unwrap_or_default();
    let more = heads.len() > limit;
    heads.truncate(limit);
    (heads.into_iter().map(head).collect(), more)
}

/// The ledger's head of a run as the dispatcher takes it.
pub(crate) fn head(head: hob_ledger::RunHead) -> RunHead {
    RunHead {
        seq: head.seq.get(),
        recorded: head.state == RunState::Recorded,
        held: head.held,
        run: head.key.run,
        tenant: head.key.tenant,
        bot: head.bot,
        source: head.source,
        resource: head.resource,
        lane: head.lane,
        not_before: head.not_before,
        failures: head.failures,
        conflicts: head.conflicts,
    }
}

/// The policy of a live bot.
pub(crate) fn live(core: &Core, retry: hob_model::Retry, on_dead: OnDead) -> Policy {
    let most = u32::try_from(core.config.limits.runs_per_bot).unwrap_or(u32::MAX);
    Policy::Live { retry, concurrency: NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN), on_dead }
}

async fn sleep_until(core: &Core, until: Option<Timestamp>) {
    match until {
        // A little over, so that rounding never wakes the loop a microsecond early again and again.
        Some(at) => core.pause(at.since(core.clock.now()) + Duration::from_millis(1)).await,
        None => std::future::pending().await,
    }
}
