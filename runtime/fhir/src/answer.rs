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
    let Some(entries) = bundle["entry"].as_array().filter(|_| bundle["resourceType"] == "Bundle") else {
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
        Some(fence) if fence != plan.fence.slot.version => Reading::Whole { written: applied, fence },
        Some(_) => Reading::Unclear("the fence did not move"),
        None => Reading::Unclear("it does not say the fence's version"),
    }
}

fn written(effect: usize, planned: &Planned, code: u16, response: &Value) -> Written {
    let existed = planned.conditional && code != 201;
    let version = version(response).filter(|version| !existed && planned.read.as_ref() != Some(version));
    let reference = planned.target.clone().or_else(|| last_reference(response["location"].as_str()?));
    Written { effect, interaction: planned.interaction, reference, version, existed }
}

/// `201 Created` and bare `201` alike.
fn status(response: &Value) -> Option<u16> {
    let text = response["status"].as_str()?;
    text.split(' ').next()?.parse().ok()
}

fn version(response: &Value) -> Option<VersionId> {
    url_version(response["location"].as_str().unwrap_or_default()).or_else(|| etag_version(response["etag"].as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{effects, fence};
    use serde_json::json;

    fn plan() -> CommitPlan {
        crate::plan::bundle(&effects(), &fence()).unwrap()
    }

    /// The answer of HAPI 8.8.0 to a transaction of this shape, without the outcomes.
    fn hapi() -> Value {
        json!({"resourceType": "Bundle", "type": "transaction-response", "entry": [
            {"response": {"status": "201 Created", "location": "Observation/1001/_history/1", "etag": "1"}},
            {"response": {"status": "200 OK", "location": "Basic/1013/_history/1", "etag": "1"}},
            {"response": {"status": "200 OK", "location": "Task/7/_history/4", "etag": "4"}},
            {"response": {"status": "204 No Content", "location": "Task/8/_history/3", "etag": "3"}},
            {"response": {"status": "200 OK", "location": "Patient/9/_history/2", "etag": "2"}},
            {"response": {"status": "200 OK", "location": "Basic/1000/_history/6", "etag": "6"}}]})
    }

    #[test]
    fn reads_hapis_answer() {
        let Reading::Whole { written, fence } = read(&plan(), &hapi()) else { panic!("not whole") };
        assert_eq!(fence.as_str(), "6");
        let seen: Vec<_> = written
            .iter()
            .map(|w| (w.reference.as_ref().unwrap().to_string(), w.version.as_ref().map(VersionId::as_str), w.existed))
            .collect();
        assert_eq!(
            seen,
            [
                ("Observation/1001".to_owned(), Some("1"), false),
                ("Basic/1013".to_owned(), None, true),
                ("Task/7".to_owned(), Some("4"), false),
                ("Task/8".to_owned(), Some("3"), false),
            ]
        );
    }

    #[test]
    fn a_batch_in_disguise_is_seen() {
        // Medplum without transaction-bundles: 200, transaction-response, failures inside.
        let mut answer = hapi();
        answer["entry"][2]["response"] = json!({"status": "412", "outcome": {"resourceType": "OperationOutcome"}});
        answer["entry"][3]["response"] = json!({});
        let Reading::Part { applied, failed } = read(&plan(), &answer) else { panic!("taken for whole") };
        assert_eq!(applied.iter().map(|w| w.effect).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(failed, [(2, 412), (3, 0)]);
    }

    #[test]
    fn what_cannot_be_told_is_not_taken_for_done() {
        let unclear = |change: &dyn Fn(&mut Value)| {
            let mut answer = hapi();
            change(&mut answer);
            assert!(matches!(read(&plan(), &answer), Reading::Unclear(_)), "{answer}");
        };
        unclear(&|answer| *answer = json!({"resourceType": "OperationOutcome"}));
        unclear(&|answer| answer["entry"] = json!([]));
        unclear(&|answer| answer["entry"][0]["response"] = json!({"status": "201"}));
        unclear(&|answer| answer["entry"][5]["response"] = json!({"status": "200", "etag": "W/\"5\""}));
        unclear(&|answer| answer["entry"][5]["response"] = json!({"status": "200"}));
    }

    #[test]
    fn an_update_that_made_no_version_claims_none() {
        let mut answer = hapi();
        answer["entry"][2]["response"] = json!({"status": "200 OK", "location": "Task/7/_history/3"});
        answer["entry"][4]["response"] = json!({"status": "304"});
        let Reading::Whole { written, .. } = read(&plan(), &answer) else { panic!("not whole") };
        assert_eq!(written[2].version, None);
    }
}
