//! `hob test`: a bot's cases on its component.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use hob_author::test::{CaseReport, Covered, Held, Options, Report, Verdict, junit, prepare, run as play};
use hob_author::{Aim, Project};
use hob_host::SystemClock;
use serde_json::{Value, json};

use super::{Which, lines, runtime};
use crate::commands::{files, patiently};
use crate::error::CliError;
use crate::exit_code;
use crate::output::{Output, Paint, inline};
use crate::table::{Cell, Table};
use crate::units;

/// Test a bot: play its cases on the component, in the engine of a host
///
/// A case is a file of cases/: what is on the server, what happens, when, and what the bot then does. Nothing is asked of any network.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob test
  hob test bots/stat-flagger --filter no-patient
  hob test --update && git diff cases             what it does now, to be read and kept
  hob test --junit target/junit.xml")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Only cases with this in their file's name or title
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Write what happens into the files as expected
    #[arg(long)]
    update: bool,
    /// Write the report as JUnit XML too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, out: &Output) -> Result<(), CliError> {
    let project = Project::open(&args.which.dir)?;
    let component = args.which.component(&project, out)?;
    let bytes = Bytes::from(files::read(&component)?);
    let options = Options { filter: args.filter.clone(), update: args.update };
    let work = async {
        let bot = prepare(&project, &bytes, Aim::Service)?;
        play(&project, &bot, &options, &SystemClock).await
    };
    let report = runtime()?.block_on(patiently("compiling and playing", out, work)).map_err(|error| {
        let error = CliError::from(error);
        if error.at.is_some() { error } else { error.at(component.display()) }
    })?;
    if let Some(path) = &args.junit {
        let xml = junit(&report).map_err(|why| CliError::new(exit_code::FAILURE, "junit", why, "report it"))?;
        std::fs::write(path, xml).map_err(|error| CliError::unwritable(path, &error))?;
    }
    if out.json() {
        out.document(&document(&report))?
    } else {
        show(&report, out)?
    }
    let failed = report.failed();
    if report.cases.is_empty() {
        let message = if args.filter.is_some() { "no case has that in its name or title" } else { "there are no cases" };
        let help = "write one in cases/, such as 01-first.json; `hob test --update` fills in its `expect`";
        return Err(CliError::new(exit_code::DATA, "no-cases", message, help).at(project.cases().display()));
    }
    if failed == 0 {
        return Ok(());
    }
    let message = format!("{failed} of {} cases did not come out as expected", report.cases.len());
    let help = advice(&report);
    let first = report.cases.iter().find(|case| !case.verdict.is_good()).map_or(&project.dir, |case| &case.file);
    Err(CliError::new(exit_code::FAILURE, "cases", message, help).at(first.display()))
}

/// What to do about cases that did not come out as expected, by the worst of them.
fn advice(report: &Report) -> &'static str {
    let any = |is: fn(&Verdict) -> bool| report.cases.iter().any(|case| is(&case.verdict));
    if any(|verdict| matches!(verdict, Verdict::WentWrong { .. })) {
        "mend the bot: what went wrong is no result to keep, and --update leaves it"
    } else if any(|verdict| matches!(verdict, Verdict::Broken { .. })) {
        "mend the files of the cases; vendor/hob/schema/case.json in a project, and docs/author.md of Hob, describe them"
    } else {
        "mend the bot, or read what it does now and keep it: `hob test --update`, then `git diff`"
    }
}

fn show(report: &Report, out: &Output) -> Result<(), CliError> {
    for case in &report.cases {
        out.line(&told(case, out.color()))?;
    }
    let mut table = Table::new(&["TRIGGER", "CASES", "NO CASE OF"]);
    for covered in &report.coverage {
        let without: Vec<String> = covered.without.iter().map(ToString::to_string).collect();
        let paint = if covered.cases == 0 { Paint::Yellow } else { Paint::Plain };
        let count = if covered.cases == 0 { "none".to_owned() } else { covered.cases.to_string() };
        table.row([covered.trigger.as_str().into(), Cell::painted(count, paint), without.join(", ").into()]);
    }
    out.line(&format!("\n{}", table.render("", out.color())))?;
    let (all, failed) = (report.cases.len(), report.failed());
    let updated = report.cases.iter().filter(|case| matches!(case.verdict, Verdict::Updated { .. })).count();
    let passed = Paint::Green.on(&format!("{} passed", all - failed - updated), out.color()).into_owned();
    let updated =
        if updated == 0 { String::new() } else { format!(", {}", Paint::Yellow.on(&format!("{updated} updated"), out.color())) };
    let failed =
        if failed == 0 { String::new() } else { format!(", {}", Paint::Red.on(&format!("{failed} failed"), out.color())) };
    out.line(&format!("\n{passed}{updated}{failed}, in {}", units::span(report.took)))
}

