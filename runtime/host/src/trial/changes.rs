//! What two runs on one event did differently, field by field. Pure.
//!
//! Writes are told apart by what they are on, creates by what they hold: the id of a create hangs on its place among the run's creates, so that one more before it
//! would make another resource of it. The order of writes is not compared: they are one transaction.

use std::collections::BTreeMap;

use hob_model::{Effects, OutboxItem, Payload, Reference, ResourceType, TimerOp, Write};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Changes that are kept of one run; what is beyond is counted.
const MOST: usize = 100;
/// The longest text that is shown of a field.
const LONGEST: usize = 2_000;
/// Bytes that are shown of one run, about.
const ALL: usize = 64 * 1024;

/// What a change is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum In {
    Create,
    Update,
    Delete,
    Guard,
    Timer,
    Outbox,
    Result,
}

/// One difference. Without `old` it is new, without `new` it is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    #[serde(rename = "in")]
    pub(crate) within: In,
    /// The resource, the type of one that is created, or the key of a timer or request.
    pub(crate) of: String,
    /// A JSON pointer (RFC 6901); empty for the whole.
    pub(crate) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) old: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) new: Option<Value>,
}

/// The differences, and how many more there are than are kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Changes {
    pub(crate) kept: Vec<Change>,
    pub(crate) more: usize,
    shown: usize,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    fn add(&mut self, within: In, of: &str, path: &str, old: Option<&Value>, new: Option<&Value>) {
        if self.kept.len() == MOST || self.shown > ALL {
            self.more += 1;
            return;
        }
        let mut shown = |value: &Value| {
            let most = LONGEST * 10;
            let mut left = most;
            let value = short(value, &mut left);
            self.shown += most - left;
            value
        };
        let (old, new) = (old.map(&mut shown), new.map(&mut shown));
        self.kept.push(Change { within, of: of.to_owned(), path: path.to_owned(), old, new });
    }

    /// Everything that differs between two values, by the deepest fields.
    fn fields(&mut self, within: In, of: &str, path: &str, old: &Value, new: &Value) {
        match (old, new) {
            _ if old == new => {}
            (Value::Object(was), Value::Object(is)) => {
                for (key, old) in was {
                    let path = format!("{path}/{}", escaped(key));
                    match is.get(key) {
                        Some(new) => self.fields(within, of, &path, old, new),
                        None => self.add(within, of, &path, Some(old), None),
                    }
                }
                for (key, new) in is.iter().filter(|(key, _)| !was.contains_key(*key)) {
                    self.add(within, of, &format!("{path}/{}", escaped(key)), None, Some(new));
                }
            }
            (Value::Array(was), Value::Array(is)) => {
                for at in 0..was.len().max(is.len()) {
                    let path = format!("{path}/{at}");
                    match (was.get(at), is.get(at)) {
                        (Some(old), Some(new)) => self.fields(within, of, &path, old, new),
                        (old, new) => self.add(within, of, &path, old, new),
                    }
                }
            }
            _ => self.add(within, of, path, Some(old), Some(new)),
        }
    }

    fn whole(&mut self, within: In, of: &str, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (Some(old), Some(new)) => self.fields(within, of, "", old, new),
            (None, None) => {}
            (old, new) => self.add(within, of, "", old, new),
        }
    }
}

/// One kind of effects, by what they are about.
type Take = fn(&Effects) -> BTreeMap<String, Value>;

/// What differs between two runs' effects and results.
pub(crate) fn changes(was: (&Effects, Option<&Payload>), is: (&Effects, Option<&Payload>)) -> Changes {
    let mut changes = Changes::default();
    creates(&mut changes, was.0, is.0);
    let all: [Take; 5] = [Effects::updates, Effects::deletes, Effects::guarded, Effects::timed, Effects::sent];
    for (within, parts) in [In::Update, In::Delete, In::Guard, In::Timer, In::Outbox].into_iter().zip(all) {
        let (was, is) = (parts(was.0), parts(is.0));
        let mut of: Vec<&String> = was.keys().chain(is.keys()).collect();
        of.sort();
        of.dedup();
        for of in of {
            changes.whole(within, of, was.get(of), is.get(of));
        }
    }
    let result = |payload: &Payload| json!({"content_type": payload.content_type, "body": body(&payload.bytes)});
    changes.whole(In::Result, "result", was.1.map(result).as_ref(), is.1.map(result).as_ref());
    changes
}

