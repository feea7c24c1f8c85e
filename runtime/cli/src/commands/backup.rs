//! `hob backup`: a consistent copy of the ledger of a running host.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::error::CliError;
use crate::exit_code;
use crate::output::Output;
use crate::units;

/// Write a backup of the ledger while the host runs
///
/// One consistent file, encrypted as the ledger is, which only its owner can read. It names the master key that it needs and does
/// not hold it: keep that apart. The host needs as much room for it in its data folder, for as long as it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob backup hob-$(date +%F).backup
  hob backup nightly.backup --json | jq -r .manifest.master_key")]
pub(crate) struct Args {
    /// The file to write; one that is there is left alone
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) async fn run(args: &Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let path = &args.file;
    if path.exists() {
        let help = "name another, or move it away: a backup is never written over";
        return Err(CliError::new(exit_code::FILE, "file-exists", "the file is there already", help).at(path.display()));
    }
    let mut part = path.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let done = super::patiently("waiting for the host's backup", out, fetch(&part, client)).await;
    let done = done.and_then(|done| {
        std::fs::rename(&part, path).and_then(|()| sync_folder(path)).map_err(|error| CliError::unwritable(path, &error))?;
        Ok(done)
    });
    let (size, manifest) = done.inspect_err(|_| drop(std::fs::remove_file(&part)))?;
    if out.json() {
        return out.document(&json!({"file": path.display().to_string(), "bytes": size, "manifest": manifest}));
    }
    let key = manifest["master_key"].as_str().unwrap_or("unknown");
    out.line(&format!("wrote {} ({}); it needs the master key {}", path.display(), units::size(size), crate::output::inline(key)))
}

async fn fetch(part: &Path, client: &Client) -> Result<(u64, Value), CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let unwritable = |error: std::io::Error| CliError::unwritable(part, &error);
    let mut answer = client.call_root(Method::POST, "/v1/backup").slow().send().await?;
    let manifest = answer.header("x-hob-manifest").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
    let mut file = options.open(part).map_err(unwritable)?;
    let mut size = 0;
    while let Some(piece) = answer.piece().await? {
        file.write_all(&piece).map_err(unwritable)?;
        size += piece.len() as u64;
    }
    file.sync_all().map_err(unwritable)?;
    Ok((size, manifest))
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}
