//! `hob check`: what a bot is, before it is put into service.

use std::time::Duration;

use hob_author::check::{Report, run as look};
use hob_author::{Language, Project};
use hob_host::SystemClock;
use serde_json::json;

use super::{Which, near, runtime, size};
use crate::commands::patiently;
use crate::error::CliError;
use crate::output::{Output, Paint};
use crate::table::{Cell, Facts, Table};
use crate::units;

/// Check a bot: its manifest, its component, the scopes that its cases need, and what it takes to run
///
/// Each letter of each scope is taken away in turn, and the cases are played again: what changes nothing is not needed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob check
  hob check bots/stat-flagger --no-build
  hob check --json | jq '.scopes[] | select(.unneeded != \"\")'")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(crate) fn run(args: &Args, out: &Output) -> Result<(), CliError> {
    let project = Project::open(&args.which.dir)?;
    let component = args.which.component(&project, out)?;
    let report =
        runtime()?.block_on(patiently("compiling and playing the cases", out, look(&project, component, &SystemClock)))?;
    if out.json() { out.document(&document(&report)) } else { show(&report, out) }
}

fn show(report: &Report, out: &Output) -> Result<(), CliError> {
    let (it, times) = (&report.structure, &report.times);
    let mut facts = Facts::default();
    facts
        .add("bot", format!("{} {}", report.bot, report.version))
        .add("component", format!("{}, {}", near(&report.component), size(report.bytes)))
        .maybe("language", report.language.map(Language::name))
        .add(
            "made of",
            format!(
                "{} functions in {} modules, {} of code, {} of data",
                it.functions,
                it.modules,
                size(it.code_bytes),
                size(it.data_bytes)
            ),
        )
        .add("imports", it.imports.join(", "))
        .add("exports", it.exports.join(", "))
        .add("compile", format!("{}, once for a deploy", units::span(times.compile)))
        .maybe("load", times.load.map(|load| format!("{}, with the first run after a start", units::span(load))));
    if let (Some(run), Some(cpu), Some(case)) = (times.run, times.cpu, &times.case) {
        facts.add("run", format!("{} of CPU, {} in all (the middle of 15, case {case})", units::span(cpu), units::span(run)));
    }
    out.line(&facts.render(out.color()))?;
    let mut triggers = Table::new(&["TRIGGER", "CASES", "NO CASE OF"]);
    for trigger in &report.triggers {
        let without: Vec<String> = trigger.without.iter().map(ToString::to_string).collect();
        triggers.row([trigger.trigger.as_str().into(), count(trigger.cases), without.join(", ").into()]);
    }
    out.line(&format!("\n{}", triggers.render("", out.color())))?;
    if !report.privilege.scopes.is_empty() {
        let mut scopes = Table::new(&["SCOPE", "NOT NEEDED BY THE CASES"]);
        for kept in &report.privilege.scopes {
            scopes.row([kept.scope.as_str().into(), Cell::painted(kept.unneeded.as_str(), Paint::Yellow)]);
        }
        out.line(&format!("\n{}", scopes.render("", out.color())))?;
    }
    if report.advice.is_empty() {
        return out.line(&format!("\n{}", Paint::Green.on("nothing to complain of", out.color())));
    }
    out.line("")?;
    report.advice.iter().try_for_each(|advice| out.line(&format!("{} {advice}", Paint::Yellow.on("look:", out.color()))))
}

fn count(cases: usize) -> Cell {
    let paint = if cases == 0 { Paint::Yellow } else { Paint::Plain };
    Cell::painted(cases.to_string(), paint)
}

fn document(report: &Report) -> serde_json::Value {
    let (it, times) = (&report.structure, &report.times);
    let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    json!({
        "bot": report.bot,
        "version": report.version,
        "component": report.component,
        "bytes": report.bytes,
        "language": report.language.map(Language::name),
        "tools": it.tools,
        "imports": it.imports,
        "exports": it.exports,
        "structure": {
            "modules": it.modules, "functions": it.functions, "code_bytes": it.code_bytes, "data_bytes": it.data_bytes, "debug_bytes": it.debug_bytes,
        },
        "times": {
            "compile_micros": micros(times.compile), "load_micros": times.load.map(micros), "run_micros": times.run.map(micros),
            "cpu_micros": times.cpu.map(micros), "case": times.case,
        },
        "cases": {"all": report.cases.0, "failed": report.cases.1},
        "triggers": report.triggers.iter().map(super::test::covered).collect::<Vec<_>>(),
        "scopes": report.privilege.scopes.iter().map(|kept| json!({
            "scope": kept.scope, "unneeded": kept.unneeded, "instead": kept.instead, "judged": report.privilege.is_judged,
        })).collect::<Vec<_>>(),
        "advice": report.advice,
    })
}
