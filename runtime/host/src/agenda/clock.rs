//! The machine's clock, as far as the ledger can tell that it is wrong.
//!
//! A clock that stands far ahead makes everything due, and one that was ahead has moved cron marks ahead. Neither can be told from a host that was off for
//! long, or taken back: what fired has fired. So the host goes on, and says so.

use std::time::Duration;

use hob_model::Timestamp;

use crate::agenda::cron;
use crate::core::Core;

/// What is later than this by the clock is worth a word.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// Compares the clock with what the ledger holds, once at the start.
pub(super) async fn look(core: &Core) {
    let now = core.clock.now();
    if let Some(late) = overdue(core, now).await.filter(|late| *late > LONG) {
        tracing::warn!(
            code = "clock", %now, overdue_s = late.as_secs(),
            "timers have been due for more than a day and fire now: this host was off for long, or its clock is ahead"
        );
    }
    for bot in core.bots.all() {
        for (expression, zone) in bot.manifest.crons() {
            let key = cron::key(&bot.tenant, &bot.name, expression, zone.name());
            let Ok(Some(mark)) = core.ledger.cron_mark(&key).await else { continue };
            if mark.since(now) > LONG {
                tracing::warn!(
                    code = "clock", %now, tenant = %bot.tenant, bot = %bot.name, fired_until = %mark,
                    "a cron trigger has fired for an instant that is still to come: the clock was ahead, or is behind. It fires next after that instant"
                );
            }
        }
    }
}

/// For how long the timer that has waited longest has been due.
pub(crate) async fn overdue(core: &Core, now: Timestamp) -> Option<Duration> {
    let due = core.ledger.next_timer().await.ok().flatten()?;
    (due <= now).then(|| now.since(due))
}
