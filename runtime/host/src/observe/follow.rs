//! Looks at runs after their end, for the releases that are observed: one at a time, behind whatever runs, and never in its way. What it cannot keep up with is
//! counted as missed. A crash makes it look again at what it had not kept; a run counts once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hob_ledger::{LedgerError, MISSED, Observed as Kept, RunDetail, RunKey, RunSeq};
use hob_model::{Effects, RunId};
use tokio::sync::watch;

use super::{Observed, REQUEST};
use crate::core::Core;
use crate::server::stopped;
use crate::trial::past::Mark;
use crate::trial::{Compared, Group, Skipped, batch, seen};

/// Between two looks where there was nothing to do.
const EVERY: Duration = Duration::from_millis(500);
/// Runs between two writes.
const BATCH: usize = 16;
/// Runs that may wait: of more, the oldest half is missed.
const MOST: usize = 2_000;
/// How long one run waits for a processor that is free, and between two looks at that.
const PATIENCE: u32 = 50;
const BREATH: Duration = Duration::from_millis(20);

/// Follows the runs of bots that have an observed release until `stop` is true.
pub(crate) async fn run(core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    loop {
        let all = core.observing.all();
        let mut more = false;
        for observed in &all {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                looked = look(&core, observed) => match looked {
                    Ok(left) => more |= left,
                    Err(error) => tracing::error!(code = "observing", tenant = %observed.tenant, bot = %observed.bot, %error, "runs could not be observed: it is tried again"),
                },
            }
        }
        let idle = async {
            match (more, all.is_empty()) {
                (true, _) => tokio::task::yield_now().await,
                (false, false) => core.pause(EVERY).await,
                (false, true) => core.observing.changed.notified().await,
            }
        };
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            () = idle => {}
        }
    }
}

/// Looks at the next runs; says whether there are more.
async fn look(core: &Core, observed: &Observed) -> Result<bool, LedgerError> {
    let Some(ledger) = core.ledger.observations() else { return Ok(false) };
    let Observed { tenant, bot, release, .. } = observed;
    let waiting = ledger.unsettled(tenant, bot, MOST + 1).await?;
    if waiting.len() > MOST {
        let missed = waiting.iter().take(MOST / 2).map(|(seq, run)| kept(*seq, *run, MISSED, None)).collect();
        ledger.settle(core.epoch, tenant, bot, release, missed).await?;
        tracing::warn!(%tenant, %bot, missed = MOST / 2, "runs end faster than they are observed: the oldest are missed");
        return Ok(true);
    }
    let mut settled = Vec::with_capacity(BATCH);
    for (seq, run) in waiting.iter().take(BATCH) {
        give_way(core).await;
        let key = RunKey { tenant: tenant.clone(), run: *run };
        let tried = match &observed.trial {
            Some(trial) => batch::one(&*core.ledger, trial, &key).await?,
            None => match core.ledger.show(&key).await {
                Ok(detail) => Some(would_be(&detail)),
                Err(LedgerError::NotFound { .. }) => None,
                Err(error) => return Err(error),
            },
        };
        // One that was pruned meanwhile is not listed again.
        let Some(tried) = tried else { continue };
        settled.push(match tried {
            Ok(compared) => {
                let worth = compared.group != Group::Same;
                kept(*seq, *run, compared.group.as_str(), worth.then_some(&compared))
            }
            Err(skipped) => kept(*seq, *run, skipped.as_str(), None),
        });
    }
    if !settled.is_empty() {
        ledger.settle(core.epoch, tenant, bot, release, settled).await?;
    }
    Ok(waiting.len() > BATCH)
}

fn kept(seq: RunSeq, run: RunId, kind: &str, compared: Option<&Compared>) -> Kept {
    let body = compared.and_then(|compared| serde_json::to_vec(compared).ok()).map(Into::into);
    Kept { seq, run, kind: kind.to_owned(), body }
}

/// Lets runs that act go first, for a while.
async fn give_way(core: &Core) {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    for _ in 0..PATIENCE {
        if core.attempts.load(Ordering::Relaxed) < processors {
            return;
        }
        core.pause(BREATH).await;
    }
}

/// What a run of a release that does nothing would have done.
fn would_be(detail: &RunDetail) -> Result<Compared, Skipped> {
    let (decided, exposed) = seen(detail)?;
    let mut marks = Vec::new();
    if exposed {
        marks.push(Mark::Secret);
    }
    if decided.failure.as_ref().is_some_and(|failure| failure.code == REQUEST) {
        marks.push(Mark::Unknown { asked: "a request to somebody outside".to_owned() });
    }
    let none = Effects::default();
    let changes = decided.against(&none);
    let group = match (&decided.failure, marks.is_empty()) {
        (_, false) => Group::Undecidable,
        (Some(_), true) => Group::NewFailure,
        (None, true) if decided.effects == none => Group::Same,
        (None, true) => Group::Changed,
    };
    Ok(Compared {
        now: Some(decided.ended()),
        changes: if exposed { Vec::new() } else { changes.kept },
        more: changes.more,
        marks,
        ..Compared::of(detail, group)
    })
}
