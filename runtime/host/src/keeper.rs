//! The keeper: prunes, gives space back, and takes values along after a rotation of keys; all in small steps, with a pause after each, so
//! that accepts never wait long behind one.

use std::sync::Arc;
use std::time::Duration;

use hob_ledger::{LedgerError, PruneCursor, PruneRules, Upkeep};
use hob_model::Timestamp;
use tokio::sync::watch;

use crate::core::Core;
use crate::server::stopped;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(15);
/// Looks between two passes of pruning: an hour.
const PASS: u32 = 240;
/// Rows that one step looks at: what an accept may have to wait for.
const STEP: usize = 50;
/// After each step.
const BREATH: Duration = Duration::from_millis(5);
/// Free space that is kept for what comes next, and pages that are given back at once.
const SPARE: u64 = 16 * 1024 * 1024;
const PAGES: u32 = 256;
/// What is younger is not pruned for size either.
const YOUNGEST: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps the ledger until `stop` is true.
pub(crate) async fn run(core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    let mut looks = 0_u32;
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            done = look(&core, looks.is_multiple_of(PASS)) => if let Err(error) = done {
                tracing::error!(code = "keeping", %error, "the ledger could not be looked after: it is tried again");
            },
        }
        looks = looks.wrapping_add(1);
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            () = core.pause(EVERY) => {}
        }
    }
}

async fn look(core: &Core, prunes: bool) -> Result<(), LedgerError> {
    if prunes {
        prune(core).await?;
    }
    match core.ledger.upkeep() {
        Some(upkeep) => reseal(core, upkeep).await,
        None => Ok(()),
    }
}

/// What `[retention]` allows to forget at `now`.
fn rules(core: &Core, now: Timestamp) -> PruneRules {
    let retention = &core.config.retention;
    PruneRules { ended: now - DAY * retention.ended_days, dead: now - DAY * retention.dead_days }
}

async fn prune(core: &Core) -> Result<(), LedgerError> {
    let by_age = rules(core, core.clock.now());
    let mut gone = pass(core, by_age, None).await?;
    if let Some(upkeep) = core.ledger.upkeep() {
        let most = core.config.retention.size_mib.saturating_mul(1024 * 1024);
        if most > 0 && upkeep.space().await?.used > most {
            let by_size = PruneRules { ended: core.clock.now() - YOUNGEST, ..by_age };
            let more = pass(core, by_size, Some((upkeep, most))).await?;
            gone = (gone.0 + more.0, gone.1 + more.1);
            let used = upkeep.space().await?.used;
            if used > most {
                tracing::warn!(
                    code = "ledger-size",
                    used,
                    most,
                    "the ledger is larger than retention.size-mib, and what is left is young or needed"
                );
            }
        }
        while upkeep.space().await?.free > SPARE + u64::from(PAGES) * 4096 {
            upkeep.give_back(core.epoch, PAGES).await?;
            core.pause(BREATH).await;
        }
    }
    if gone != (0, 0) {
        tracing::info!(runs = gone.0, notifications = gone.1, "pruned");
    }
    Ok(())
}

/// One pass from the oldest on, to its end or until no more than so many bytes are in use. Gives how many runs and notifications went.
async fn pass(core: &Core, rules: PruneRules, until: Option<(&dyn Upkeep, u64)>) -> Result<(usize, usize), LedgerError> {
    let (mut from, mut gone) = (PruneCursor::BEGIN, (0, 0));
    while !from.is_end() {
        if let Some((upkeep, most)) = until
            && upkeep.space().await?.used <= most
        {
            break;
        }
        let pruned = core.ledger.prune(core.epoch, &rules, from, STEP).await?;
        gone = (gone.0 + pruned.runs, gone.1 + pruned.notifications);
        from = pruned.next;
        core.pause(BREATH).await;
    }
    Ok(gone)
}

async fn reseal(core: &Core, upkeep: &dyn Upkeep) -> Result<(), LedgerError> {
    // Asked of a reader first: where nothing is to be done nothing is written.
    if upkeep.keys().await?.resealed_percent.is_none() {
        return Ok(());
    }
    while upkeep.reseal(core.epoch, STEP).await? {
        core.pause(BREATH).await;
    }
    tracing::info!("all values are under the newest keys");
    Ok(())
}
