//! From recorded effects to the server, once.
//!
//! The order is: borrow a fence slot, make the transaction, put it into the ledger, which gives the slot to the run in the same write, look at what a
//! transaction cannot check, send it, and write down what the answer says. [`hob_fhir::fence`] argues why this cannot happen twice; here is only which step follows which answer:
//!
//! - it happened: the run is done;
//! - it did not and never will, because something moved on: a conflict, again on fresh reads;
//! - it did not and never will, because the server refuses it: a dead letter;
//! - nobody knows, and the server cannot be asked: the run stays recorded, its slot stays with it, and it is looked for later;
//! - nobody knows, the server can be asked, and it is not there: a failure, to be sent again.

use bytes::Bytes;
use hob_fhir::FhirError;
use hob_fhir::commit::{CommitOutcome, Committed, Finding, Stale, burn, commit, find_out, precheck};
use hob_fhir::fence::{FenceUse, Slot};
use hob_fhir::plan::{CommitPlan, bundle};
use hob_ledger::{Finish, LedgerError, Recorded, Wrote};
use hob_model::{Effects, Failure, FailureKind, Journal, Payload, Write};

use crate::gaps::Reason;
use crate::run::attempt::{Trying, targets};
use crate::run::driver::{Ended, persist};
use crate::run::fences::{self, FenceError, Lent};
use crate::run::references;

/// Commits what an attempt has just decided.
pub(crate) async fn first(trying: &Trying<'_>, effects: Effects, journal: Journal, result: Option<Payload>) -> Ended {
    let core = trying.core;
    let mut recorded =
        Recorded { attempt: trying.number, release: trying.bot.digest, effects, bundle: Bytes::new(), fence: None, result };
    loop {
        let lent = match fences::take(core, trying.entry).await {
            Ok(lent) => lent,
            Err(error) => return no_fence(trying, &error).await,
        };
        let fence = FenceUse { slot: lent.slot.clone(), run: trying.key.run, attempt: trying.number };
        let plan = match bundle(&recorded.effects, &fence) {
            Ok(plan) => plan,
            Err(error) => {
                return trying.failed(failure(FailureKind::Fatal, "effects", error.to_string()), Some(journal), false);
            }
        };
        recorded.bundle = plan.bytes.clone();
        recorded.fence = Some(lent.kept());
        let targets = targets(&recorded.effects);
        core.commit_begins(trying.key, core.inflight.begin(&trying.entry.source.tenant, &trying.entry.source.id, targets));
        let kept = persist(core, "record", || record(trying, &recorded, &journal)).await;
        match kept {
            Some(true) => {
                let sending =
                    Sending { trying, recorded: &recorded, plan, number: lent.number, lent: Some(lent), sent_before: false };
                return sending.send().await;
            }
            // Nothing of this transaction was sent: another slot will do.
            Some(false) => {}
            None => {
                // The run was ended under the attempt: nothing was sent, so nothing is held.
                core.commit_ended(trying.key);
                return Ended::Lost;
            }
        }
    }
}

