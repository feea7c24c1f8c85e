//! `hob-testserver`: the FHIR server for tests as a process of its own.
//!
//! `cargo run -p hob-testserver -- --listen 127.0.0.1:0` prints its base URL on the first line.

mod args;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use hob_model::{BaseUrl, Clock, Timestamp};
use hob_testserver::{Running, Server};
use tokio::net::TcpListener;

use args::Args;

/// The machine's wall clock.
struct Machine;

impl Clock for Machine {
    #[allow(clippy::disallowed_methods, reason = "the program's one clock; the library is given it")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "hob-testserver: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(args.listen).await.map_err(|e| format!("cannot listen on {}: {e}", args.listen))?;
    let base = match &args.base {
        Some(base) => base.clone(),
        None => BaseUrl::new(&format!("http://{}/fhir", listener.local_addr()?))?,
    };
    let mut server = Server::new(args.settings(base.clone()));
    for (name, resource) in args.seeds()? {
        server.seed(Machine.now(), resource).map_err(|e| format!("{name}: {e}"))?;
    }
    let running = Running::start(listener, server, Arc::new(Machine), args.delivery())?;
    writeln!(std::io::stdout(), "{base}")?;
    tokio::signal::ctrl_c().await?;
    drop(running);
    Ok(())
}
