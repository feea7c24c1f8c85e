//! `hob serve`: runs a host until it is told to stop.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use hob_host::{CompileLimits, Compiler, Host, SystemClock};
use serde_json::json;

use crate::error::CliError;
use crate::exit_code;
use crate::output::Output;

/// Run a host until SIGTERM or SIGINT
///
/// Prints where it listens, and logs to stderr: text on a terminal, else JSON; HOB_LOG filters it (info unless set). On the first
/// signal it takes nothing new, ends what is in flight and stops; on a second it stops at once. Nothing that was accepted is lost
/// either way.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob init && HOB_ADMIN_TOKEN=… hob serve
  HOB_LOG=hob_host=debug hob serve --config /etc/hob/hob.toml
  hob serve --json | jq -r .admin                   the addresses, as JSON")]
pub(crate) struct Args {
    /// The configuration; `hob init` writes one
    #[arg(long, value_name = "FILE", default_value = "hob.toml")]
    config: PathBuf,
}

pub(crate) fn run(args: &Args, out: &Output) -> Result<(), CliError> {
    let config = super::configuration(&args.config)?;
    hob_host::telemetry::init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| CliError::runtime(&error))?;
    let served = runtime.block_on(async {
        // Itself, also where its file was replaced since: the link is to what runs.
        let compiler = Compiler::Process(PathBuf::from("/proc/self/exe"), CompileLimits::default());
        let mut signals = Signals::listen().map_err(|error| CliError::runtime(&error))?;
        let host = Host::start(config, Arc::new(SystemClock), compiler).await.map_err(|error| {
            let help = "mend what it names, in hob.toml or in the environment of this command";
            CliError::new(exit_code::FAILURE, "start", error, help).at(args.config.display())
        })?;
        let (webhooks, admin) = (format!("http://{}", host.webhooks()), format!("http://{}", host.admin()));
        if out.json() {
            out.object(&json!({"webhooks": webhooks, "admin": admin}))?;
        } else {
            out.line(&format!("webhooks  {webhooks}\nadmin     {admin}"))?;
        }
        signals.next().await;
        // Elsewhere stderr is the log, of which every line is JSON.
        if std::io::stderr().is_terminal() {
            out.note("stopping: what is in flight is ended first; once more stops at once");
        }
        tokio::select! {
            () = host.stop() => Ok(()),
            () = signals.next() => {
                let help = "nothing is lost: what was in flight goes on after the next start";
                Err(CliError::new(exit_code::FAILURE, "drain-cut", "stopped before what was in flight had ended", help))
            }
        }
    });
    // Not dropped, which would wait for a compiler that is at work.
    runtime.shutdown_background();
    served
}

/// The signals that ask for an end.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
