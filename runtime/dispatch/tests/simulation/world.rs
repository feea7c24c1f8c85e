//! The world around a dispatcher: arrivals, outcomes, servers, operators, a ledger that answers late, and crashes.

mod finish;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU32;
use std::time::Duration;

use hob_dispatch::{Config, Dispatcher, Input, Outcome, Output, PageRequest, Policy, RunHead};
use hob_model::{FailureKind, OnDead, Retry, RunId, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::model::{BotState, Model, Row, Standing, source_of};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Little memory; news and pages come late and twice; crashes.
    Pressed,
    /// Memory for all; news and pages come at once.
    Exact,
}

type Answer = (Vec<RunHead>, bool);

pub(crate) struct World {
    seed: u64,
    mode: Mode,
    rng: ChaCha8Rng,
    now: Timestamp,
    dispatcher: Dispatcher,
    model: Model,
    last_seq: u64,
    /// News of new runs that are on their way, oldest first.
    live: VecDeque<RunHead>,
    /// Questions, with the answer once it is read.
    questions: Vec<(PageRequest, Option<Answer>)>,
    in_flight: BTreeSet<RunId>,
    /// Ends to write, and whether they hold.
    ending: BTreeMap<RunId, bool>,
    wait: Option<Timestamp>,
    history: Vec<Output>,
}

