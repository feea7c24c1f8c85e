//! What goes into the dispatcher and what comes out of it, as values.

use std::num::NonZeroU32;
use std::time::Duration;

use hob_model::{BotName, FailureKind, LaneKey, OnDead, Reference, Retry, RunId, RunState, SourceId, TenantId, Timestamp};

/// An open run, without its event: what the dispatcher must know to give it its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunHead {
    /// Its place in the ledger: counts from 1, grows in the order of commits, belongs to one run only.
    pub seq: u64,
    /// Which run.
    pub run: RunId,
    /// The clinic.
    pub tenant: TenantId,
    /// The bot.
    pub bot: BotName,
    /// The FHIR server that it works on.
    pub source: Option<SourceId>,
    /// The resource that it is about: its runs wait for one another across lanes.
    pub resource: Option<Reference>,
    /// The queue that it stands in, within its bot.
    pub lane: LaneKey,
    /// Its effects are in the ledger ([`RunState::Recorded`]): it goes before all others of its lane.
    pub recorded: bool,
    /// It is a dead letter that holds its lane and its resource: it does not start before [`Input::Retry`].
    pub held: bool,
    /// It does not start before this.
    pub not_before: Option<Timestamp>,
    /// Attempts that failed so far.
    pub failures: u32,
    /// Attempts that ended in a conflict so far.
    pub conflicts: u32,
}

/// How an attempt ended, as the host knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The ledger holds the run's end (done, superseded, rejected, dead): its lane goes on. Also the answer to
    /// [`Output::End`].
    Finished,
    /// The ledger holds the run as a dead letter that holds its lane: the answer to an [`Output::End`] that says `hold`.
    Held,
    /// The attempt failed; the run is still open in the ledger.
    Failed {
        /// What the failure asks for.
        kind: FailureKind,
        /// The wait that the bot or the server asked for.
        retry_after: Option<Duration>,
    },
    /// Nobody can say, or it is nobody's fault (the host stops, the source is down): it runs again and nothing is counted.
    Lost,
}

/// Whether and how a bot runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// Deployed: its runs start.
    Live {
        /// Its manifest's retry policy.
        retry: Retry,
        /// How many of its runs may be in flight at once.
        concurrency: NonZeroU32,
        /// Its manifest's `on-dead`.
        on_dead: OnDead,
    },
    /// Its runs wait; what is in flight goes on.
    Paused,
    /// Its runs stay in the ledger and leave memory; what is in flight goes on.
    Removed,
}

/// A question for the ledger: the open runs of one bot, and its dead letters that hold a lane, with `seq > after_seq`, lowest
/// first, `limit` at most. To be given back with the answer as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Tells this question from all others.
    pub id: u64,
    /// The clinic.
    pub tenant: TenantId,
    /// The bot.
    pub bot: BotName,
    /// Of this lane alone; `None` for all lanes.
    pub lane: Option<LaneKey>,
    /// The runs after this one are asked for; 0 for all.
    pub after_seq: u64,
    /// No more than this many.
    pub limit: usize,
}

/// What happened outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The ledger has taken a new run. To be told in the order of seq (within a bot); twice does no harm. A run that does
    /// not fit into memory, or belongs to a bot that is not live, is forgotten here and comes by a page later.
    Queued(RunHead),
    /// The ledger's answer to [`Output::NeedMore`], read after the question came out. Where the ledger cannot be read, the
    /// host tries again: the dispatcher waits for this answer.
    Page {
        /// The question.
        request: PageRequest,
        /// The answer.
        heads: Vec<RunHead>,
        /// Whether the ledger had more of them than `limit`.
        more: bool,
    },
    /// An attempt ended, or the end that [`Output::End`] asked for is in the ledger.
    Ended {
        /// Which run.
        run: RunId,
        /// How.
        outcome: Outcome,
    },
    /// A bot was deployed, changed, paused or removed. At the host's start: one for each live bot, no runs needed.
    Policy {
        /// The clinic.
        tenant: TenantId,
        /// The bot.
        bot: BotName,
        /// From now on.
        policy: Policy,
    },
    /// A FHIR server answers again.
    SourceUp {
        /// The clinic.
        tenant: TenantId,
        /// The server.
        source: SourceId,
    },
    /// A FHIR server is down: its runs wait and nothing is counted. From `until` on one run at a time tries it, till
    /// [`Input::SourceUp`] or the first run that finishes.
    SourceDown {
        /// The clinic.
        tenant: TenantId,
        /// The server.
        source: SourceId,
        /// The wait until the first try.
        until: Timestamp,
    },
    /// An operator opened an ended run again, or wants a waiting one now. The head as the ledger now holds it. One that held its
    /// lane starts first in it. (One that is given up instead ends: [`Outcome::Finished`].)
    Retry(RunHead),
}

