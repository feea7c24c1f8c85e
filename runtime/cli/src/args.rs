//! The command line: what every command shares, and which commands there are.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use hob_model::{BadId, BaseUrl, TenantId};

use crate::client::{Client, TokenPlace};
use crate::commands;
use crate::error::CliError;
use crate::output::{Color, Output};

/// Runs bots on FHIR changes
///
/// A FHIR server posts its subscription notifications to a Hob host. The host keeps each one durably, runs the bots that asked for
/// it, each in a fresh WebAssembly sandbox, and writes what they decide back to the server in one transaction.
#[derive(Debug, Parser)]
#[command(name = "hob", version, after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  hob new stat-flagger --lang rust                  a bot that builds, with cases
  hob dev stat-flagger                              watch, build and run it
  hob init && HOB_ADMIN_TOKEN=… hob serve           a host on this machine
  hob source add hapi --base http://localhost:8080/fhir
  hob source check hapi                             what the server is proved to do
  hob deploy bots/task-router --source hapi
  hob runs --state dead                             what went wrong
  hob logs -f

Exit codes are listed in docs/exit-codes.md, error codes in docs/errors.md.";

/// Options of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Print JSON: one document, or one object a line where the answer is a stream
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The admin address of the host
    #[arg(long, global = true, value_name = "URL", env = "HOB_HOST", hide_env_values = true, default_value = "http://127.0.0.1:8401", value_parser = base_url)]
    pub(crate) host: BaseUrl,
    /// The tenant (clinic)
    #[arg(long, global = true, value_name = "NAME", env = "HOB_TENANT", hide_env_values = true, default_value = "default")]
    pub(crate) tenant: TenantId,
    /// The environment variable that holds the admin token
    #[arg(long, global = true, value_name = "NAME", default_value = "HOB_ADMIN_TOKEN", conflicts_with = "token_file")]
    pub(crate) token_env: String,
    /// The file that holds the admin token
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) token_file: Option<PathBuf>,
    /// When to use colours
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto, hide_possible_values = true, help = "When to use colours: auto, always or never")]
    pub(crate) color: Color,
}

impl Global {
    /// A client of the host that was named.
    pub(crate) fn client(&self, out: &Output) -> Result<Client, CliError> {
        let place = self.token_file.clone().map_or_else(|| TokenPlace::Env(self.token_env.clone()), TokenPlace::File);
        Client::new(self.host.clone(), self.tenant.clone(), &place, out)
    }
}

/// Reads a base URL for clap.
pub(crate) fn base_url(text: &str) -> Result<BaseUrl, BadId> {
    BaseUrl::new(text)
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(commands::serve::Args),
    Init(commands::init::Args),
    Run(Box<commands::run_local::Args>),
    Import(Box<commands::import::Args>),
    New(commands::author::new::Args),
    Build(commands::author::build::Args),
    Check(commands::author::check::Args),
    Test(commands::author::test::Args),
    Dev(commands::author::dev::Args),
    Explain(commands::explain::Args),
    Restore(commands::restore::Args),
    Doctor(commands::doctor::Args),
    #[command(flatten)]
    Host(HostCommand),
}

/// Those that ask a host.
#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    Status(commands::status::Args),
    Source(commands::source::Args),
    Deploy(commands::deploy::Args),
    Bots(commands::bots::Args),
    Runs(commands::runs::Args),
    Show(commands::runs::show::Args),
    Replay(Box<commands::runs::replay::Args>),
    Observe(commands::observe::Args),
    Retry(commands::dead::retry::Args),
    Dead(commands::dead::Args),
    Logs(commands::logs::Args),
    Invoke(commands::invoke::Args),
    Backfill(commands::backfill::Args),
    Keys(commands::keys::Args),
    Backup(commands::backup::Args),
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What a page has people type at a prompt, without remarks.
    fn commands(page: &str) -> impl Iterator<Item = &str> {
        let typed = page.lines().filter_map(|line| line.strip_prefix("$ hob "));
        typed.map(|line| line.split(" #").next().unwrap_or(line).trim_end_matches(" &"))
    }

    #[test]
    fn every_command_of_the_documents_is_one() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut pages: Vec<PathBuf> = std::fs::read_dir(root.join("docs"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect();
        pages.push(root.join("README.md"));
        let mut read = 0;
        for page in pages {
            let text = std::fs::read_to_string(&page).unwrap();
            for command in commands(&text) {
                read += 1;
                let args = std::iter::once("hob").chain(command.split_whitespace());
                if let Err(error) = Args::try_parse_from(args) {
                    panic!("{}: hob {command}: {error}", page.display());
                }
            }
        }
        assert!(read > 20, "the documents' commands are no longer found: {read}");
    }
}
