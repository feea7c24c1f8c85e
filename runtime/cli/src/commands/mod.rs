//! One file a command. Each has its `Args`, with help and examples, and `run`.

pub(crate) mod author;
pub(crate) mod backfill;
pub(crate) mod backup;
pub(crate) mod bots;
pub(crate) mod dead;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod explain;
mod files;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod invoke;
pub(crate) mod keys;
pub(crate) mod logs;
pub(crate) mod observe;
pub(crate) mod restore;
pub(crate) mod run_local;
pub(crate) mod runs;
pub(crate) mod serve;
pub(crate) mod source;
pub(crate) mod status;
pub(crate) mod trial;

use std::path::Path;
use std::time::Duration;

use crate::args::{self, Command, HostCommand};
use crate::error::CliError;
use crate::exit_code;
use crate::output::Output;

/// Does what the command line says.
pub(crate) fn run(args: args::Args, out: &Output) -> Result<(), CliError> {
    let args::Args { global, command } = args;
    // What needs no host needs no token.
    let command = match command {
        Command::Init(args) => return init::run(&args, out),
        Command::Serve(args) => return serve::run(&args, out),
        Command::Run(args) => return run_local::run(args, out),
        Command::Import(args) => return import::run(&args, &global, out),
        Command::New(args) => return author::new::run(args, out),
        Command::Build(args) => return author::build::run(&args, out),
        Command::Check(args) => return author::check::run(&args, out),
        Command::Test(args) => return author::test::run(&args, out),
        Command::Dev(args) => return author::dev::run(args, out),
        Command::Explain(args) => return explain::run(&args, out),
        Command::Restore(args) => return restore::run(&args, out),
        Command::Doctor(args) => return doctor::run(&args, &global, out),
        Command::Host(command) => command,
    };
    let client = global.client(out)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| CliError::runtime(&error))?;
    runtime.block_on(async {
        match command {
            HostCommand::Status(_) => status::run(&client, out).await,
            HostCommand::Source(args) => source::run(args, &client, out).await,
            HostCommand::Deploy(args) => deploy::run(args, &client, out).await,
            HostCommand::Bots(args) => bots::run(args, &client, out).await,
            HostCommand::Runs(args) => runs::run(args, &client, out).await,
            HostCommand::Show(args) => runs::show::run(args, &client, out).await,
            HostCommand::Replay(args) => runs::replay::run(*args, &client, out).await,
            HostCommand::Retry(args) => dead::retry::run(args, &client, out).await,
            HostCommand::Dead(args) => dead::run(args, &client, out).await,
            HostCommand::Logs(args) => logs::run(args, &client, out).await,
            HostCommand::Keys(args) => keys::run(args, &client, out).await,
            HostCommand::Backup(args) => backup::run(&args, &client, out).await,
            HostCommand::Observe(args) => observe::run(args, &client, out).await,
            HostCommand::Invoke(args) => invoke::run(args, &client, out).await,
            HostCommand::Backfill(args) => backfill::run(args, &client, out).await,
        }
    })
}

/// Reads a `hob.toml`.
fn configuration(path: &Path) -> Result<hob_host::Config, CliError> {
    hob_host::Config::read(path).map_err(|error| {
        CliError::new(exit_code::CONFIG, "config", error, "mend it; `hob init` writes one with every key explained")
    })
}

/// Waits for `work`, and says on stderr every few seconds that it still does.
pub(crate) async fn patiently<T>(what: &str, out: &Output, work: impl Future<Output = T>) -> T {
    const EVERY: Duration = Duration::from_secs(5);
    tokio::pin!(work);
    let mut waited = Duration::ZERO;
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(EVERY) => {
                waited += EVERY;
                out.note(&format!("  still {what} ({} s)", waited.as_secs()));
            }
        }
    }
}
