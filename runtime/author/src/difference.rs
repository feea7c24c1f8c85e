//! Differences of JSON, line by line.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// A line of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// In both.
    Same(String),
    /// Only before, or only expected.
    Gone(String),
    /// Only after, or only what happened.
    New(String),
    /// Lines that are in both and are left out.
    Skipped(usize),
}

/// Lines around a difference that are shown.
const AROUND: usize = 3;

/// What lies between two values, pretty-printed, with a few lines around each difference. Null is nothing.
#[must_use]
pub fn difference(before: &Value, after: &Value) -> Vec<Line> {
    let text = |value: &Value| if value.is_null() { String::new() } else { format!("{value:#}\n") };
    let (before, after) = (text(before), text(after));
    let diff = TextDiff::from_lines(&before, &after);
    let mut lines = Vec::new();
    let mut at = 0;
    for group in diff.grouped_ops(AROUND) {
        let begins = group.first().map_or(at, |op| op.old_range().start);
        if begins > at {
            lines.push(Line::Skipped(begins - at));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let text = change.value().trim_end_matches('\n').to_owned();
            lines.push(match change.tag() {
                ChangeTag::Equal => Line::Same(text),
                ChangeTag::Delete => Line::Gone(text),
                ChangeTag::Insert => Line::New(text),
            });
        }
        at = group.last().map_or(at, |op| op.old_range().end);
    }
    let left = before.lines().count().saturating_sub(at);
    if !lines.is_empty() && left > 0 {
        lines.push(Line::Skipped(left));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shows_what_changed_and_a_little_around() {
        let before = json!({ "a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7, "h": 8, "i": 9 });
        let mut after = before.clone();
        after["e"] = json!(50);
        let lines = difference(&before, &after);
        assert_eq!(lines.first(), Some(&Line::Skipped(2)));
        assert!(lines.contains(&Line::Gone("  \"e\": 5,".to_owned())) && lines.contains(&Line::New("  \"e\": 50,".to_owned())));
        assert_eq!(lines.last(), Some(&Line::Skipped(2)));
        assert_eq!(difference(&before, &before), []);
        assert!(difference(&Value::Null, &json!({})).iter().all(|line| matches!(line, Line::New(_))));
    }
}