/// False where the slot is not to be had.
async fn record(trying: &Trying<'_>, recorded: &Recorded, journal: &Journal) -> Result<bool, LedgerError> {
    match trying.core.ledger.record(trying.core.epoch, trying.key, recorded.clone(), journal.clone()).await {
        Ok(()) => Ok(true),
        Err(LedgerError::FenceTaken { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Goes on with effects that were recorded before: by an attempt whose answer was lost, or by a host that died.
pub(crate) async fn resume(trying: &Trying<'_>, recorded: &Recorded) -> Ended {
    let core = trying.core;
    core.commit_begins(
        trying.key,
        core.inflight.begin(&trying.entry.source.tenant, &trying.entry.source.id, targets(&recorded.effects)),
    );
    let Some(fence) = &recorded.fence else {
        // Nothing had to be sent: only the end was missing.
        return trying.finish(finish(trying, recorded, None)).await;
    };
    let plan = match CommitPlan::from_bytes(recorded.bundle.clone()) {
        Ok(plan) => plan,
        Err(error) => return trying.failed(failure(FailureKind::Fatal, "recorded", error.to_string()), None, true),
    };
    let mut sending = Sending { trying, recorded, plan, number: fence.slot, lent: None, sent_before: true };
    match find_out(&trying.entry.client, &sending.plan).await {
        Ok(Finding::Happened(committed)) => sending.done(committed).await,
        Ok(Finding::NotYet) => sending.send().await,
        Ok(Finding::Never { slot }) => sending.stale(slot.as_ref(), "the fence was moved by somebody else").await,
        Err(error) => sending.trouble(&error).await,
    }
}

struct Sending<'a> {
    trying: &'a Trying<'a>,
    recorded: &'a Recorded,
    plan: CommitPlan,
    number: u32,
    /// The slot's, where this attempt borrowed it.
    lent: Option<Lent>,
    /// A send of this plan may be under way or may have happened.
    sent_before: bool,
}

impl Sending<'_> {
    async fn send(mut self) -> Ended {
        let client = &self.trying.entry.client;
        let _held = self.hold_conditions().await;
        match precheck(client, &self.recorded.effects).await {
            Ok(None) => {}
            Ok(Some(stale)) => {
                let why = match stale {
                    Stale::Exists { effect } => format!("what effect {effect} was to create if it did not exist exists by now"),
                    Stale::Changed { effect } => format!("what effect {effect} was to delete has changed"),
                };
                if !self.sent_before {
                    return self.stale(Some(&self.plan.fence.slot.clone()), &why).await;
                }
                return match burn(client, &self.plan).await {
                    Ok(Finding::Happened(committed)) => self.done(committed).await,
                    Ok(Finding::Never { slot }) => self.stale(slot.as_ref(), &why).await,
                    Ok(Finding::NotYet) => self.unsure("the fence could not be voided".into()),
                    Err(error) => self.trouble(&error).await,
                };
            }
            Err(error) => return self.trouble(&error).await,
        }
        match commit(client, &self.plan).await {
            CommitOutcome::Committed(committed) => self.done(committed).await,
            CommitOutcome::Conflict { error, slot } => self.stale(slot.as_ref(), &error.to_string()).await,
            CommitOutcome::Refused { error, slot } => self.refused(&error, slot.as_ref()).await,
            CommitOutcome::NotSent { error } => self.trouble(&error).await,
            CommitOutcome::Unknown { error } => match find_out(client, &self.plan).await {
                Ok(Finding::Happened(committed)) => self.done(committed).await,
                Ok(Finding::Never { slot }) => self.stale(slot.as_ref(), "the fence was moved by somebody else").await,
                // The server answers, and this transaction it does not manage: that is the run's own trouble.
                Ok(Finding::NotYet) => self.unsure(error.to_string()),
                Err(_) => self.trouble(&error).await,
            },
            CommitOutcome::NotAtomic { applied, failed } => {
                let message = format!(
                    "the server ran the transaction as a batch: {} entries were kept and {} failed; it must not be written to: see `hob source check {}`",
                    applied.len(),
                    failed.len(),
                    self.trying.entry.source.id
                );
                tracing::error!(tenant = %self.trying.key.tenant, run = %self.trying.key.run, source = %self.trying.entry.source.id, code = "not-atomic", "a transaction was not atomic");
                self.trying.failed(failure(FailureKind::Fatal, "not-atomic", message), None, true)
            }
        }
    }

    /// One run at a time for each condition of a conditional create, from the look to the answer: the server alone would let the second one find
    /// the first one's resource after it had decided that there was none.
    async fn hold_conditions(&self) -> Vec<impl Drop + use<>> {
        let mut conditions: Vec<String> = self
            .recorded
            .effects
            .writes
            .iter()
            .filter_map(|write| match write {
                Write::Create { resource_type, if_none_exist: Some(query), .. } => {
                    let key = self.trying.key;
                    Some(format!("create {} {} {resource_type}?{query}", key.tenant, self.trying.entry.source.id))
                }
                _ => None,
            })
            .collect();
        // In one order, so that two runs never wait for each other.
        conditions.sort();
        conditions.dedup();
        let mut held = Vec::with_capacity(conditions.len());
        for condition in conditions {
            held.push(self.trying.core.conditions.lock(condition).await);
        }
        held
    }

    async fn done(&mut self, committed: Committed) -> Ended {
        let trying = self.trying;
        if trying.entry.is_up() {
            tracing::info!(tenant = %trying.key.tenant, source = %trying.entry.source.id, "the source answers again");
            trying.core.gaps.want(trying.entry, Reason::Back);
        }
        let slot = match &committed.slot {
            Some(slot) => slot.clone(),
            None => match fences::replace(trying.core, trying.entry, self.number).await {
                Ok(slot) => slot,
                Err(error) => return no_fence_after(trying, &error),
            },
        };
        let mut finish = finish(trying, self.recorded, Some(&committed));
        finish.fence = Some(slot.version.clone());
        let ended = trying.finish(finish).await;
        if let (Ended::Finished, Some(lent)) = (&ended, self.lent.take()) {
            lent.free(slot);
        }
        ended
    }

    /// It never happened and something has moved on.
    async fn stale(&self, slot: Option<&Slot>, why: &str) -> Ended {
        if let Err(error) = fences::moved(self.trying.core, self.trying.entry, self.number, slot).await {
            return no_fence_after(self.trying, &error);
        }
        self.trying.failed(failure(FailureKind::Conflict, "conflict", why.to_owned()), None, false)
    }

    async fn refused(&self, error: &FhirError, slot: Option<&Slot>) -> Ended {
        if let Err(error) = fences::moved(self.trying.core, self.trying.entry, self.number, slot).await {
            return no_fence_after(self.trying, &error);
        }
        let mut message = error.to_string();
        if let Some(outcome) = &error.outcome {
            message = format!("{message}: {outcome}");
        }
        self.trying.failed(failure(FailureKind::Fatal, "refused", message), None, false)
    }

    fn unsure(&self, why: String) -> Ended {
        self.trying.failed(failure(FailureKind::Retry, "unknown-outcome", why), None, true)
    }

    /// The server could not be asked: the run stays recorded.
    async fn trouble(&self, error: &FhirError) -> Ended {
        if self.trying.entry.is_down(error).await { self.trying.down(error.retry_after) } else { self.unsure(error.to_string()) }
    }
}

fn finish(trying: &Trying<'_>, recorded: &Recorded, committed: Option<&Committed>) -> Finish {
    let urns = committed.map(|c| c.urns.clone()).unwrap_or_default();
    let (timers, outbox) = references::resolved(&recorded.effects.timers, &recorded.effects.outbox, &urns);
    let written = committed.map(|c| c.written.as_slice()).unwrap_or_default();
    let wrote = written
        .iter()
        .filter(|written| !written.existed)
        .filter_map(|written| Some(Wrote { reference: written.reference.clone()?, version: written.version.clone()? }))
        .collect();
    let mut tried = trying.tried(None);
    tried.attempt.number = recorded.attempt;
    tried.release = recorded.release;
    Finish { tried, recorded: None, wrote, references: urns, timers, outbox, fence: None }
}

fn failure(kind: FailureKind, code: &str, message: String) -> Failure {
    Failure { kind, code: code.to_owned(), message, retry_after: None }
}

/// No slot before anything was recorded.
async fn no_fence(trying: &Trying<'_>, error: &FenceError) -> Ended {
    match error {
        FenceError::Server(error) if error.is_transient() || trying.entry.is_down(error).await => trying.down(error.retry_after),
        FenceError::Ledger(_) => Ended::Lost,
        FenceError::Server(_) | FenceError::Name(_) => {
            let message = format!("no fence could be made at the source: {error}");
            trying.failed(failure(FailureKind::Fatal, "fence", message), None, false)
        }
    }
}

/// No slot after the outcome was known: the run stays recorded, and the next attempt finds out the same.
fn no_fence_after(trying: &Trying<'_>, error: &FenceError) -> Ended {
    match error {
        FenceError::Server(error) => trying.down(error.retry_after),
        FenceError::Ledger(_) | FenceError::Name(_) => Ended::Lost,
    }
}
