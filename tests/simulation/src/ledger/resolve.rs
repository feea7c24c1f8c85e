//! Changes and other events in, with their runs; marks.

use std::collections::BTreeMap;
use std::sync::Arc;

use hob_ledger::{NewEvent, NewRun, Opening, Queued, Resolution, ResourceMark, RunHead, RunKey, RunSeq};
use hob_model::{Cause, ResourceKey, RunId};

use super::Mutation;
use super::state::{Run, State, StoredEvent};

impl State {
    pub(super) fn resolve(&mut self, resolution: Resolution) -> Queued {
        let Resolution { tenant, notifications, changes, seen } = resolution;
        let mut queued = Queued::default();
        for resolved in changes {
            if let Some((key, mark)) = resolved.mark() {
                self.move_mark(key, mark);
            }
            self.insert_event(resolved.into_event(), None, &mut queued);
        }
        for seq in notifications {
            if self.notifications.get(&seq).is_some_and(|stored| stored.tenant == tenant) {
                self.waits_no_more(seq);
            }
        }
        for event in seen {
            if let Some(known) = self.subscriptions.get_mut(&(tenant.clone(), event.source, event.subscription)) {
                known.last_event = known.last_event.max(Some(event.number));
            }
        }
        settled(queued)
    }

    pub(super) fn add_event(&mut self, new: NewEvent, timer: Option<&str>) -> Queued {
        let mut queued = Queued::default();
        self.insert_event(new, timer, &mut queued);
        settled(queued)
    }

    fn move_mark(&mut self, key: ResourceKey, mark: ResourceMark) {
        if self.makes(Mutation::NoDedupe) {
            return;
        }
        if self.marks.get(&key).is_none_or(|old| old.ordinal < mark.ordinal) {
            self.marks.insert(key, mark);
        }
    }

    fn insert_event(&mut self, new: NewEvent, timer: Option<&str>, queued: &mut Queued) {
        let NewEvent { event, payload, runs } = new;
        if runs.is_empty() {
            return;
        }
        let (tenant, received) = (event.tenant.clone(), event.received);
        let of = (tenant.clone(), event.id);
        let event = Arc::clone(self.events.entry(of).or_insert_with(|| Arc::new(StoredEvent { event, payload })));
        for run in runs {
            let (waits, latest) = (run.opening == Opening::Pending, run.supersedes_earlier);
            let Some(head) = self.insert_run(&event, run, timer).filter(|_| waits) else { continue };
            if latest && head.resource.is_some() {
                let over = self.supersede_where(&tenant, &head.bot, received, |run| {
                    run.head.seq < head.seq && run.head.source == head.source && run.head.resource == head.resource
                });
                queued.superseded.extend(over);
            }
            queued.heads.push(self.told(&head));
        }
    }

    /// Gives the head of the run, where there was none.
    fn insert_run(&mut self, event: &Arc<StoredEvent>, new: NewRun, timer: Option<&str>) -> Option<RunHead> {
        let of = &event.event;
        let key = RunKey { tenant: of.tenant.clone(), run: RunId::new(&of.tenant, &new.bot, of.id) };
        if let Some(old) = self.runs.get(&key) {
            if old.head.state.is_open() || !self.makes(Mutation::NoDedupe) {
                return None;
            }
            self.places.remove(&old.head.seq);
        }
        self.last_run = RunSeq::new(self.last_run.get() + 1);
        let state = new.opening.state();
        let head = RunHead {
            seq: self.last_run,
            key: key.clone(),
            bot: new.bot,
            source: of.source.clone(),
            resource: match &of.cause {
                Cause::Change { key, .. } => Some(key.resource.resource.clone()),
                _ => None,
            },
            lane: new.lane,
            state,
            held: false,
            not_before: None,
            failures: 0,
            conflicts: 0,
            attempt: 0,
        };
        let run = Run {
            head: head.clone(),
            event: Arc::clone(event),
            release: new.release,
            timer: timer.map(str::to_owned),
            ended: None,
            failure: match new.opening {
                Opening::Dead(failure) => Some(failure),
                _ => None,
            },
            attempts: BTreeMap::new(),
            recorded: None,
        };
        let ended = (!state.is_open()).then_some(of.received);
        self.runs.insert(key.clone(), run);
        self.places.insert(head.seq, key.clone());
        self.turn(&key, state, ended);
        Some(head)
    }
}

/// A run that was made and superseded in the same call is no head.
fn settled(mut queued: Queued) -> Queued {
    let Queued { heads, superseded } = &mut queued;
    heads.retain(|head| !superseded.contains(&head.key));
    queued
}
