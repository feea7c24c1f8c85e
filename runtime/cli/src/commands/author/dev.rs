//! `hob dev`: watch, build, run.

use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hob_author::dev::{Command, Options, Ran, Shown, run as work};
use hob_host::SystemClock;
use hob_model::{Failure, FailureKind, TimerOp};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use super::{lines, near, runtime, size};
use crate::error::CliError;
use crate::output::{Output, Paint, inline};
use crate::units;

/// Watch a bot, build it at each change, and run it on what changes on a FHIR server in memory
///
/// The server listens where it says: what is written there is an event, where the bot's triggers want it. So is each file of dev/events that is saved: a resource, or an
/// event as cases have it. When the bot changes, its last event runs again, on the server as it was before.
/// Lines on stdin: a (the last event again), t (fire the next timer), c (cron, now), p (play the cases), q (quit).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob dev
  hob dev bots/stat-flagger --listen 127.0.0.1:0
  curl -X PUT http://127.0.0.1:8090/fhir/Task/t1 -H 'content-type: application/fhir+json' -d @dev/events/stat-task.json")]
pub(crate) struct Args {
    /// The bot's folder, with bot.toml
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Where the FHIR server listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// What is on the server at first: a folder or a file; dev/seeds, or what the first case is given, unless said
    #[arg(long, value_name = "PATH")]
    seeds: Option<PathBuf>,
}

pub(crate) fn run(args: Args, out: &Output) -> Result<(), CliError> {
    let options = Options { dir: args.dir, listen: args.listen, seeds: args.seeds, color: out.color() };
    let (tell, commands) = mpsc::channel(8);
    let quit = Arc::new(Notify::new());
    let (quits, notes) = (Arc::clone(&quit), *out);
    std::thread::spawn(move || read(&tell, &quits, &notes));
    let mut failed = None;
    let mut show = |shown: Shown| {
        let told = if out.json() { out.object(&document(&shown)) } else { tell_it(&shown, out) };
        if let Err(error) = told {
            failed.get_or_insert(error);
        }
    };
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        tokio::select! {
            done = work(options, Arc::new(SystemClock), commands, &mut show) => done,
            () = quit.notified() => Ok(()),
        }
    });
    // A build that is under way is not waited for.
    runtime.shutdown_background();
    done?;
    failed.map_or(Ok(()), Err)
}

/// Reads commands until stdin ends. What has no terminal goes on without.
fn read(tell: &mpsc::Sender<Command>, quit: &Notify, notes: &Output) {
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let command = match line.trim() {
            "a" | "" => Command::Again,
            "t" => Command::Fire,
            "c" => Command::Cron,
            "p" => Command::Cases,
            "q" => return quit.notify_one(),
            other => {
                notes.note(&format!("`{}` is none of a, t, c, p, q: again, timer, cron, play cases, quit", inline(other)));
                continue;
            }
        };
        if tell.blocking_send(command).is_err() {
            return;
        }
    }
    // The end of stdin is no wish to quit: a session may run without one.
    loop {
        std::thread::park();
    }
}

fn tell_it(shown: &Shown, out: &Output) -> Result<(), CliError> {
    let color = out.color();
    match shown {
        Shown::Listens { base, resources } => {
            out.line(&format!("FHIR server: {} ({resources} resources)", Paint::Bold.on(base.as_str(), color)))?;
            out.line("events: write a resource there, or save a file in dev/events; a, t, c, p, q and Enter: again, timer, cron, play cases, quit")?;
        }
        Shown::Building { files } => {
            let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            out.line(&format!("\n{} {}", Paint::Dim.on("changed", color), names.join(", ")))?;
        }
        Shown::StillBuilding { since, is_first } => {
            let first = if *is_first { "; the first build takes what the bot depends on too" } else { "" };
            out.note(&format!("  still building ({} s{first})", since.as_secs()));
        }
        Shown::Ready { built, compiled, since_save } => {
            let saved = since_save.map_or_else(String::new, |since| format!("; {} since the save", units::span(since)));
            let (what, of) = (near(&built.component), size(built.bytes));
            out.line(&format!(
                "{} {what} ({of}) in {}, compiled in {}{saved}",
                Paint::Green.on("built", color),
                units::span(built.took),
                units::span(*compiled)
            ))?;
        }
        Shown::NotWanted { what } => {
            out.line(&format!("\n{} {}: no trigger wants it", Paint::Dim.on("left", color), inline(what)))?
        }
        Shown::Ran(ran) => out.line(&told(ran, color))?,
        Shown::Cases { passed, failed, took } => {
            let words = if failed.is_empty() {
                Paint::Green.on(&format!("{passed} cases pass"), color).into_owned()
            } else {
                let failed = Paint::Red.on(&format!("{} fail: {}", failed.len(), failed.join(", ")), color).into_owned();
                format!("{passed} cases pass, {failed} (`hob test` says how)")
            };
            out.line(&format!("{words}, in {}", units::span(*took)))?;
        }
        Shown::Reseeded { resources } => out.line(&format!("\nthe server begins anew, with {resources} resources"))?,
        Shown::Nothing { why } => out.line(why)?,
        Shown::Wrong(error) => out.error(&CliError::from(error.clone())),
    }
    Ok(())
}

