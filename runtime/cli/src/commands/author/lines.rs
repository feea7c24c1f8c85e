//! Differences and logs in colour.

use hob_author::{Line, difference};
use hob_model::LogLine;
use serde_json::Value;

use crate::commands::runs::story;
use crate::output::{Paint, inline};

/// A difference, a line each, behind `indent`.
pub(super) fn diff(before: &Value, after: &Value, indent: &str, color: bool) -> String {
    let line = |line: &Line| match line {
        Line::Same(text) => format!("{indent}  {}", inline(text)),
        Line::Gone(text) => format!("{indent}{}", Paint::Red.on(&format!("- {}", inline(text)), color)),
        Line::New(text) => format!("{indent}{}", Paint::Green.on(&format!("+ {}", inline(text)), color)),
        Line::Skipped(count) => format!("{indent}{}", Paint::Dim.on(&format!("  … {count} lines"), color)),
    };
    difference(before, after).iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A log, a line each.
pub(super) fn log(lines: &[LogLine], indent: &str, color: bool) -> String {
    let one = |line: &LogLine| format!("{indent}{} {}", story::level(line.level, color), inline(&line.text));
    lines.iter().map(one).collect::<Vec<_>>().join("\n")
}
