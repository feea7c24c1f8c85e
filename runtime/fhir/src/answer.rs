//! Reading a transaction's answer, entry by entry. Pure.
//!
//! A 200 for the whole says little: some servers run a transaction as a batch and put the failures inside. So each entry's own
//! status counts, there must be as many as were sent (R4 `http.html#transaction-response`: in the same order), and the fence must have moved.

use hob_model::VersionId;
use serde_json::Value;

use crate::commit::Written;
use crate::page::{etag_version, last_reference, url_version};
use crate::plan::{CommitPlan, Planned};

/// What an answer says that it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    /// All of it.
    Whole {
        written: Vec<Written>,
        /// The slot's new version.
        fence: VersionId,
    },
    /// A part.
    Part {
        applied: Vec<Written>,
        /// Index and status of entries that failed.
        failed: Vec<(usize, u16)>,
    },
    /// It cannot be told from the answer.
    Unclear(&'static str),
}

pub(crate) fn read(plan: &CommitPlan, bundle: &Value) -> Reading {
    let Some(entries) = bundle["entry"]
        .as_array()
        .filter(|_| bundle["resourceType"] == "Bundle")
    else {
        return Reading::Unclear("it is not a Bundle with entries");
    };
    if entries.len() != plan.entries() {
        return Reading::Unclear("it does not have as many entries as were sent");
    }
    let mut failed = Vec::new();
    let mut applied = Vec::new();
    let mut missing = false;
    for (index, entry) in entries.iter().enumerate() {
        let response = &entry["response"];
        match status(response) {
            // 304: an update or guard that changed nothing, as Medplum says it.
            Some(code @ (200..=299 | 304)) => {
                if let Some(planned) = plan.writes.get(index) {
                    let written = written(index, planned, code, response);
                    missing |= written.reference.is_none();
                    applied.push(written);
                }
            }
            code => failed.push((index, code.unwrap_or_default())),
        }
    }
    if !failed.is_empty() {
        return Reading::Part { applied, failed };
    }
    if missing {
        return Reading::Unclear("it does not say what was created");
    }
    match entries.last().and_then(|entry| version(&entry["response"])) {
        Some(fence) if fence != plan.fence.slot.version => Reading::Whole {
            written: applied,
            fence,
        },
        Some(_) => Reading::Unclear("the fence did not move"),
        None => Reading::Unclear("it does not say the fence's version"),
    }
}

fn written(effect: usize, planned: &Planned, code: u16, response: &Value) -> Written {
    let existed = planned.conditional && code != 201;
    let version =
        version(response).filter(|version| !existed && planned.read.as_ref() != Some(version));
    let reference = planned
        .target
        .clone()
        .or_else(|| last_reference(response["location"].as_str()?));
    Written {
        effect,
        interaction: planned.interaction,
        reference,
        version,
        existed,
    }
}

/// `201 Created` and bare `201` alike.
fn status(response: &Value) -> Option<u16> {
    let text = response["status"].as_str()?;
    text.split(' ').next()?.parse().ok()
}

fn version(response: &Value) -> Option<VersionId> {
    url_version(response["location"].as_str().unwrap_or_default())
        .or_else(|| etag_version(response["etag"].as_str()?))
}
