//! Timers: as many as are due, in batches that let others in between.
//!
//! A batch is one commit of the ledger, which shares it over the bots. The next is begun only when the ledger has taken the one before and the driver has
//! been told: a crowd of timers that are due at one time becomes runs on disk as fast as those two take them, and no faster. The dispatcher holds as
//! many of those runs in memory as of any others, and reads the rest when their turn comes.

use std::time::Duration;

use hob_model::Timestamp;

use crate::core::Core;

/// Timers in one commit. It bounds how long a notification that comes meanwhile waits for its own.
const BATCH: usize = 200;
/// Batches before cron and the outbox have their turn.
const BATCHES: usize = 10;

/// Fires timers that are due; says when the next one is.
pub(super) async fn fire(core: &Core) -> Option<Timestamp> {
    for _ in 0..BATCHES {
        let now = core.clock.now();
        let fired = match core.ledger.fire_timers(core.epoch, now, BATCH).await {
            Ok(fired) => fired,
            Err(error) => {
                tracing::error!(%error, "timers could not be fired: they stay due");
                return Some(now + Duration::from_secs(1));
            }
        };
        let full = fired.len() == BATCH;
        core.news(fired).await;
        if !full {
            return core.ledger.next_timer().await.ok().flatten();
        }
    }
    Some(core.clock.now())
}
