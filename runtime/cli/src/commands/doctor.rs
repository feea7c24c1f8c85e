//! `hob doctor`: whether the host can keep its promises.

use std::path::PathBuf;
use std::sync::Arc;

use hob_host::SystemClock;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{self, Examined};
use crate::args::Global;
use crate::error::CliError;
use crate::exit_code;
use crate::output::{Output, Paint, inline};

/// Examine the ledger, its keys, bots, sources, clock and disk
///
/// Changes nothing. Ends with 1 where something fails, with 0 where all is well or somebody should only look.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob doctor
  hob doctor --thorough                             compares every index with its table; slow on a large ledger
  hob doctor --offline --config /etc/hob/hob.toml   a host that is stopped: its ledger, keys and disk
  hob doctor --json | jq -r '.findings[] | select(.level != \"ok\") | .check'")]
pub(crate) struct Args {
    /// Compare every index of the ledger with its table
    #[arg(long)]
    thorough: bool,
    /// Open the ledger of a host that is stopped, and ask no host
    #[arg(long)]
    offline: bool,
    /// The configuration, with --offline
    #[arg(long, value_name = "FILE", default_value = "hob.toml")]
    config: PathBuf,
}

pub(crate) fn run(args: &Args, global: &Global, out: &Output) -> Result<(), CliError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| CliError::runtime(&error))?;
    let answer = runtime.block_on(async { if args.offline { offline(args).await } else { ask(args, global, out).await } })?;
    let examined: Examined = api::read(&answer)?;
    if out.json() {
        out.document(&answer)?;
    } else {
        for finding in &examined.findings {
            let mark = match finding.level.as_str() {
                "ok" => Paint::Green.on("ok  ", out.color()),
                "warn" => Paint::Yellow.on("warn", out.color()),
                _ => Paint::Red.on("fail", out.color()),
            };
            out.line(&format!("{mark}  {}: {}", inline(&finding.check), inline(&finding.detail)))?;
            if !finding.help.is_empty() {
                out.line(&format!("      {}", inline(&finding.help)))?;
            }
        }
    }
    let failed = examined.findings.iter().filter(|finding| finding.level == "fail").count();
    if failed == 0 {
        return Ok(());
    }
    Err(CliError::new(exit_code::FAILURE, "doctor-failed", format!("{failed} check(s) failed"), "mend what is listed above"))
}

async fn ask(args: &Args, global: &Global, out: &Output) -> Result<Value, CliError> {
    let client = global.client(out)?;
    let call = client.call_root(Method::GET, "/v1/doctor").query("thorough", Some(args.thorough)).slow();
    super::patiently("examining", out, call.json()).await
}

async fn offline(args: &Args) -> Result<Value, CliError> {
    let config = super::configuration(&args.config)?;
    let findings = hob_host::doctor(&config, Arc::new(SystemClock), args.thorough).await.map_err(|error| {
        let help = "as it says; where the host runs, leave --offline out";
        CliError::new(exit_code::FAILURE, "doctor-offline", error, help).at(config.data.display())
    })?;
    Ok(json!({"worst": findings.iter().map(|finding| finding.level).max(), "findings": findings}))
}
