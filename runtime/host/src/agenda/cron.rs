//! Cron triggers: each instant once, and of what was missed the latest.

use std::time::Duration;

use hob_dispatch::CronTable;
use hob_dispatch::cron::Schedule;
use hob_ledger::{CronKey, LedgerError, NewEvent, NewRun, Opening};
use hob_model::{BotName, Cause, Event, Manifest, Payload, SourceId, TenantId, Timestamp};

use crate::core::Core;

/// Lets the cron triggers of a release that is about to go live begin now, but for those that the release before it has too: what the expression names
/// of the past was not missed.
pub(crate) async fn begin(
    core: &Core,
    tenant: &TenantId,
    source: &SourceId,
    manifest: &Manifest,
    before: Option<&Manifest>,
) -> Result<(), LedgerError> {
    let now = core.clock.now();
    for (expression, zone) in manifest.crons() {
        if before.is_some_and(|before| before.crons().any(|known| known == (expression, zone))) {
            continue;
        }
        let key = key(tenant, &manifest.name, expression, zone.name());
        core.ledger.fire_cron(core.epoch, &key, now, event(&key, source, now, now, Vec::new())).await?;
    }
    Ok(())
}

/// Fires the cron triggers that are due; says when the next one is.
pub(super) async fn fire(core: &Core) -> Option<Timestamp> {
    let now = core.clock.now();
    let mut table = CronTable::new();
    for bot in core.bots.all() {
        for (expression, zone) in bot.manifest.crons() {
            let Ok(schedule) = Schedule::parse(expression, zone) else { continue };
            let mark = core.ledger.cron_mark(&key(&bot.tenant, &bot.name, expression, zone.name())).await.ok().flatten();
            table.set(&bot.tenant, &bot.name, schedule, mark.map_or(bot.deployed, |mark| mark.max(bot.deployed)));
        }
    }
    for due in table.due(now) {
        match one(core, &key(&due.key.tenant, &due.key.bot, &due.key.expression, &due.key.zone), due.at, now).await {
            Ok(()) => table.fired(&due.key, due.at),
            Err(error) => {
                tracing::error!(%error, "a cron trigger could not be fired: it stays due");
                return Some(now + Duration::from_secs(1));
            }
        }
    }
    table.next()
}

async fn one(core: &Core, key: &CronKey, at: Timestamp, now: Timestamp) -> Result<(), LedgerError> {
    let Some(bot) = core.bots.get(&key.tenant, &key.bot) else { return Ok(()) };
    let lane = crate::resolve::lane_of_bot();
    let run = NewRun { bot: bot.name.clone(), release: bot.digest, lane, opening: Opening::Pending, supersedes_earlier: false };
    let queued = core.ledger.fire_cron(core.epoch, key, at, event(key, &bot.source, at, now, vec![run])).await?;
    core.news(queued.heads).await;
    Ok(())
}

pub(super) fn key(tenant: &TenantId, bot: &BotName, expression: &str, zone: &str) -> CronKey {
    CronKey { tenant: tenant.clone(), bot: bot.clone(), schedule: expression.to_owned(), zone: zone.to_owned() }
}

fn event(key: &CronKey, source: &SourceId, at: Timestamp, now: Timestamp, runs: Vec<NewRun>) -> NewEvent {
    let event = Event {
        id: key.event_id(at),
        tenant: key.tenant.clone(),
        source: Some(source.clone()),
        cause: Cause::Cron { schedule: key.schedule.clone(), at },
        occurred: Some(at),
        received: now,
        hop: 0,
    };
    NewEvent { event, payload: Payload::default(), runs }
}
