//! A run as sections of text: what came, what was tried, what was asked, what was decided.

use std::time::Duration;

use hob_model::{Attempt, Cause, Effects, FailureKind, LogLevel, TimerOp, Write};
use serde_json::Value;

use super::state;
use crate::api::{Body, Call, Run};
use crate::output::{Paint, inline};
use crate::table::{Cell, Facts, Table};
use crate::units;

/// Characters of a call's JSON where it is not shown whole.
const GLANCE: usize = 72;

/// The sections, in the order in which things happened. What is empty is left out.
pub(crate) fn tell(run: &Run, full: bool, color: bool) -> Vec<String> {
    let mut sections = vec![facts(run).render(color)];
    let mut section = |title: &str, text: String| {
        if !text.is_empty() {
            sections.push(format!("\n{}\n{text}", Paint::Bold.on(title, color)));
        }
    };
    if let Some(why) = &run.row.failure {
        section("failure", format!("  {}: {}", inline(&why.code), inline(&why.message)));
    }
    section("payload", run.payload.as_ref().map_or_else(String::new, |payload| body(payload, full)));
    section("attempts", attempts(&run.attempts_list, color));
    section("host calls", if full { calls_whole(&run.calls) } else { calls(&run.calls, color) });
    section("log", log(run, color));
    section("effects", run.effects.as_ref().map_or_else(String::new, |effects| decided(effects, color)));
    if full && !run.bundle.is_null() {
        section("transaction", indented(&format!("{:#}", run.bundle)));
    }
    section("wrote", run.wrote.iter().map(|version| format!("  {}", inline(version))).collect::<Vec<_>>().join("\n"));
    section("result", run.result.as_ref().map_or_else(String::new, |result| body(result, full)));
    sections
}

fn facts(run: &Run) -> Facts {
    let (row, event) = (&run.row, &run.event);
    let detail = match &event.cause {
        Cause::Change { interaction, previous, .. } => {
            let from = previous.as_ref().map_or_else(String::new, |version| format!(", before it v{version}"));
            format!("change ({interaction}{from})")
        }
        Cause::Cron { schedule, at } => format!("cron {schedule} (for {})", units::when(*at)),
        Cause::Timer { key, due, set_by } => format!("timer {key} (due {}, set by {set_by})", units::when(*due)),
        Cause::Invoke { requester } => format!("invoke (by {requester})"),
        Cause::Reply { sent_by, key, status } => {
            let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            format!("reply {key} ({status}, asked by {sent_by})")
        }
    };
    let mut facts = Facts::default();
    facts
        .add("run", row.run.to_string())
        .add("state", state(row.state))
        .add("bot", row.bot.as_str())
        .add("release", run.release.as_str())
        .add("event", event.id.to_string())
        .add("trigger", detail)
        .maybe("subject", row.subject.as_deref())
        .maybe("source", event.source.as_ref().map(|source| source.as_str()))
        .maybe("occurred", event.occurred.map(units::when))
        .add("received", units::when(row.received))
        .maybe("ended", row.ended.map(|at| format!("{} (after {})", units::when(at), units::span(at.since(row.received)))))
        .add("lane", run.lane.as_str())
        .add("hop", run.hop.to_string());
    facts
}

fn attempts(attempts: &[Attempt], color: bool) -> String {
    let mut table = Table::new(&["#", "STARTED", "TOOK", "ENDED"]);
    for attempt in attempts {
        let end = attempt.failure.as_ref().map_or(Cell::painted("ok", Paint::Green), |failure| {
            let (word, paint) = match failure.kind {
                FailureKind::Retry => ("retry", Paint::Yellow),
                FailureKind::Conflict => ("conflict", Paint::Yellow),
                FailureKind::Reject => ("reject", Paint::Red),
                FailureKind::Fatal => ("fatal", Paint::Red),
            };
            let word = if failure.code == word { String::new() } else { format!("{word}: ") };
            Cell::painted(format!("{word}{}: {}", failure.code, failure.message), paint)
        });
        let took = units::span(attempt.ended.since(attempt.started));
        table.row([attempt.number.to_string().into(), units::when(attempt.started).into(), took.into(), end]);
    }
    if table.is_empty() { String::new() } else { table.render("  ", color) }
}

