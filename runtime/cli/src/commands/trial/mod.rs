//! `hob replay --bot`: recorded runs against another release.

pub(crate) mod show;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use hob_model::{BotName, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api;
use crate::client::{self, Client};
use crate::commands::deploy::{self, component, settings};
use crate::commands::patiently;
use crate::error::CliError;
use crate::exit_code;
use crate::output::Output;
use show::{Line, Shown};

/// Options of a trial.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Trying a release")]
#[group(id = "trial")]
pub(crate) struct Args {
    /// The bot whose recorded runs are tried
    #[arg(long, value_name = "NAME")]
    bot: Option<BotName>,
    /// The folder of the release to try, with bot.toml
    #[arg(long, value_name = "BOTDIR", requires = "bot", conflicts_with = "release")]
    dir: Option<PathBuf>,
    /// The component; with --dir in place of the folder's, without it under the manifest that is live
    #[arg(long, value_name = "FILE", requires = "bot", conflicts_with = "release")]
    component: Option<PathBuf>,
    /// A release that the host keeps; the live one unless --dir, --component or this is given
    #[arg(long, value_name = "DIGEST", requires = "bot")]
    release: Option<String>,
    /// Another value for one of its settings; for the rest those of the deployment hold
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "bot")]
    settings: Vec<String>,
    /// Only runs whose event came at or after it: an instant, or a day
    #[arg(long, value_name = "TIME", requires = "bot", value_parser = instant)]
    since: Option<Timestamp>,
    /// Only runs whose event came before it
    #[arg(long, value_name = "TIME", requires = "bot", value_parser = instant)]
    until: Option<Timestamp>,
    /// So many of the runs, spread evenly over all
    #[arg(long, value_name = "N", requires = "bot")]
    sample: Option<usize>,
    /// Examples of each kind that are shown
    #[arg(long, value_name = "N", requires = "bot", default_value_t = 3)]
    examples: usize,
    /// Mask what tells of people: names, identifiers, addresses, free text; dates are moved
    #[arg(long, requires = "bot")]
    deidentify: bool,
    /// Write every run, also those that do the same, to a file or into a folder: one JSON object a line
    #[arg(long, value_name = "FILE", requires = "bot")]
    export: Option<PathBuf>,
}

/// Reads an instant, or the begin of a day in UTC, for clap.
fn instant(text: &str) -> Result<Timestamp, String> {
    let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    Timestamp::parse(text)
        .or_else(day)
        .ok_or_else(|| "neither an instant such as 2026-11-01T08:00:00Z nor a day such as 2026-11-01".to_owned())
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let Some(bot) = &args.bot else { return Err(CliError::usage("name a run, or a bot by --bot", "see `hob replay --help`")) };
    let body = body(&args)?;
    let mut export = args.export.as_deref().map(|path| Export::begin(path, bot)).transpose()?;
    let call = client.call(Method::POST, &format!("bots/{bot}/replay")).body(&body).endless();
    let answer = patiently("compiling and choosing runs", out, call.send()).await?;
    let mut shown = Shown::new(args.examples);
    answer
        .lines(|line| {
            if let Some(error) = client::told(&line) {
                return Err(error.at(client.host()));
            }
            let known: Line = api::read(&line)?;
            if let (Some(export), Line::Compared(_)) = (&mut export, &known) {
                export.line(&line)?;
            }
            match known {
                Line::Progress { looked, of } if !out.json() => out.note(&format!("  {looked} of {of} runs")),
                Line::Progress { .. } => {}
                // What does the same was asked for the export alone.
                Line::Compared(ref compared) if out.json() && compared.group == "same" => {}
                _ if out.json() => out.object(&line)?,
                known => shown.take(known),
            }
            if line.get("groups").is_some() {
                shown.ended = true;
            }
            Ok(())
        })
        .await?;
    if !shown.ended {
        let help = "nothing was changed by it: see the host's log, then give the same command again";
        return Err(
            CliError::new(exit_code::UNAVAILABLE, "host-broken-off", "the trial ended without a result", help).at(client.host())
        );
    }
    let written = export.map(Export::end).transpose()?;
    if out.json() {
        return Ok(());
    }
    shown.print(bot.as_str(), out)?;
    match written {
        Some((path, lines)) => out.note(&format!("wrote {} ({lines} runs)", path.display())),
        None if shown.has_more() => out.next("--export FILE keeps all of them; --examples N shows more"),
        None => {}
    }
    if let Some(run) = shown.example() {
        out.next(&format!("hob show {run}"));
    }
    Ok(())
}

/// What the host is asked.
fn body(args: &Args) -> Result<Value, CliError> {
    let mut body = json!({"deidentify": args.deidentify, "all": args.export.is_some()});
    let (mut named, mut manifest) = (args.component.clone(), None);
    if let Some(dir) = &args.dir {
        let (read, text, file) = deploy::manifest(dir)?;
        named = Some(component::find(dir, &read, args.component.as_deref())?);
        body["manifest"] = json!(text);
        body["file"] = json!(file.display().to_string());
        manifest = Some(read);
    }
    if let Some(path) = named {
        body["component"] = json!(data_encoding::BASE64.encode(&component::read(&path)?));
    }
    body["settings"] = Value::Object(match &manifest {
        Some(manifest) => settings::some(&args.settings, manifest)?,
        None => settings::untyped(&args.settings)?,
    });
    let instants = [("since", args.since), ("until", args.until)];
    for (name, at) in instants.into_iter().filter_map(|(name, at)| Some((name, at?))) {
        body[name] = json!(at.to_string());
    }
    if let Some(release) = &args.release {
        body["release"] = json!(release);
    }
    if let Some(sample) = args.sample {
        body["sample"] = json!(sample);
    }
    Ok(body)
}

/// A file of what was compared. It may hold patient data: nobody else can read it.
struct Export {
    path: PathBuf,
    file: BufWriter<File>,
    lines: usize,
}

impl Export {
    fn begin(path: &Path, bot: &BotName) -> Result<Self, CliError> {
        let path = if path.is_dir() { path.join(format!("replay-{bot}.ndjson")) } else { path.to_owned() };
        if path.exists() {
            let help = "name another, or move it away";
            return Err(CliError::new(exit_code::FILE, "file-exists", "the file is there already", help).at(path.display()));
        }
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let file = options.open(&path).map_err(|error| CliError::unwritable(&path, &error))?;
        Ok(Self { path, file: BufWriter::new(file), lines: 0 })
    }

    fn line(&mut self, line: &Value) -> Result<(), CliError> {
        self.lines += 1;
        writeln!(self.file, "{line}").map_err(|error| CliError::unwritable(&self.path, &error))
    }

    fn end(mut self) -> Result<(PathBuf, usize), CliError> {
        self.file.flush().map_err(|error| CliError::unwritable(&self.path, &error))?;
        Ok((self.path, self.lines))
    }
}
