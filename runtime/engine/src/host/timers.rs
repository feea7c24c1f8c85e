//! `timers`: staged like writes; one operation for each key, the last one.

use hob_model::{TimerOp, Timestamp};
use serde_json::Value;
use serde_json::json;

use crate::bindings::hob::bot::timers::Host;
use crate::state::State;

/// Keys become part of ids and of the admin API's answers.
const LONGEST_KEY: usize = 256;

impl Host for State {
    async fn set(&mut self, key: String, at: String, payload: String) -> wasmtime::Result<Result<(), String>> {
        self.budget.call()?;
        let began = self.recorder.begin();
        let bytes = key.len() + payload.len();
        let payload = self.parse_given(payload.into_bytes()).await?;
        let op = timer(&key, &at, payload);
        let request = json!({ "key": key, "at": at, "payload": op.as_ref().ok().and_then(payload_of) });
        let answer = op.map(|op| self.stage_timer(op, bytes));
        let grown = self.recorder.end("timers.set", began, request, answer.as_ref());
        self.budget.hold(grown)?;
        self.check_output()?;
        Ok(answer)
    }

    async fn cancel(&mut self, key: String) -> wasmtime::Result<Result<(), String>> {
        self.budget.call()?;
        let began = self.recorder.begin();
        let bytes = key.len();
        let answer = checked(&key).map(|key| self.stage_timer(TimerOp::Cancel { key }, bytes));
        let grown = self.recorder.end("timers.cancel", began, json!({ "key": key }), answer.as_ref());
        self.budget.hold(grown)?;
        self.check_output()?;
        Ok(answer)
    }
}

impl State {
    fn stage_timer(&mut self, op: TimerOp, bytes: usize) {
        self.output = self.output.saturating_add(bytes);
        self.timers.retain(|other| key_of(other) != key_of(&op));
        self.timers.push(op);
    }
}

fn key_of(op: &TimerOp) -> &str {
    match op {
        TimerOp::Set { key, .. } | TimerOp::Cancel { key } => key,
    }
}

fn payload_of(op: &TimerOp) -> Option<&Value> {
    match op {
        TimerOp::Set { payload, .. } => Some(payload),
        TimerOp::Cancel { .. } => None,
    }
}

fn checked(key: &str) -> Result<String, String> {
    if key.is_empty() || key.len() > LONGEST_KEY || key.chars().any(char::is_control) {
        return Err(format!("a timer's key has 1 to {LONGEST_KEY} bytes without control characters"));
    }
    Ok(key.to_owned())
}

fn timer(key: &str, at: &str, payload: Result<Value, String>) -> Result<TimerOp, String> {
    let key = checked(key)?;
    let at = Timestamp::parse(at).ok_or("a timer's instant is RFC 3339 with an offset, such as 2026-03-01T09:00:00Z")?;
    let payload = payload.map_err(|why| format!("a timer's payload is JSON: {why}"))?;
    Ok(TimerOp::Set { key, at, payload })
}
