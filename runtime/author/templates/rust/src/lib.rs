//! Flags the patient of every stat task, once a task.

use hob_sdk::{Error, Event, Host, Outcome};
use serde::Deserialize;
use serde_json::json;

/// What this bot looks at in a Task.
#[derive(Deserialize)]
struct Task {
    id: String,
    #[serde(rename = "for")]
    patient: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    reference: Option<String>,
}

const SYSTEM: &str = "https://example.org/stat-flag";

/// Runs on one event. What it writes is committed in one transaction when it returns `Ok`.
///
/// # Errors
/// Rejects a task that is for nobody.
pub fn handle(event: Event, hob: &dyn Host) -> Result<Outcome, Error> {
    let task: Task = event.json()?;
    let patient = task.patient.and_then(|patient| patient.reference);
    let patient = patient.ok_or_else(|| Error::reject("no-patient", "the task has no patient"))?;
    let flag = json!({
        "resourceType": "Flag",
        "identifier": [{ "system": SYSTEM, "value": task.id }],
        "status": "active",
        "code": { "text": "Has a stat task" },
        "subject": { "reference": patient },
    });
    let made = hob.fhir().create_if_none_exist(&flag, &format!("identifier={SYSTEM}|{}", task.id))?;
    println!("{}", if made.existed { "the task has its flag already" } else { "flagged" });
    Ok(Outcome::Done)
}

hob_sdk::bot!(handle);

#[cfg(test)]
mod tests {
    use hob_sdk::testing::{World, change};
    use serde_json::json;

    #[test]
    fn the_flag_is_for_the_tasks_patient() {
        let world = World::new();
        let task = json!({ "resourceType": "Task", "id": "t1", "for": { "reference": "Patient/ada" } });
        super::handle(change(task), &world).unwrap();
        assert_eq!(world.resources("Flag")[0]["subject"]["reference"], "Patient/ada");
    }
}
