//! Dead letters that an operator opens again: one, or a slice, in batches.
//!
//! A batch is one commit, and the next begins when the driver has been told of the one before: a slice of any length neither holds up the ledger nor fills
//! memory, of which the dispatcher gives a bot its share. Runs are opened in the order of their seq, so that of one lane the oldest goes first.

use std::time::Duration;

use hob_ledger::{DeadFilter, DeadKind, NotificationSeq, OutboxSeq, Result, RunSeq};
use hob_model::TenantId;

use crate::core::Core;
use crate::run::driver::{Message, head};

/// Dead letters in one commit.
const BATCH: usize = 200;
/// Between two commits, so that what comes in meanwhile does not queue behind a slice.
const BREATH: Duration = Duration::from_millis(5);

/// Opens a slice; says how many there were to open.
pub(crate) async fn slice(core: &Core, tenant: &TenantId, kind: DeadKind, filter: &DeadFilter) -> Result<u64> {
    match kind {
        DeadKind::Run => runs(core, tenant, filter).await,
        DeadKind::Notification => notifications(core, tenant, filter).await,
        DeadKind::Request => requests(core, tenant, filter).await,
    }
}

async fn runs(core: &Core, tenant: &TenantId, filter: &DeadFilter) -> Result<u64> {
    let (mut after, mut opened) = (RunSeq::ZERO, 0);
    loop {
        let heads = core.ledger.retry_dead(core.epoch, tenant, filter, after, BATCH).await?;
        let Some(last) = heads.last() else { return Ok(opened) };
        after = last.seq;
        opened += heads.len() as u64;
        for one in heads {
            core.tell(Message::Retry(head(one))).await;
        }
        core.pause(BREATH).await;
    }
}

async fn notifications(core: &Core, tenant: &TenantId, filter: &DeadFilter) -> Result<u64> {
    let (mut before, mut opened): (Option<NotificationSeq>, _) = (None, 0);
    loop {
        let page = core.ledger.dead_notifications(tenant, filter, before, BATCH).await?;
        let Some(last) = page.last() else { return Ok(opened) };
        before = Some(last.seq);
        let whole = page.iter().filter(|dead| !dead.cut).map(|dead| dead.seq).collect();
        opened += notification(core, tenant, whole).await?;
        core.pause(BREATH).await;
    }
}

/// Has notifications read again by the present code and configuration; says how many.
pub(crate) async fn notification(core: &Core, tenant: &TenantId, seqs: Vec<NotificationSeq>) -> Result<u64> {
    let opened = core.ledger.reopen(core.epoch, tenant, seqs.clone()).await?;
    core.reopened.tell(&seqs);
    Ok(opened)
}

async fn requests(core: &Core, tenant: &TenantId, filter: &DeadFilter) -> Result<u64> {
    // All of the slice come due at one instant: within it the order is that of staging.
    let at = core.clock.now();
    let (mut before, mut opened): (Option<OutboxSeq>, _) = (None, 0);
    loop {
        let page = core.ledger.dead_requests(tenant, filter, before, BATCH).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.seq);
        let keys = page.into_iter().map(|dead| dead.key).collect();
        opened += core.ledger.retry_requests(core.epoch, keys, at).await?;
        core.pause(BREATH).await;
    }
    core.agenda.notify_one();
    Ok(opened)
}