fn told(case: &CaseReport, color: bool) -> String {
    let head = |word: &str, paint: Paint| {
        let title =
            if case.title.is_empty() { String::new() } else { format!("  {}", Paint::Dim.on(&inline(&case.title), color)) };
        format!("{} {}{title}", paint.on(word, color), case.name)
    };
    let with_log = |text: String| {
        let log = lines::log(&case.log, "       ", color);
        if log.is_empty() { text } else { format!("{text}\n{log}") }
    };
    let differs = |expected: &Value, actual: &Value, hint: Option<&str>| {
        let legend = format!("       {} {}", Paint::Red.on("- expected", color), Paint::Green.on("+ what happened", color));
        let diff = lines::diff(expected, actual, "       ", color);
        let hint = hint.map_or_else(String::new, |hint| format!("\n help: {hint}"));
        format!("{}\n{legend}\n{diff}{hint}", head("FAILED", Paint::Red))
    };
    match &case.verdict {
        Verdict::Passed => {
            let held: Vec<String> = case.held.iter().map(held).collect();
            let held =
                if held.is_empty() { String::new() } else { format!("\n       {}", Paint::Dim.on(&held.join("; "), color)) };
            format!("{}{held}", head("ok    ", Paint::Green))
        }
        Verdict::Updated { expected, actual } => {
            let failed = |of: &Value| of.get("failure").is_some_and(Value::is_object);
            let look = if failed(actual) && !failed(expected) {
                format!("\n {} the bot fails here, and the case now expects that", Paint::Yellow.on("look:", color))
            } else {
                String::new()
            };
            format!("{}\n{}{look}", head("update", Paint::Yellow), lines::diff(expected, actual, "       ", color))
        }
        Verdict::Differs { expected, actual, hint } => with_log(differs(expected, actual, hint.as_deref())),
        Verdict::WentWrong { expected, actual, hint } => with_log(differs(expected, actual, Some(hint))),
        Verdict::Property { vary, seed, varied, why } => {
            let why = why.lines().map(|line| format!("       {}", inline(line))).collect::<Vec<_>>().join("\n");
            let again =
                format!(" help: to play it alone: \"property\": {{ \"vary\": [\"{vary}\"], \"runs\": 1, \"seed\": {seed} }}");
            format!("{}\n       property {vary}, seed {seed}: {}\n{why}\n{again}", head("FAILED", Paint::Red), inline(varied))
        }
        Verdict::Broken { why } => {
            format!("{}\n       {}\n    at {}", head("BROKEN", Paint::Red), inline(why), case.file.display())
        }
    }
}

fn held(held: &Held) -> String {
    if held.runs == 1 {
        return format!("{} holds", held.vary);
    }
    let not = if held.not_started == 0 { String::new() } else { format!(", {} of them do not start the bot", held.not_started) };
    format!("{} holds for {} variations from seed {}{not}", held.vary, held.runs, held.seed)
}

/// A trigger's coverage.
pub(super) fn covered(covered: &Covered) -> Value {
    json!({"trigger": covered.trigger, "cases": covered.cases, "without": covered.without})
}

fn document(report: &Report) -> Value {
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let case = |case: &CaseReport| {
        let verdict = match &case.verdict {
            Verdict::Passed => json!({"verdict": "passed"}),
            Verdict::Updated { expected, actual } => json!({"verdict": "updated", "expected": expected, "actual": actual}),
            Verdict::Differs { expected, actual, hint } => {
                json!({"verdict": "differs", "expected": expected, "actual": actual, "help": hint})
            }
            Verdict::WentWrong { expected, actual, hint } => {
                json!({"verdict": "went-wrong", "expected": expected, "actual": actual, "help": hint})
            }
            Verdict::Property { vary, seed, varied, why } => {
                json!({"verdict": "property", "vary": vary, "seed": seed, "varied": varied, "why": why})
            }
            Verdict::Broken { why } => json!({"verdict": "broken", "why": why}),
        };
        let held =
            |held: &Held| json!({"vary": held.vary, "runs": held.runs, "not_started": held.not_started, "seed": held.seed});
        let mut entry = json!({
            "file": case.file, "name": case.name, "title": case.title, "millis": millis(case.took), "log": case.log,
            "held": case.held.iter().map(held).collect::<Vec<_>>(),
        });
        if let (Some(entry), Value::Object(verdict)) = (entry.as_object_mut(), verdict) {
            entry.extend(verdict);
        }
        entry
    };
    json!({
        "bot": report.bot,
        "cases": report.cases.iter().map(case).collect::<Vec<_>>(),
        "triggers": report.coverage.iter().map(covered).collect::<Vec<_>>(),
        "failed": report.failed(),
        "millis": millis(report.took),
    })
}
