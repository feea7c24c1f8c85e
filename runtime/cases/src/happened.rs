//! What a bot did, in the words of `expect`.

use serde_json::{Map, Value, json};

/// What one run did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Happened {
    /// `Type/id`, `Type/id/_history/version`, `Type/id/_history`, `Type?search`: in the order in which they were asked; further pages of a search are not
    /// listed.
    pub reads: Vec<String>,
    /// `{"create": resource, "if-none-exist": search}`, `{"update": resource, "if-match": version}`, `{"delete": reference}`.
    pub writes: Vec<Value>,
    /// `{"guard": reference, "if-match": version}`; shown behind the writes.
    pub guards: Vec<Value>,
    /// `{"set": key, "at": instant, "payload": …}`, `{"cancel": key}`.
    pub timers: Vec<Value>,
    /// `{"send": key, "method", "url", "headers", "body"}`.
    pub outbox: Vec<Value>,
    /// What it answered.
    pub result: Option<Value>,
    /// `{"kind", "code", "message"}`.
    pub failure: Option<Value>,
}

impl Happened {
    /// A bot that the event does not start.
    #[must_use]
    pub fn not_started() -> Value {
        json!({ "started": false })
    }

    /// As `expect` has it. A failed run writes nothing. Outbox and result are there only where there is something.
    #[must_use]
    pub fn document(self) -> Value {
        let failed = self.failure.is_some();
        let kept = |list: Vec<Value>| if failed { Vec::new() } else { list };
        let mut document = Map::new();
        let writes: Vec<Value> = self.writes.into_iter().chain(self.guards).collect();
        document.insert("reads".to_owned(), json!(self.reads));
        document.insert("writes".to_owned(), json!(kept(writes)));
        document.insert("timers".to_owned(), json!(kept(self.timers)));
        let outbox = kept(self.outbox);
        if !outbox.is_empty() {
            document.insert("outbox".to_owned(), json!(outbox));
        }
        if let Some(result) = self.result.filter(|_| !failed) {
            document.insert("result".to_owned(), result);
        }
        document.insert("failure".to_owned(), self.failure.unwrap_or(Value::Null));
        Value::Object(document)
    }
}

/// A resource that is written, without what the server says of its version.
#[must_use]
pub fn shown(mut resource: Value) -> Value {
    if let Some(members) = resource.as_object_mut() {
        if let Some(Value::Object(meta)) = members.get_mut("meta") {
            meta.shift_remove("versionId");
            meta.shift_remove("lastUpdated");
        }
        if members.get("meta").and_then(Value::as_object).is_some_and(Map::is_empty) {
            members.shift_remove("meta");
        }
    }
    resource
}