impl World {
    pub(crate) fn new(seed: u64, mode: Mode) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let heads = if mode == Mode::Exact { 1_000_000 } else { rng.random_range(6..40) };
        let config = Config {
            in_flight: rng.random_range(1..8),
            per_source: rng.random_range(1..8),
            heads,
            heads_per_bot: if mode == Mode::Exact { heads } else { rng.random_range(1..=heads) },
            heads_per_lane: if mode == Mode::Exact { heads } else { rng.random_range(1..6) },
            passed: if mode == Mode::Exact { heads } else { rng.random_range(0..80) },
            page: rng.random_range(1..10),
            ..Config::default()
        };
        let bots = [("a", "one"), ("a", "two"), ("b", "one"), ("c", "three")].map(|(tenant, name)| BotState {
            tenant: tenant.parse().unwrap(),
            name: name.parse().unwrap(),
            standing: Standing::Removed,
            retry: Retry { attempts: 3, conflicts: 4, first_ms: 1_000, max_ms: 3_000 },
            concurrency: rng.random_range(1..6),
            on_dead: if rng.random_range(0..3) == 0 { OnDead::Wait } else { OnDead::Continue },
        });
        let model = Model {
            config: config.clone(),
            rows: BTreeMap::new(),
            seqs: BTreeMap::new(),
            bots: bots.into(),
            down: BTreeMap::new(),
            allowed: BTreeMap::new(),
        };
        let mut world = Self {
            seed,
            mode,
            now: Timestamp::from_micros(1_000_000_000),
            dispatcher: Dispatcher::new(config, seed),
            rng,
            model,
            last_seq: 0,
            live: VecDeque::new(),
            questions: Vec::new(),
            in_flight: BTreeSet::new(),
            ending: BTreeMap::new(),
            wait: None,
            history: Vec::new(),
        };
        for bot in 0..4 {
            world.set_policy(bot, Standing::Live);
        }
        world
    }

    /// Plays `steps` random events, then lets all that is open come to its end; gives back all outputs.
    pub(crate) fn play(mut self, steps: usize) -> Vec<Output> {
        for _ in 0..steps {
            self.step();
        }
        self.finish();
        self.history
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn pick<T: Clone>(&mut self, from: impl IntoIterator<Item = T>) -> Option<T> {
        let all: Vec<T> = from.into_iter().collect();
        if all.is_empty() { None } else { all.get(self.rng.random_range(0..all.len())).cloned() }
    }

    fn tell(&mut self, input: Input) {
        self.dispatcher.handle(input, self.now);
        self.drain();
    }

    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..25 => self.arrive(),
            25..40 => self.deliver_news(),
            40..65 => self.end_one(),
            65..70 => self.write_end(),
            70..80 => self.serve_question(),
            80..90 => self.pass_time(),
            90..92 => self.toggle_source(),
            92..94 => self.change_policy(),
            94..96 => self.reopen(),
            96..98 => self.close_elsewhere(),
            98 if self.chance(50) => self.give_up(),
            98 if self.mode == Mode::Pressed => self.repeat_news(),
            _ if self.mode == Mode::Pressed && self.chance(40) => self.crash(),
            _ => self.drain(),
        }
    }

    fn arrive(&mut self) {
        for _ in 0..self.rng.random_range(1..6) {
            self.last_seq += self.rng.random_range(1..3);
            let bot = self.rng.random_range(0..4);
            let lane = self.rng.random_range(0..4);
            let resource = self.chance(70).then(|| format!("Task/{}", self.rng.random_range(0..5)).parse().unwrap());
            let source = self.chance(80).then(|| ["x", "y"][self.rng.random_range(0..2)].parse().unwrap());
            let not_before = self.chance(10).then(|| self.now + Duration::from_secs(2));
            let bot = &self.model.bots[bot];
            let run = RunId::of_parts(&[&self.last_seq.to_be_bytes()]);
            let head = RunHead {
                seq: self.last_seq,
                run,
                tenant: bot.tenant.clone(),
                bot: bot.name.clone(),
                source,
                resource,
                lane: format!("lane-{lane}").parse().unwrap(),
                recorded: false,
                held: false,
                not_before,
                failures: 0,
                conflicts: 0,
            };
            let row = Row {
                head: head.clone(),
                open: true,
                busy: false,
                begun: false,
                held: false,
                reopened: false,
                closed_elsewhere: false,
                ends: 0,
            };
            self.model.rows.insert(head.seq, row);
            self.model.seqs.insert(run, head.seq);
            self.live.push_back(head);
            if self.mode == Mode::Exact {
                self.deliver_news();
            }
        }
    }

    fn deliver_news(&mut self) {
        let count = self.rng.random_range(1..6);
        for _ in 0..count {
            if let Some(head) = self.live.pop_front() {
                self.tell(Input::Queued(head));
            }
        }
    }

    /// An old notice comes again: never before its first time, or order would be the host's fault.
    fn repeat_news(&mut self) {
        let first_unheard = self.live.front().map_or(u64::MAX, |head| head.seq);
        let heard = self.model.rows.range(..first_unheard).map(|(_, row)| row.head.clone());
        let heard: Vec<RunHead> = heard.collect();
        if let Some(head) = self.pick(heard) {
            self.tell(Input::Queued(head));
        }
    }

    fn end_one(&mut self) {
        let Some(run) = self.pick(self.in_flight.clone()) else {
            return;
        };
        let seq = self.model.seqs[&run];
        let failed = |kind, retry_after| Outcome::Failed { kind, retry_after };
        let open = self.model.rows[&seq].open;
        let outcome = match self.rng.random_range(0..20) {
            // The host sees that the ledger has closed it.
            _ if !open => Outcome::Finished,
            0..3 => failed(FailureKind::Retry, None),
            3 => failed(FailureKind::Retry, Some(Duration::from_secs(5))),
            4..7 => failed(FailureKind::Conflict, None),
            7 => failed(FailureKind::Reject, None),
            8 => failed(FailureKind::Fatal, None),
            // How long it waits then is not told, so the model could not be exact.
            9 if self.mode == Mode::Pressed => Outcome::Lost,
            _ => Outcome::Finished,
        };
        self.in_flight.remove(&run);
        match outcome {
            Outcome::Finished => self.close(seq),
            Outcome::Lost => self.row(seq).busy = false,
            // What follows comes as an output.
            Outcome::Failed { .. } | Outcome::Held => {}
        }
        self.tell(Input::Ended { run, outcome });
    }

    fn write_end(&mut self) {
        let all: Vec<(RunId, bool)> = self.ending.iter().map(|(run, hold)| (*run, *hold)).collect();
        let Some((run, hold)) = self.pick(all) else { return };
        self.ending.remove(&run);
        if hold {
            let seq = self.model.seqs[&run];
            let row = self.row(seq);
            (row.busy, row.held, row.head.held, row.head.not_before) = (false, true, true, None);
            row.head.recorded = false;
            // Where its bot is out of service it has left memory.
            let head = row.head.clone();
            let removed = self.model.bot(&head).standing == Standing::Removed;
            self.row(seq).begun = !removed || self.mode == Mode::Exact;
        } else {
            self.close_row(run);
        }
        let outcome = if hold { Outcome::Held } else { Outcome::Finished };
        self.tell(Input::Ended { run, outcome });
    }

    /// An operator gives up a dead letter that holds its lane.
    fn give_up(&mut self) {
        let held: Vec<RunId> = self.model.rows.values().filter(|row| row.held).map(|row| row.head.run).collect();
        let Some(run) = self.pick(held) else { return };
        let seq = self.model.seqs[&run];
        let row = self.row(seq);
        (row.held, row.head.held) = (false, false);
        self.close_row(run);
        self.tell(Input::Ended { run, outcome: Outcome::Finished });
    }

    fn close_row(&mut self, run: RunId) {
        let row = self.model.seqs[&run];
        let row = self.row(row);
        assert!(row.open);
        (row.open, row.busy) = (false, false);
        row.ends += 1;
    }

    /// A run finished: its source answers.
    fn close(&mut self, seq: u64) {
        if let Some(source) = source_of(&self.model.rows[&seq].head) {
            self.model.bore(source);
        }
        let row = self.row(seq);
        let (run, open) = (row.head.run, row.open);
        row.busy = false;
        if open {
            self.close_row(run);
        }
    }

    fn row(&mut self, seq: u64) -> &mut Row {
        self.model.rows.get_mut(&seq).unwrap()
    }

    fn read(&self, request: &PageRequest) -> Answer {
        let rows = self.model.rows.range(request.after_seq + 1..).map(|(_, row)| row);
        let of_bot = |row: &&Row| row.open && (&row.head.tenant, &row.head.bot) == (&request.tenant, &request.bot);
        let of_lane = |row: &&Row| request.lane.as_ref().is_none_or(|lane| *lane == row.head.lane);
        let mut heads: Vec<RunHead> = rows.filter(of_bot).filter(of_lane).map(|row| row.head.clone()).collect();
        let more = heads.len() > request.limit;
        heads.truncate(request.limit);
        (heads, more)
    }

    /// Reads for a question, or delivers what was read: in between things happen.
    fn serve_question(&mut self) {
        if self.questions.is_empty() {
            return;
        }
        let at = self.rng.random_range(0..self.questions.len());
        match self.questions[at].1.take() {
            None => self.questions[at].1 = Some(self.read(&self.questions[at].0)),
            Some((heads, more)) => {
                let (request, _) = self.questions.remove(at);
                self.tell(Input::Page { request, heads, more });
            }
        }
    }

    fn pass_time(&mut self) {
        let jump = self.chance(70);
        self.now = match self.wait {
            Some(at) if jump => at,
            _ => self.now + Duration::from_millis(self.rng.random_range(1..800)),
        };
        self.drain();
    }

    fn toggle_source(&mut self) {
        let key = (["a", "b"][self.rng.random_range(0..2)].parse().unwrap(), "x".parse().unwrap());
        let (tenant, source) = key.clone();
        if self.chance(50) {
            let until = self.now + Duration::from_millis(self.rng.random_range(0..4_000));
            self.model.went_down(key, until);
            self.tell(Input::SourceDown { tenant, source, until });
        } else {
            self.model.down.remove(&key);
            self.tell(Input::SourceUp { tenant, source });
        }
    }

    fn change_policy(&mut self) {
        let standing = [Standing::Live, Standing::Live, Standing::Paused, Standing::Removed][self.rng.random_range(0..4)];
        let bot = self.rng.random_range(0..4);
        self.set_policy(bot, standing);
    }

    fn set_policy(&mut self, bot: usize, standing: Standing) {
        let state = &mut self.model.bots[bot];
        if standing == Standing::Paused && state.standing == Standing::Removed {
            return;
        }
        state.standing = standing;
        let concurrency = NonZeroU32::new(u32::try_from(state.concurrency).unwrap()).unwrap();
        let policy = match standing {
            Standing::Live => Policy::Live { retry: state.retry.clone(), concurrency, on_dead: state.on_dead },
            Standing::Paused => Policy::Paused,
            Standing::Removed => Policy::Removed,
        };
        let (tenant, bot) = (state.tenant.clone(), state.name.clone());
        if standing == Standing::Removed {
            for row in self.model.rows.values_mut().filter(|row| row.head.bot == bot && row.head.tenant == tenant) {
                row.begun &= row.busy || row.held;
            }
        }
        self.tell(Input::Policy { tenant, bot, policy });
    }

    /// An operator opens a dead run again, or wants a waiting one now.
    fn reopen(&mut self) {
        let rows = self
            .model
            .rows
            .values()
            .filter(|row| !row.busy && if row.open { row.held || row.head.not_before.is_some() } else { row.ends == 1 });
        let seqs: Vec<u64> = rows.map(|row| row.head.seq).collect();
        // Of a run that was never told nobody can ask.
        let seqs = seqs.into_iter().filter(|seq| !self.live.iter().any(|head| head.seq == *seq)).collect::<Vec<_>>();
        let Some(seq) = self.pick(seqs) else { return };
        let row = self.row(seq);
        if !row.open {
            (row.open, row.reopened, row.begun, row.head.recorded) = (true, true, false, false);
        }
        (row.held, row.head.held) = (false, false);
        (row.head.not_before, row.head.failures, row.head.conflicts) = (None, 0, 0);
        let head = row.head.clone();
        self.tell(Input::Retry(head));
    }

    /// The ledger closes a run that waits (superseded); the dispatcher hears of it, or only when it starts it.
    fn close_elsewhere(&mut self) {
        let rows = self.model.rows.values().filter(|row| row.open && !row.busy && !row.held && !row.head.recorded);
        let runs: Vec<RunId> = rows.map(|row| row.head.run).collect();
        let Some(run) = self.pick(runs) else { return };
        self.close_row(run);
        let seq = self.model.seqs[&run];
        self.row(seq).closed_elsewhere = true;
        if self.mode == Mode::Exact || self.chance(50) {
            self.tell(Input::Ended { run, outcome: Outcome::Finished });
        }
    }

    /// The host dies and comes up again: what was in flight may have its effects recorded.
    fn crash(&mut self) {
        for row in self.model.rows.values_mut() {
            if row.busy && row.open && self.rng.random_range(0..2) == 0 && !self.ending.contains_key(&row.head.run) {
                row.head.recorded = true;
            }
            row.busy = false;
            row.begun = row.head.recorded || row.held;
        }
        self.live.clear();
        self.questions.clear();
        self.in_flight.clear();
        self.ending.clear();
        self.model.down.clear();
        self.model.allowed.clear();
        self.dispatcher = Dispatcher::new(self.model.config.clone(), self.rng.random());
        for bot in 0..4 {
            self.set_policy(bot, Standing::Live);
        }
    }

    fn drain(&mut self) {
        for _ in 0..10_000 {
            let output = self.dispatcher.poll(self.now);
            self.history.push(output.clone());
            let bound = self.model.config.heads.max(self.model.bots.len());
            assert!(self.dispatcher.heads() <= bound, "seed {}: memory", self.seed);
            match output {
                Output::Start { run, attempt, .. } => self.started(run, attempt),
                Output::Retry { run, at, failures, conflicts, .. } => {
                    let seq = self.model.seqs[&run];
                    let row = self.row(seq);
                    row.busy = false;
                    assert_eq!(failures + conflicts, row.head.failures + row.head.conflicts + 1);
                    (row.head.not_before, row.head.failures, row.head.conflicts) = (Some(at), failures, conflicts);
                    let (tenant, bot) = (row.head.tenant.clone(), row.head.bot.clone());
                    let state = self.model.bots.iter().find(|state| state.tenant == tenant && state.name == bot).unwrap();
                    let removed = state.standing == Standing::Removed;
                    self.row(seq).begun &= !removed;
                }
                Output::End { run, hold, .. } => {
                    self.ending.insert(run, hold);
                }
                Output::NeedMore(request) if self.mode == Mode::Exact => {
                    let (heads, more) = self.read(&request);
                    self.dispatcher.handle(Input::Page { request, heads, more }, self.now);
                }
                Output::NeedMore(request) => self.questions.push((request, None)),
                Output::Wait(at) => return self.waits(at),
            }
        }
        panic!("seed {}: it never waits", self.seed);
    }

    fn started(&mut self, run: RunId, attempt: u32) {
        let seq = self.model.seqs[&run];
        let row = &self.model.rows[&seq];
        let done = self.history.len();
        if row.open {
            let breach = self.model.breach(seq, self.now);
            assert_eq!(breach, None, "seed {}, output {done}: start of {seq}", self.seed);
            let counted = row.head.failures + row.head.conflicts + 1;
            assert_eq!(attempt, counted, "seed {}, output {done}: attempt of {seq}", self.seed);
        } else {
            assert!(row.closed_elsewhere && !row.busy, "seed {}, output {done}: {seq} again", self.seed);
        }
        let row = self.row(seq);
        (row.busy, row.begun) = (true, true);
        self.in_flight.insert(run);
    }

    fn waits(&mut self, at: Option<Timestamp>) {
        self.wait = at;
        let context = format!("seed {}, output {}", self.seed, self.history.len());
        assert!(at.is_none_or(|at| at > self.now), "{context}: waits for the past");
        if self.mode == Mode::Exact {
            for seq in self.model.first_in_order() {
                let head = &self.model.rows[&seq].head;
                let early = head.not_before.is_some_and(|at| at > self.now);
                assert!(early || self.model.barred(head, self.now).is_some(), "{context}: {seq} should have started");
            }
            assert_eq!(at, self.model.next(self.now), "{context}: Wait");
        }
    }
}
