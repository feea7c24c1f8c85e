//! Putting the ids that the server gave into what takes effect after the commit.

use std::collections::BTreeMap;

use hob_model::{OutboxItem, Reference, TimerOp};
use serde_json::Value;

/// Timers and outbox with every `urn:uuid:…` of the run's creates replaced by `Type/id`.
pub(crate) fn resolved(
    timers: &[TimerOp],
    outbox: &[OutboxItem],
    urns: &BTreeMap<String, Reference>,
) -> (Vec<TimerOp>, Vec<OutboxItem>) {
    let timers = timers
        .iter()
        .map(|timer| match timer {
            TimerOp::Set { key, at, payload } => {
                let mut payload = payload.clone();
                in_value(&mut payload, urns);
                TimerOp::Set { key: key.clone(), at: *at, payload }
            }
            cancel @ TimerOp::Cancel { .. } => cancel.clone(),
        })
        .collect();
    let outbox = outbox
        .iter()
        .map(|item| OutboxItem {
            url: in_text(&item.url, urns),
            // A body that is no text has no reference in it.
            body: std::str::from_utf8(&item.body).map_or_else(|_| item.body.clone(), |text| in_text(text, urns).into_bytes()),
            ..item.clone()
        })
        .collect();
    (timers, outbox)
}

fn in_value(value: &mut Value, urns: &BTreeMap<String, Reference>) {
    match value {
        Value::String(text) => *text = in_text(text, urns),
        Value::Array(items) => items.iter_mut().for_each(|item| in_value(item, urns)),
        Value::Object(members) => members.values_mut().for_each(|member| in_value(member, urns)),
        _ => {}
    }
}

fn in_text(text: &str, urns: &BTreeMap<String, Reference>) -> String {
    if !text.contains("urn:uuid:") {
        return text.to_owned();
    }
    urns.iter().fold(text.to_owned(), |text, (urn, reference)| text.replace(urn.as_str(), &reference.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hob_model::Timestamp;
    use serde_json::json;

    #[test]
    fn ids_reach_payloads_and_bodies() {
        let urns = BTreeMap::from([("urn:uuid:a".to_owned(), "Task/7".parse().unwrap())]);
        let timer = TimerOp::Set { key: "k".into(), at: Timestamp::default(), payload: json!({"task": ["urn:uuid:a", 1]}) };
        let item = OutboxItem {
            key: "k".into(),
            method: "POST".into(),
            url: "https://x/?t=urn:uuid:a".into(),
            headers: vec![],
            body: b"see urn:uuid:a, not urn:uuid:b".to_vec(),
        };
        let (timers, outbox) = resolved(&[timer], &[item], &urns);
        assert!(matches!(&timers[0], TimerOp::Set { payload, .. } if *payload == json!({"task": ["Task/7", 1]})));
        assert_eq!(outbox[0].url, "https://x/?t=Task/7");
        assert_eq!(outbox[0].body, b"see Task/7, not urn:uuid:b");
    }
}
