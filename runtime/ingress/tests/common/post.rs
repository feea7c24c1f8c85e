//! Requests made by hand, and what their notification tells.
#![allow(dead_code, clippy::unwrap_used, reason = "shared by tests that need parts of it")]

use hob_ingress::{Focus, Notification, ParseError, WireRequest, parse};
use hob_model::{Interaction, VersionId};
use serde_json::Value;

pub(crate) fn send(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Notification, ParseError> {
    parse(&WireRequest {
        method: method.into(),
        path_rest: path.into(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.to_owned().into(),
    })
}

pub(crate) fn post(body: &Value) -> Result<Notification, ParseError> {
    send("POST", "", &[], &body.to_string())
}

/// Focus, interaction, version and whether the resource is there, of each event.
pub(crate) fn told(notification: &Notification) -> Vec<(String, Option<Interaction>, Option<String>, bool)> {
    let events = notification.events.iter();
    events
        .map(|event| {
            (
                event.focus.as_ref().map(Focus::to_string).unwrap_or_default(),
                event.interaction,
                event.version.as_ref().map(|version| VersionId::as_str(version).to_owned()),
                event.resource.is_some(),
            )
        })
        .collect()
}
