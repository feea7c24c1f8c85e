//! Whether what happened is what was expected.

use serde_json::{Map, Value, json};

/// Keys of `expect` and what each is where it is left out.
const KEYS: [(&str, Absent); 7] = [
    ("started", Absent::Any),
    ("reads", Absent::Any),
    ("writes", Absent::Empty),
    ("timers", Absent::Empty),
    ("outbox", Absent::Empty),
    ("result", Absent::Null),
    ("failure", Absent::Null),
];

#[derive(Clone, Copy)]
enum Absent {
    /// It is not looked at.
    Any,
    Empty,
    Null,
}

/// An `expect` that cannot be compared with anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expect: {0}")]
pub struct BadExpect(String);

/// Expected and actual as they differ, in one form; none where they do not.
///
/// # Errors
/// [`BadExpect`] for keys that `expect` does not have.
pub fn compare(expect: &Value, actual: &Value) -> Result<Option<(Value, Value)>, BadExpect> {
    let Value::Object(given) = expect else { return Err(BadExpect("it is an object".to_owned())) };
    if let Some(unknown) = given.keys().find(|key| KEYS.iter().all(|(known, _)| known != key)) {
        let known: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
        let guess = hob_model::guess(unknown, known.iter().copied());
        let guess = guess.map_or_else(String::new, |guess| format!("; did you mean `{guess}`?"));
        return Err(BadExpect(format!("it has no key `{unknown}`: it has {}{guess}", known.join(", "))));
    }
    let not_started = |of: &Value| of.get("started") == Some(&Value::Bool(false));
    let (expected, seen) = if not_started(expect) || not_started(actual) {
        (expect.clone(), actual.clone())
    } else {
        (whole(given, given), whole(actual.as_object().unwrap_or(&Map::new()), given))
    };
    Ok((expected != seen).then_some((expected, seen)))
}

/// All keys but those that `expect` does not look at; instants of timers in one form.
fn whole(of: &Map<String, Value>, expect: &Map<String, Value>) -> Value {
    let mut out = Map::new();
    for (key, absent) in KEYS {
        let value = match (of.get(key), absent) {
            (_, Absent::Any) if !expect.contains_key(key) => continue,
            (_, Absent::Any) if key == "started" => continue,
            (Some(value), _) => value.clone(),
            (None, Absent::Empty | Absent::Any) => json!([]),
            (None, Absent::Null) => Value::Null,
        };
        out.insert(key.to_owned(), value);
    }
    // Words for people count only where they are expected, and so does the line of the source that they may name: it moves with every edit.
    if let Some(wanted) = expect.get("failure").and_then(Value::as_object)
        && let Some(failure) = out.get_mut("failure").and_then(Value::as_object_mut)
    {
        match wanted.get("message").and_then(Value::as_str) {
            None => drop(failure.shift_remove("message")),
            Some(wanted) if without_place(wanted) == wanted => drop_place(failure),
            Some(_) => {}
        }
    }
    if let Some(timers) = out.get_mut("timers").and_then(Value::as_array_mut) {
        for at in timers.iter_mut().filter_map(|timer| timer.get_mut("at")) {
            *at = at.as_str().and_then(hob_model::Timestamp::parse).map_or(at.take(), |at| json!(instant(at)));
        }
    }
    Value::Object(out)
}

fn drop_place(failure: &mut Map<String, Value>) {
    if let Some(Value::String(message)) = failure.get_mut("message") {
        message.truncate(without_place(message).len());
    }
}

/// The words of a failure up to the place of an exception that ends them: `, at src/bot.ts:12:3` or ` at bot.py:12 in handle`.
fn without_place(message: &str) -> &str {
    let is_place = |rest: &str| {
        let file = rest.split(' ').next().unwrap_or_default();
        file.split(':').nth(1).is_some_and(|line| line.starts_with(|c: char| c.is_ascii_digit()))
    };
    let mut found = message.match_indices(" at ").filter(|(at, word)| is_place(&message[at + word.len()..]));
    found.next().map_or(message, |(at, _)| message[..at].trim_end_matches(','))
}

/// An instant as short as it can be said.
#[must_use]
pub fn instant(at: hob_model::Timestamp) -> String {
    let text = at.to_string();
    match text.strip_suffix(".000000Z") {
        Some(seconds) => format!("{seconds}Z"),
        None => text,
    }
}