fn told(ran: &Ran, color: bool) -> String {
    let again = if ran.again { " again" } else { "" };
    let word = if ran.failure.is_some() { Paint::Red.on("failed", color) } else { Paint::Green.on("ran", color) };
    let mut text = format!("\n{word} on {}{again}", Paint::Bold.on(&inline(&ran.what), color));
    let mut add = |more: String| {
        if !more.is_empty() {
            text.push('\n');
            text.push_str(&more);
        }
    };
    add(lines::log(&ran.log, "  ", color));
    for call in &ran.calls {
        let error = call.error.as_ref().map_or_else(String::new, |code| format!(" {}", Paint::Yellow.on(code, color)));
        let line = format!("{} {} ({}){error}", call.function, inline(&units::cut(&call.asked, 100)), units::span(call.took));
        add(format!("  {}", Paint::Dim.on(&line, color)));
    }
    for change in &ran.changes {
        let word = match (change.before.is_null(), change.after.is_null()) {
            (true, _) => "new",
            (_, true) => "deleted",
            _ => "changed",
        };
        add(format!("  {word} {}\n{}", change.reference, lines::diff(&change.before, &change.after, "    ", color)));
    }
    for timer in &ran.timers {
        add(match timer {
            TimerOp::Set { key, at, payload } => format!("  timer {} set to {at}: {}", inline(key), inline(&payload.to_string())),
            TimerOp::Cancel { key } => format!("  timer {} taken back", inline(key)),
        });
    }
    for item in &ran.outbox {
        add(format!("  would send {} {} as {}, {} bytes", item.method, inline(&item.url), inline(&item.key), item.body.len()));
    }
    if let Some(result) = &ran.result {
        add(format!("  answered {}", inline(result)));
    }
    if let Some(failure) = &ran.failure {
        add(format!("  {} {}: {}", Paint::Red.on(kind(failure), color), inline(&failure.code), inline(&failure.message)));
    }
    if let Some(hint) = &ran.hint {
        add(format!("  help: {hint}"));
    }
    if ran.failure.is_none() && ran.changes.is_empty() && ran.timers.is_empty() && ran.outbox.is_empty() {
        add("  nothing written".to_owned());
    }
    let saved = ran.since_save.map_or_else(String::new, |since| format!("; {} since the save", units::span(since)));
    add(format!(
        "  {}",
        Paint::Dim.on(&format!("{} of CPU, {} in all{saved}", units::span(ran.cpu), units::span(ran.wall)), color)
    ));
    text
}

const fn kind(failure: &Failure) -> &'static str {
    match failure.kind {
        FailureKind::Retry => "retry",
        FailureKind::Reject => "reject",
        FailureKind::Conflict => "conflict",
        FailureKind::Fatal => "fatal",
    }
}

fn document(shown: &Shown) -> Value {
    let micros = |span: &Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    match shown {
        Shown::Listens { base, resources } => json!({"shown": "listens", "base": base, "resources": resources}),
        Shown::Building { files } => json!({"shown": "building", "files": files}),
        Shown::StillBuilding { since, .. } => json!({"shown": "still-building", "micros": micros(since)}),
        Shown::Ready { built, compiled, since_save } => json!({
            "shown": "ready", "component": built.component, "bytes": built.bytes, "build_micros": micros(&built.took),
            "compile_micros": micros(compiled), "since_save_micros": since_save.as_ref().map(micros),
        }),
        Shown::NotWanted { what } => json!({"shown": "not-wanted", "what": what}),
        Shown::Ran(ran) => json!({
            "shown": "ran", "what": ran.what, "again": ran.again, "log": ran.log, "failure": ran.failure, "help": ran.hint, "result": ran.result,
            "calls": ran.calls.iter().map(|call| json!({"function": call.function, "asked": call.asked, "error": call.error, "micros": micros(&call.took)})).collect::<Vec<_>>(),
            "changes": ran.changes.iter().map(|change| json!({"reference": change.reference, "before": change.before, "after": change.after})).collect::<Vec<_>>(),
            "timers": ran.timers, "outbox": ran.outbox, "cpu_micros": micros(&ran.cpu), "wall_micros": micros(&ran.wall),
            "since_save_micros": ran.since_save.as_ref().map(micros),
        }),
        Shown::Cases { passed, failed, took } => {
            json!({"shown": "cases", "passed": passed, "failed": failed, "micros": micros(took)})
        }
        Shown::Reseeded { resources } => json!({"shown": "reseeded", "resources": resources}),
        Shown::Nothing { why } => json!({"shown": "nothing", "why": why}),
        Shown::Wrong(error) => CliError::from(error.clone()).json(),
    }
}
