//! What comes due by itself: timers that runs set, cron triggers, and requests in the outbox.
//!
//! The ledger makes each of them happen once; here is only the alarm clock. It looks again whenever a run that may have set something is done, and at
//! the latest after [`LONGEST`], so that a machine whose clock was turned is not asleep for long.

mod outbox;

use std::sync::Arc;
use std::time::Duration;

use hob_dispatch::CronTable;
use hob_dispatch::cron::Schedule;
use hob_ledger::{CronKey, NewEvent, NewRun, Opening};
use hob_model::{Cause, Event, Payload, Timestamp, Trigger};
use tokio::sync::watch;

use crate::core::Core;
use crate::server::stopped;

/// The longest sleep between two looks.
const LONGEST: Duration = Duration::from_secs(30);
/// How many timers are fired between two looks.
const BATCH: usize = 200;

/// Fires what is due until `stop` is true.
pub(crate) async fn run(core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    let mut outbox = outbox::Outbox::new();
    loop {
        let timers = timers(&core).await;
        let cron = cron(&core).await;
        let requests = outbox.look(&core).await;
        let now = core.clock.now();
        let next = [timers, cron, requests].into_iter().flatten().min();
        let pause = next.map_or(LONGEST, |at| at.since(now) + Duration::from_millis(1)).min(LONGEST);
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            () = core.agenda.notified() => {}
            () = outbox.one_ended() => {}
            () = core.pause(pause) => {}
        }
    }
    let drain = Duration::from_millis(core.config.limits.drain_ms);
    if tokio::time::timeout(drain, outbox.drain()).await.is_err() {
        tracing::warn!("requests in flight were cut off at the end of the drain: they are sent again after the next start");
    }
}

/// Fires the timers that are due; says when the next one is.
async fn timers(core: &Core) -> Option<Timestamp> {
    let now = core.clock.now();
    let due = match core.ledger.due_timers(now, BATCH).await {
        Ok(due) => due,
        Err(error) => {
            tracing::error!(%error, "timers that are due could not be read");
            return Some(now + Duration::from_secs(1));
        }
    };
    let full = due.len() == BATCH;
    for timer in due {
        match core.ledger.fire_timer(core.epoch, &timer, now).await {
            Ok(Some(head)) => core.news(vec![head]).await,
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "a timer could not be fired: it stays due");
                return Some(now + Duration::from_secs(1));
            }
        }
    }
    if full { Some(now) } else { core.ledger.next_timer().await.ok().flatten() }
}

/// Fires the cron triggers that are due; says when the next one is.
async fn cron(core: &Core) -> Option<Timestamp> {
    let now = core.clock.now();
    let mut table = CronTable::new();
    for bot in core.bots.all() {
        for (expression, zone) in bot.manifest.crons() {
            let Ok(schedule) = Schedule::parse(expression, zone) else { continue };
            let key = CronKey {
                tenant: bot.tenant.clone(),
                bot: bot.name.clone(),
                schedule: expression.to_owned(),
                zone: zone.name().to_owned(),
            };
            let mark = core.ledger.cron_mark(&key).await.ok().flatten();
            table.set(&bot.tenant, &bot.name, schedule, mark.map_or(bot.deployed, |mark| mark.max(bot.deployed)));
        }
    }
    for due in table.due(now) {
        let key = CronKey {
            tenant: due.key.tenant.clone(),
            bot: due.key.bot.clone(),
            schedule: due.key.expression.clone(),
            zone: due.key.zone.clone(),
        };
        match fire_cron(core, &key, due.at, now).await {
            Ok(()) => table.fired(&due.key, due.at),
            Err(error) => {
                tracing::error!(%error, "a cron trigger could not be fired: it stays due");
                return Some(now + Duration::from_secs(1));
            }
        }
    }
    table.next()
}

async fn fire_cron(core: &Core, key: &CronKey, at: Timestamp, now: Timestamp) -> Result<(), hob_ledger::LedgerError> {
    let Some(bot) = core.bots.get(&key.tenant, &key.bot) else { return Ok(()) };
    let lane = crate::resolve::lane_of_bot();
    let event = Event {
        id: key.event_id(at),
        tenant: key.tenant.clone(),
        source: Some(bot.source.clone()),
        cause: Cause::Cron { schedule: key.schedule.clone(), at },
        occurred: Some(at),
        received: now,
        hop: 0,
    };
    let run = NewRun { bot: bot.name.clone(), release: bot.digest, lane, opening: Opening::Pending, supersedes_earlier: false };
    let event = NewEvent { event, payload: Payload::default(), runs: vec![run] };
    let queued = core.ledger.fire_cron(core.epoch, key, at, event).await?;
    core.news(queued.heads).await;
    Ok(())
}

/// Whether a bot wants the answers to its requests.
pub(crate) fn wants_replies(manifest: &hob_model::Manifest) -> bool {
    manifest.on.iter().any(|trigger| matches!(trigger, Trigger::Reply))
}