/// A create, without the id that hangs on its place.
type Made = (ResourceType, Value);

fn made(effects: &Effects) -> Vec<Made> {
    let made = |write: &Write| match write {
        Write::Create { resource_type, if_none_exist, resource, .. } => {
            let mut resource = resource.clone();
            if let Value::Object(members) = &mut resource {
                members.shift_remove("id");
                if let Some(query) = if_none_exist {
                    members.insert("if-none-exist".to_owned(), Value::String(query.clone()));
                }
            }
            Some((resource_type.clone(), resource))
        }
        Write::Update { .. } | Write::Delete { .. } => None,
    };
    effects.writes.iter().filter_map(made).collect()
}

/// The same creates are taken away first; what is left is held against each other by type, in its order.
fn creates(changes: &mut Changes, was: &Effects, is: &Effects) {
    let mut left = made(is);
    let mut gone: Vec<Made> = Vec::new();
    for create in made(was) {
        match left.iter().position(|other| *other == create) {
            Some(at) => drop(left.remove(at)),
            None => gone.push(create),
        }
    }
    for (kind, old) in gone {
        let new = left.iter().position(|(other, _)| *other == kind).map(|at| left.remove(at).1);
        changes.whole(In::Create, kind.as_str(), Some(&old), new.as_ref());
    }
    for (kind, new) in left {
        changes.whole(In::Create, kind.as_str(), None, Some(&new));
    }
}

/// The parts of effects, by what each is on.
trait Parts {
    fn updates(&self) -> BTreeMap<String, Value>;
    fn deletes(&self) -> BTreeMap<String, Value>;
    fn guarded(&self) -> BTreeMap<String, Value>;
    fn timed(&self) -> BTreeMap<String, Value>;
    fn sent(&self) -> BTreeMap<String, Value>;
}

impl Parts for Effects {
    fn updates(&self) -> BTreeMap<String, Value> {
        let update = |write: &Write| match write {
            Write::Update { target, resource, .. } => Some((target.to_string(), resource.clone())),
            Write::Create { .. } | Write::Delete { .. } => None,
        };
        self.writes.iter().filter_map(update).collect()
    }

    fn deletes(&self) -> BTreeMap<String, Value> {
        let delete = |write: &Write| match write {
            Write::Delete { target, .. } => Some((target.to_string(), json!("deleted"))),
            Write::Create { .. } | Write::Update { .. } => None,
        };
        self.writes.iter().filter_map(delete).collect()
    }

    fn guarded(&self) -> BTreeMap<String, Value> {
        let of = |target: &Reference| target.to_string();
        self.guards.iter().map(|guard| (of(&guard.target), json!(guard.version))).collect()
    }

    fn timed(&self) -> BTreeMap<String, Value> {
        let timer = |op: &TimerOp| match op {
            TimerOp::Set { key, at, payload } => (key.clone(), json!({"at": at, "payload": payload})),
            TimerOp::Cancel { key } => (key.clone(), json!("cancelled")),
        };
        self.timers.iter().map(timer).collect()
    }

    fn sent(&self) -> BTreeMap<String, Value> {
        let sent = |item: &OutboxItem| {
            let OutboxItem { key, method, url, headers, body: bytes } = item;
            (key.clone(), json!({"method": method, "url": url, "headers": headers, "body": body(bytes)}))
        };
        self.outbox.iter().map(sent).collect()
    }
}

