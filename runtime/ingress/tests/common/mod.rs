//! The fixtures in `tests/fixtures/notifications`, whose MANIFEST.tsv says where each is from and what it holds.
#![allow(dead_code, clippy::unwrap_used, reason = "shared by tests that need parts of it")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use hob_ingress::WireRequest;
use serde_json::Value;

/// One line of MANIFEST.tsv.
pub(crate) struct Line {
    pub(crate) file: String,
    pub(crate) fhir_version: String,
    pub(crate) bundle_type: String,
    pub(crate) expected_type: String,
    pub(crate) expected_events: String,
    pub(crate) focus_refs: String,
    pub(crate) payload_level: String,
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/notifications")
}

pub(crate) fn read(file: &str) -> Vec<u8> {
    std::fs::read(folder().join(file)).unwrap()
}

pub(crate) fn manifest() -> Vec<Line> {
    let text = String::from_utf8(read("MANIFEST.tsv")).unwrap();
    let lines = text.lines().skip(1).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let column: Vec<&str> = line.split('\t').collect();
            let at = |index: usize| column.get(index).copied().unwrap_or_default().to_owned();
            Line {
                file: at(0),
                fhir_version: at(3),
                bundle_type: at(4),
                expected_type: at(5),
                expected_events: at(6),
                focus_refs: at(7),
                payload_level: at(8),
            }
        })
        .collect()
}

/// The request that a fixture is: itself, if it is a wire file, or a POST of it.
pub(crate) fn request(file: &str) -> WireRequest {
    let bytes = read(file);
    let wire: Value = serde_json::from_slice(&bytes).unwrap();
    let Some(method) = wire.get("method").and_then(Value::as_str) else {
        return WireRequest { method: "POST".into(), path_rest: String::new(), headers: Vec::new(), body: bytes.into() };
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    WireRequest {
        method: method.to_owned(),
        path_rest: text(&wire["path"]).strip_prefix("{endpoint}").unwrap().to_owned(),
        headers: wire["headers"].as_array().unwrap().iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
        body: match &wire["body"] {
            Value::Null => Bytes::new(),
            Value::String(text) => text.clone().into(),
            json => json.to_string().into(),
        },
    }
}