fn calls(calls: &[Call], color: bool) -> String {
    let mut table = Table::new(&["#", "CALL", "TOOK", "ANSWER", "ASKED"]);
    for (at, call) in calls.iter().enumerate() {
        let answer = match call.response.get("error") {
            None => Cell::painted("ok", Paint::Green),
            Some(error) => {
                let code = error.get("code").or_else(|| error.get("kind")).and_then(Value::as_str).unwrap_or("error");
                Cell::painted(code, Paint::Yellow)
            }
        };
        let asked = units::cut(&call.request.to_string(), GLANCE);
        let took = units::span(Duration::from_micros(call.micros));
        table.row([(at + 1).to_string().into(), call.function.as_str().into(), took.into(), answer, asked.into()]);
    }
    if table.is_empty() { String::new() } else { table.render("  ", color) }
}

fn calls_whole(calls: &[Call]) -> String {
    let one = |(at, call): (usize, &Call)| {
        let took = units::span(Duration::from_micros(call.micros));
        let asked = indented(&indented(&format!("{:#}", call.request)));
        let answer = indented(&indented(&format!("{:#}", call.response)));
        format!("  {} {} ({took})\n{asked}\n    =>\n{answer}", at + 1, inline(&call.function))
    };
    calls.iter().enumerate().map(one).collect::<Vec<_>>().join("\n")
}

fn log(run: &Run, color: bool) -> String {
    let lines = run.log.iter().map(|line| format!("  {} {}", level(line.level, color), inline(&line.text)));
    lines.collect::<Vec<_>>().join("\n")
}

/// A log level, five wide, in its colour.
pub(crate) fn level(level: LogLevel, color: bool) -> String {
    let (word, paint) = match level {
        LogLevel::Debug => ("debug", Paint::Dim),
        LogLevel::Info => ("info ", Paint::Plain),
        LogLevel::Warn => ("warn ", Paint::Yellow),
        LogLevel::Error => ("error", Paint::Red),
    };
    paint.on(word, color).into_owned()
}

/// A table of what a run decided.
pub(crate) fn decided(effects: &Effects, color: bool) -> String {
    let mut table = Table::new(&["EFFECT", "ON", "DETAIL"]);
    for write in &effects.writes {
        match write {
            Write::Create { resource_type, reference, is_final, if_none_exist, .. } => {
                let on = if *is_final { reference.clone() } else { resource_type.to_string() };
                let detail = if_none_exist.as_ref().map_or_else(String::new, |search| format!("unless {search} finds one"));
                table.row(["create".into(), on.into(), detail.into()]);
            }
            Write::Update { target, read, .. } => {
                table.row(["update".into(), target.to_string().into(), format!("if still v{read}").into()]);
            }
            Write::Delete { target, read } => {
                table.row(["delete".into(), target.to_string().into(), format!("if still v{read}").into()]);
            }
        }
    }
    for guard in &effects.guards {
        table.row(["guard".into(), guard.target.to_string().into(), format!("if still v{}", guard.version).into()]);
    }
    for timer in &effects.timers {
        match timer {
            TimerOp::Set { key, at, .. } => {
                table.row(["timer".into(), key.as_str().into(), format!("set to {}", units::when(*at)).into()])
            }
            TimerOp::Cancel { key } => table.row(["timer".into(), key.as_str().into(), "taken back".into()]),
        }
    }
    for item in &effects.outbox {
        table.row(["send".into(), item.key.as_str().into(), format!("{} {}", item.method, item.url).into()]);
    }
    if table.is_empty() { "  none".to_owned() } else { table.render("  ", color) }
}

fn body(body: &Body, full: bool) -> String {
    let bytes = body.bytes().unwrap_or_default();
    let head = format!("  {}, {}", inline(&body.content_type), units::size(bytes.len().try_into().unwrap_or(u64::MAX)));
    match (full, serde_json::from_slice::<Value>(&bytes), std::str::from_utf8(&bytes)) {
        (false, ..) | (true, Err(_), Err(_)) => head,
        (true, Ok(json), _) => format!("{head}\n{}", indented(&format!("{json:#}"))),
        (true, Err(_), Ok(text)) => format!("{head}\n{}", indented(text)),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {}", inline(line))).collect::<Vec<_>>().join("\n")
}