/// Why a run ends without having done its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// It failed as often as its bot's policy allows.
    RetriesExhausted,
    /// It met conflicts as often as its bot's policy allows.
    ConflictsExhausted,
    /// The bot refused the event.
    Rejected,
    /// No attempt can succeed.
    Fatal,
}

impl EndReason {
    /// A stable code for the dead letter.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::RetriesExhausted => "retries-exhausted",
            Self::ConflictsExhausted => "conflicts-exhausted",
            Self::Rejected => "rejected",
            Self::Fatal => "fatal",
        }
    }

    /// The state that the ledger is to give the run.
    #[must_use]
    pub const fn state(self) -> RunState {
        match self {
            Self::Rejected => RunState::Rejected,
            Self::RetriesExhausted | Self::ConflictsExhausted | Self::Fatal => RunState::Dead,
        }
    }
}

/// What the host is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Begin an attempt; answer with [`Input::Ended`].
    Start {
        /// The clinic.
        tenant: TenantId,
        /// The bot.
        bot: BotName,
        /// Which run.
        run: RunId,
        /// The attempt's number: from 1, conflicts included.
        attempt: u32,
    },
    /// Write to the ledger that the run failed and waits; before any later [`Output::NeedMore`] is answered. No answer.
    Retry {
        /// The clinic.
        tenant: TenantId,
        /// The bot.
        bot: BotName,
        /// Which run.
        run: RunId,
        /// Not before this.
        at: Timestamp,
        /// Failures, this one included.
        failures: u32,
        /// Conflicts, this one included.
        conflicts: u32,
    },
    /// Write to the ledger that the run has ended so. Its lane stands still until the host answers with
    /// [`Outcome::Finished`], or [`Outcome::Held`]: else a crash in between would run it again after its successor.
    End {
        /// The clinic.
        tenant: TenantId,
        /// The bot.
        bot: BotName,
        /// Which run.
        run: RunId,
        /// Failures, the last included.
        failures: u32,
        /// Conflicts, the last included.
        conflicts: u32,
        /// Why.
        reason: EndReason,
        /// Whether it holds its lane from now on, as a dead letter.
        hold: bool,
    },
    /// Read more runs of a bot; answer with [`Input::Page`].
    NeedMore(PageRequest),
    /// Nothing to do before this instant, or before the next input if there is none.
    Wait(Option<Timestamp>),
}

/// The dispatcher's bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Runs in flight at once, over all bots.
    pub in_flight: usize,
    /// Runs in flight at once on one source.
    pub per_source: usize,
    /// Heads in memory, over all bots (and no less than one for each live bot).
    pub heads: usize,
    /// Heads in memory of one bot; less where its share of `heads` is less.
    pub heads_per_bot: usize,
    /// Heads in memory of one lane; less where a bot has many lanes that are deep.
    pub heads_per_lane: usize,
    /// Resources remembered, over all bots, of runs that were passed over in lanes that are too deep for memory: some 40 bytes each.
    pub passed: usize,
    /// The most heads asked for at once.
    pub page: usize,
    /// The longest `Retry-After` that is honoured; a longer one is cut.
    pub max_retry_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            in_flight: 64,
            per_source: 16,
            heads: 100_000,
            heads_per_bot: 20_000,
            heads_per_lane: 64,
            passed: 1_000_000,
            page: 1_000,
            max_retry_after: Duration::from_secs(24 * 60 * 60),
        }
    }
}
