//! What comes due by itself: timers that runs set, cron triggers, and requests in the outbox.
//!
//! The ledger makes each of them happen once; here is only the alarm clock. It looks again whenever a run that may have set something is done, and at
//! the latest after [`LONGEST`], so that a machine whose clock was turned is not asleep for long.

pub(crate) mod clock;
pub(crate) mod cron;
mod outbox;
mod timers;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::core::Core;
use crate::server::stopped;

/// The longest sleep between two looks.
const LONGEST: Duration = Duration::from_secs(30);

/// Fires what is due until `stop` is true.
pub(crate) async fn run(core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    clock::look(&core).await;
    let mut outbox = outbox::Outbox::new();
    loop {
        let timers = timers::fire(&core).await;
        let cron = cron::fire(&core).await;
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
        tracing::warn!(
            "requests in flight were cut off at the end of the drain: the next start does with them what `[outbox]` of their bots says"
        );
    }
}