/// What `--update` writes: what happened, with the keys that the old `expect` had, and what it did not have only where there is something.
#[must_use]
pub fn updated(old: Option<&Value>, actual: Value) -> Value {
    let Value::Object(mut actual) = actual else { return actual };
    if let Some(failure) = actual.get_mut("failure").and_then(Value::as_object_mut) {
        drop_place(failure);
    }
    let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    if let Some(old) = old.and_then(Value::as_object).filter(|old| !old.is_empty() && !old.contains_key("started")) {
        actual.retain(|key, value| old.contains_key(key) || (key != "reads" && !empty(value)));
    }
    Value::Object(actual)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(expect: Value, actual: Value) -> bool {
        compare(&expect, &actual).unwrap().is_none()
    }

    #[test]
    fn what_is_left_out_did_not_happen_but_for_reads() {
        let actual = json!({ "reads": ["Task/1"], "writes": [{ "delete": "Task/1" }], "timers": [], "failure": null });
        assert!(same(json!({ "writes": [{ "delete": "Task/1" }] }), actual.clone()));
        assert!(same(actual.clone(), actual.clone()));
        assert!(!same(json!({}), actual.clone()));
        assert!(!same(json!({ "reads": [], "writes": [{ "delete": "Task/1" }] }), actual.clone()));
        let failed =
            json!({ "reads": [], "writes": [], "timers": [], "failure": { "kind": "reject", "code": "a", "message": "b" } });
        assert!(!same(json!({}), failed.clone()));
        assert!(same(json!({ "failure": { "kind": "reject", "code": "a" } }), failed.clone()));
        assert!(!same(json!({ "failure": { "kind": "reject", "code": "a", "message": "c" } }), failed));
        for (message, words) in [
            ("Error: no patient at all, at src/bot.ts:12:36", "Error: no patient at all"),
            ("KeyError at bot.py:31 in score < bot.py:12 in handle", "KeyError"),
            ("no bed at St. Mary: full", "no bed at St. Mary: full"),
        ] {
            let thrown = json!({ "writes": [], "failure": { "code": "exception", "message": message } });
            assert!(same(json!({ "failure": { "code": "exception", "message": words } }), thrown.clone()));
            assert!(same(json!({ "failure": { "code": "exception", "message": message } }), thrown.clone()));
            assert!(!same(json!({ "failure": { "code": "exception", "message": "another" } }), thrown.clone()));
            assert_eq!(updated(Some(&json!({ "writes": [] })), thrown)["failure"]["message"], words);
        }
        assert!(!same(json!({ "started": false }), actual.clone()));
        assert!(!same(json!({}), Happened::not_started()));
        assert!(same(json!({ "started": false }), Happened::not_started()));
        assert!(compare(&json!({ "write": [] }), &actual).unwrap_err().to_string().contains("`write`"));
    }

    #[test]
    fn an_instant_may_be_written_in_several_ways() {
        let at = |text: &str| json!({ "timers": [{ "set": "a", "at": text, "payload": 1 }] });
        assert!(same(at("2026-11-24T10:00:00-05:00"), at("2026-11-24T15:00:00Z")));
        assert!(same(at("2026-11-24T15:00:00.000000Z"), at("2026-11-24T15:00:00Z")));
        assert!(!same(at("2026-11-24T15:00:01Z"), at("2026-11-24T15:00:00Z")));
    }

    #[test]
    fn an_update_keeps_the_form_that_was_chosen() {
        let actual = json!({ "reads": ["Task/1"], "writes": [], "timers": [{ "cancel": "a" }], "failure": null });
        assert_eq!(updated(None, actual.clone()), actual);
        assert_eq!(updated(Some(&json!({})), actual.clone()), actual);
        assert_eq!(
            updated(Some(&json!({ "writes": [1] })), actual.clone()),
            json!({ "writes": [], "timers": [{ "cancel": "a" }] })
        );
        assert_eq!(updated(Some(&json!({ "started": false })), actual.clone()), actual);
        assert_eq!(updated(Some(&json!({ "writes": [] })), Happened::not_started()), Happened::not_started());
    }

    use crate::Happened;
}