/// Bytes as JSON where they are, else as text, else as Base64.
fn body(bytes: &[u8]) -> Value {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return value;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::String(text.to_owned()),
        Err(_) => json!({"base64": data_encoding::BASE64.encode(bytes)}),
    }
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A value cut to what somebody reads: `left` is what may still be shown of it.
fn short(value: &Value, left: &mut usize) -> Value {
    match value {
        Value::String(text) => {
            let most = LONGEST.min(*left);
            *left = left.saturating_sub(text.len().min(most));
            if text.len() <= most {
                return value.clone();
            }
            let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            Value::String(format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len()))
        }
        Value::Array(items) => items.iter().map_while(|item| (*left > 0).then(|| short(item, left))).collect(),
        Value::Object(members) => {
            let mut shown = serde_json::Map::new();
            for (key, member) in members {
                if *left < key.len() {
                    shown.insert("…".to_owned(), json!(format!("{} of {} members", shown.len(), members.len())));
                    break;
                }
                *left -= key.len();
                shown.insert(key.clone(), short(member, left));
            }
            Value::Object(shown)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            *left = left.saturating_sub(8);
            value.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(id: &str, resource: Value) -> Write {
        Write::Update { target: format!("Task/{id}").parse().unwrap(), read: "1".parse().unwrap(), resource }
    }

    fn create(id: &str, resource: Value) -> Write {
        let resource_type: ResourceType = resource["resourceType"].as_str().unwrap().parse().unwrap();
        let reference = format!("{resource_type}/{id}");
        Write::Create { resource_type, reference, is_final: true, if_none_exist: None, resource }
    }

    fn of(writes: Vec<Write>) -> Effects {
        Effects { writes, ..Effects::default() }
    }

    fn told(was: &Effects, is: &Effects) -> Vec<String> {
        let changes = changes((was, None), (is, None));
        assert_eq!(changes.more, 0);
        let text = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), ToString::to_string);
        changes.kept.iter().map(|c| format!("{:?} {} {} {} {}", c.within, c.of, c.path, text(&c.old), text(&c.new))).collect()
    }

    #[test]
    fn what_differs_is_told_by_its_deepest_field() {
        let was = of(vec![update("1", json!({"status": "ready", "note": [{"text": "a"}], "a/b": 1}))]);
        let is = of(vec![update(
            "1",
            json!({"status": "ready", "note": [{"text": "b"}, {"text": "c"}], "owner": {"reference": "x"}}),
        )]);
        assert_eq!(
            told(&was, &is),
            [
                r#"Update Task/1 /note/0/text "a" "b""#,
                r#"Update Task/1 /note/1 - {"text":"c"}"#,
                r#"Update Task/1 /a~1b 1 -"#,
                r#"Update Task/1 /owner - {"reference":"x"}"#,
            ]
        );
        assert!(told(&was, &was).is_empty());
        let gone = of(vec![Write::Delete { target: "Task/1".parse().unwrap(), read: "1".parse().unwrap() }]);
        assert_eq!(told(&gone, &Effects::default()), [r#"Delete Task/1  "deleted" -"#]);
    }

    #[test]
    fn a_create_before_another_does_not_make_another_of_it() {
        let flag = |n: u8| json!({"resourceType": "Flag", "n": n});
        let was = of(vec![create("a", flag(1)), create("b", flag(2))]);
        let is = of(vec![create("a", flag(0)), create("b", flag(1)), create("c", flag(2))]);
        assert_eq!(
            told(&was, &is),
            [r#"Create Flag  - {"n":0,"resourceType":"Flag"}"#
                .replace(r#""n":0,"resourceType":"Flag""#, r#""resourceType":"Flag","n":0"#)]
        );
        let is = of(vec![create("a", flag(1)), create("b", flag(3))]);
        assert_eq!(told(&was, &is), ["Create Flag /n 2 3"]);
    }

    #[test]
    fn timers_guards_and_requests_are_compared_by_key() {
        let at = "2026-01-01T00:00:00Z";
        let set =
            |key: &str, n: u8| TimerOp::Set { key: key.into(), at: hob_model::Timestamp::parse(at).unwrap(), payload: json!(n) };
        let item = |body: &str| OutboxItem {
            key: "k".into(),
            method: "POST".into(),
            url: "https://a.example/".into(),
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        };
        let was = Effects { timers: vec![set("a", 1), set("a", 2)], outbox: vec![item(r#"{"to":1}"#)], ..Effects::default() };
        let is = Effects {
            timers: vec![TimerOp::Cancel { key: "b".into() }, set("a", 3)],
            outbox: vec![item(r#"{"to":2}"#)],
            ..Effects::default()
        };
        assert_eq!(told(&was, &is), ["Timer a /payload 2 3", r#"Timer b  - "cancelled""#, "Outbox k /body/to 1 2"]);
    }

    #[test]
    fn what_is_shown_has_a_bound() {
        let long = of(vec![update("1", json!({"a": "ä".repeat(5_000), "b": vec![json!({"c": "d".repeat(900)}); 100]}))]);
        let changes = changes((&Effects::default(), None), (&long, None));
        assert!(serde_json::to_string(&changes.kept).unwrap().len() < LONGEST * 12);
        let wide = |n: u64| of(vec![update("1", (0..300).map(|key| (key.to_string(), json!(n))).collect())]);
        let changes = super::changes((&wide(1), None), (&wide(2), None));
        assert_eq!((changes.kept.len(), changes.more), (MOST, 200));
    }
}
