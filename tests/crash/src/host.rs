//! The process that is killed: a real host on its real ledger and sandbox, which can kill itself at a commit point.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use hob_host::{Compiler, Config, Host, Means, SystemClock};
use hob_simulation::points::{Hook, Point, Pointed, Side};
use rustix::process::{Signal, getpid, kill_process};
use serde_json::json;

use crate::kill::Strike;

/// Serves until it is killed, or its parent is gone, which closes its standard input. Says on standard output where it listens.
#[allow(clippy::print_stdout, reason = "the one line that the parent waits for")]
pub(crate) async fn run(config: &Path, strike: Option<Strike>) -> Result<(), String> {
    hob_host::telemetry::init();
    let config = Config::read(config).map_err(|e| e.to_string())?;
    let hook: Arc<dyn Hook> = Arc::new(Death { strike, passed: AtomicU32::new(0) });
    let means = Means::of(&config, Compiler::InProcess).map_err(|e| e.to_string())?;
    let means = Means {
        ledger: Arc::new(Pointed::ledger(means.ledger, Arc::clone(&hook))),
        sandbox: Arc::new(Pointed::sandbox(means.sandbox, Arc::clone(&hook))),
        transport: Arc::new(Pointed::transport(means.transport, Arc::clone(&hook))),
        outbound: Arc::new(Pointed::transport(means.outbound, hook)),
        ..means
    };
    let host = Host::start_on(config, Arc::new(SystemClock), means).await.map_err(|e| e.to_string())?;
    println!("{}", json!({"admin": format!("http://{}", host.admin())}));
    // An error is as good as the end.
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
    Ok(())
}

struct Death {
    strike: Option<Strike>,
    passed: AtomicU32,
}

#[async_trait]
impl Hook for Death {
    async fn at(&self, point: Point, side: Side) {
        let Some(strike) = self.strike.filter(|strike| strike.point == point && strike.side == side) else { return };
        if self.passed.fetch_add(1, Ordering::SeqCst) + 1 == strike.nth {
            // No code of this process runs after it.
            if kill_process(getpid(), Signal::KILL).is_err() {
                std::process::abort();
            }
            std::future::pending().await
        }
    }
}
