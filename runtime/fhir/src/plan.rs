//! The transaction of a run's effects: pure, and readable back from its bytes, so that the ledger keeps the bytes and nothing else.
//!
//! Entries, in this order: one for each write (its index is the effect's), one for each guard, last the fence. A create is a POST under its
//! `urn:uuid`, so that the server puts the real id into whatever refers to it (R4 `http.html#trules`), the fence included; or a PUT where
//! its id is final. Updates, deletes and guards carry If-Match.
//!
//! A guard is an empty JSON Patch under If-Match. Measured on HAPI 8.8: no new version, no notification, 409 where the version is stale. It is a check
//! at the time of the transaction, not a lock: what commits beside it in the same instant is not seen.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use hob_model::{Effects, Guard, Interaction, Reference, VersionId, Write};
use serde_json::{Value, json};

use crate::client::etag;
use crate::fence::{self, FenceUse};
use crate::page::{etag_version, last_reference};

/// Why effects cannot become a transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Two writes to one resource, which no transaction may hold (R4 `http.html#trules`).
    #[error("effects {0} and another write the same resource: merge them into one")]
    Twice(usize),
    /// A resource whose type or id is not that of the write.
    #[error("the content of effect {0} is not of the type and id that it is to be written to")]
    Content(usize),
    /// A guard on a version that differs from the one that an update or delete of the same resource names.
    #[error("guard {0} names another version than the write of the same resource")]
    Guard(usize),
    /// Not the bytes of a plan.
    #[error("not a transaction that Hob made: {0}")]
    Foreign(&'static str),
}

/// What one write is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Create, update or delete.
    pub interaction: Interaction,
    /// Its target; for a create only where the id is final.
    pub target: Option<Reference>,
    /// What the run calls a create until its id is known.
    pub urn: Option<String>,
    /// The version that it must find.
    pub read: Option<VersionId>,
    /// Whether it is a create that happens only where a search finds nothing.
    pub conditional: bool,
}

/// A transaction, ready to be kept and sent. `Debug` does not show the content.
#[derive(Clone, PartialEq, Eq)]
pub struct CommitPlan {
    /// The Bundle as it is sent, always with these bytes.
    pub bytes: Bytes,
    /// What each write does, in the order of the effects.
    pub writes: Vec<Planned>,
    /// How many entries lie between the writes and the fence.
    pub guards: usize,
    /// What lets it succeed once.
    pub fence: FenceUse,
}

impl fmt::Debug for CommitPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitPlan")
            .field("bytes", &self.bytes.len())
            .field("entries", &self.entries())
            .field("fence", &self.fence)
            .finish()
    }
}

/// Makes the transaction of `effects` behind `fence`. The same input gives the same bytes.
///
/// # Errors
/// [`PlanError`] where the effects contradict themselves.
pub fn bundle(effects: &Effects, fence: &FenceUse) -> Result<CommitPlan, PlanError> {
    let mut seen = BTreeSet::new();
    let mut entries = Vec::with_capacity(effects.writes.len() + effects.guards.len() + 1);
    let mut writes = Vec::with_capacity(effects.writes.len());
    for (index, write) in effects.writes.iter().enumerate() {
        let entry = write_entry(write).ok_or(PlanError::Content(index))?;
        let planned = planned(&entry).map_err(PlanError::Foreign)?;
        let name = planned.target.as_ref().map(Reference::to_string).or_else(|| planned.urn.clone());
        if !name.is_some_and(|name| seen.insert(name)) {
            return Err(PlanError::Twice(index));
        }
        entries.push(entry);
        writes.push(planned);
    }
    let mut guards = 0;
    for (index, guard) in effects.guards.iter().enumerate() {
        match writes.iter().find(|write| write.target.as_ref() == Some(&guard.target)) {
            // The write's own If-Match is the guard.
            Some(write) if write.read.as_ref() == Some(&guard.version) => {}
            Some(_) => return Err(PlanError::Guard(index)),
            None if seen.insert(guard.target.to_string()) => {
                entries.push(guard_entry(guard));
                guards += 1;
            }
            None => {}
        }
    }
    let urns: Vec<&str> = writes.iter().filter_map(|write| write.urn.as_deref()).collect();
    entries.push(json!({
        "resource": fence::moved(fence, &urns),
        "request": {"method": "PUT", "url": fence.slot.reference.to_string(), "ifMatch": etag(&fence.slot.version)},
    }));
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    Ok(CommitPlan { bytes: Bytes::from(bundle.to_string()), writes, guards, fence: fence.clone() })
}

impl CommitPlan {
    /// Reads a plan back from its bytes.
    ///
    /// # Errors
    /// [`PlanError::Foreign`] where they are not of a plan.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, PlanError> {
        let bundle: Value = serde_json::from_slice(&bytes).map_err(|_| PlanError::Foreign("not JSON"))?;
        let entries = bundle["entry"].as_array().ok_or(PlanError::Foreign("no entries"))?;
        let (last, entries) = entries.split_last().ok_or(PlanError::Foreign("no entries"))?;
        let version = last["request"]["ifMatch"].as_str().and_then(etag_version);
        let fence = version
            .and_then(|version| fence::use_of(&last["resource"], version))
            .ok_or(PlanError::Foreign("its last entry is no fence"))?;
        let guards = entries.iter().filter(|entry| entry["request"]["method"] == "PATCH").count();
        let writes =
            entries[..entries.len() - guards].iter().map(planned).collect::<Result<_, _>>().map_err(PlanError::Foreign)?;
        Ok(Self { bytes, writes, guards, fence })
    }

    /// How many entries the Bundle has.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.writes.len() + self.guards + 1
    }
}

/// `None` where the content is not of the type and id of the write.
fn write_entry(write: &Write) -> Option<Value> {
    Some(match write {
        Write::Create { resource_type, reference, is_final: false, if_none_exist, resource } => {
            let mut resource = of_type(resource, resource_type.as_str())?;
            // The server gives the id; one that is sent along makes strict servers refuse.
            resource.as_object_mut()?.shift_remove("id");
            let mut request = json!({"method": "POST", "url": resource_type.as_str()});
            if let Some(query) = if_none_exist {
                request["ifNoneExist"] = json!(query);
            }
            if !reference.starts_with("urn:uuid:") {
                return None;
            }
            json!({"fullUrl": reference, "resource": resource, "request": request})
        }
        // R4 has no create-only PUT that servers honour. That the id is new is the engine's work, that this happens once the fence's; a search
        // that must find nothing is judged by `commit::precheck`.
        Write::Create { resource_type, reference, is_final: true, resource, .. } => {
            let target: Reference = reference.parse().ok()?;
            if target.resource_type != *resource_type {
                return None;
            }
            put(&target, resource, None)?
        }
        Write::Update { target, read, resource } => put(target, resource, Some(read))?,
        Write::Delete { target, read } => {
            json!({"request": {"method": "DELETE", "url": target.to_string(), "ifMatch": etag(read)}})
        }
    })
}

fn put(target: &Reference, resource: &Value, read: Option<&VersionId>) -> Option<Value> {
    let mut resource = of_type(resource, target.resource_type.as_str())?;
    match resource["id"].as_str() {
        Some(id) if id != target.id.as_str() => return None,
        _ => resource["id"] = json!(target.id.as_str()),
    }
    let mut request = json!({"method": "PUT", "url": target.to_string()});
    if let Some(version) = read {
        request["ifMatch"] = json!(etag(version));
    }
    Some(json!({"resource": resource, "request": request}))
}

fn of_type(resource: &Value, resource_type: &str) -> Option<Value> {
    (resource["resourceType"] == resource_type).then(|| resource.clone())
}

fn guard_entry(guard: &Guard) -> Value {
    json!({
        // "[]" in Base64: nothing is changed.
        "resource": {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": "W10="},
        "request": {"method": "PATCH", "url": guard.target.to_string(), "ifMatch": etag(&guard.version)},
    })
}

/// What an entry does, read from the entry itself.
fn planned(entry: &Value) -> Result<Planned, &'static str> {
    let request = &entry["request"];
    let url = request["url"].as_str().ok_or("an entry without URL")?;
    let read = request["ifMatch"].as_str().map(|etag| etag_version(etag).ok_or("an If-Match that is no version")).transpose()?;
    let target = || last_reference(url).map(Some).ok_or("a URL that is no Type/id");
    let (interaction, target, urn) = match (request["method"].as_str(), &read) {
        (Some("POST"), _) => {
            (Interaction::Create, None, Some(entry["fullUrl"].as_str().ok_or("a create without fullUrl")?.to_owned()))
        }
        (Some("PUT"), None) => (Interaction::Create, target()?, None),
        (Some("PUT"), Some(_)) => (Interaction::Update, target()?, None),
        (Some("DELETE"), _) => (Interaction::Delete, target()?, None),
        _ => return Err("a method that no write has"),
    };
    Ok(Planned { interaction, target, urn, read, conditional: request["ifNoneExist"].is_string() })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::fence::Slot;
    use hob_model::RunId;

    pub(crate) fn fence() -> FenceUse {
        let slot =
            Slot { name: "slot-1".parse().unwrap(), reference: "Basic/1000".parse().unwrap(), version: "5".parse().unwrap() };
        FenceUse { slot, run: RunId::of_parts(&[b"plan"]), attempt: 2 }
    }

    fn create(reference: &str, is_final: bool, if_none_exist: Option<&str>, resource: Value) -> Write {
        Write::Create {
            resource_type: resource["resourceType"].as_str().unwrap().parse().unwrap(),
            reference: reference.to_owned(),
            is_final,
            if_none_exist: if_none_exist.map(str::to_owned),
            resource,
        }
    }

    fn task(id: &str) -> Value {
        json!({"resourceType": "Task", "id": id, "status": "ready", "intent": "order"})
    }

    /// Two creates, one of them conditional, an update, a delete, a guard, and a guard that the update makes needless.
    pub(crate) fn effects() -> Effects {
        let observation = json!({"resourceType": "Observation", "id": "local", "status": "final", "code": {"text": "x"}});
        let guard = |target: &str, version: &str| Guard { target: target.parse().unwrap(), version: version.parse().unwrap() };
        Effects {
            writes: vec![
                create("urn:uuid:00000000-0000-4000-8000-000000000001", false, None, observation),
                create("urn:uuid:00000000-0000-4000-8000-000000000002", false, Some("code=x"), json!({"resourceType": "Basic"})),
                Write::Update { target: "Task/7".parse().unwrap(), read: "3".parse().unwrap(), resource: task("7") },
                Write::Delete { target: "Task/8".parse().unwrap(), read: "2".parse().unwrap() },
            ],
            guards: vec![guard("Patient/9", "2"), guard("Task/7", "3"), guard("Patient/9", "2")],
            ..Effects::default()
        }
    }

    #[test]
    fn the_bundle_is_as_the_standard_has_it() {
        let plan = bundle(&effects(), &fence()).unwrap();
        insta::assert_json_snapshot!(serde_json::from_slice::<Value>(&plan.bytes).unwrap());
        assert_eq!((plan.writes.len(), plan.guards, plan.entries()), (4, 1, 6));
    }

    #[test]
    fn the_bytes_alone_give_the_plan_back() {
        let plan = bundle(&effects(), &fence()).unwrap();
        assert_eq!(CommitPlan::from_bytes(plan.bytes.clone()), Ok(plan.clone()));
        assert_eq!(bundle(&effects(), &fence()), Ok(plan));
        for foreign in ["", "{}", r#"{"entry":[]}"#, r#"{"entry":[{"resource":{"resourceType":"Basic"}}]}"#] {
            assert!(matches!(CommitPlan::from_bytes(foreign.into()), Err(PlanError::Foreign(_))), "{foreign}");
        }
    }

    #[test]
    fn final_ids_are_put() {
        let effects = Effects { writes: vec![create("Task/new-1", true, None, task("new-1"))], ..Effects::default() };
        let plan = bundle(&effects, &fence()).unwrap();
        assert_eq!(plan.writes[0].interaction, Interaction::Create);
        assert_eq!(plan.writes[0].target, Some("Task/new-1".parse().unwrap()));
        assert_eq!(CommitPlan::from_bytes(plan.bytes.clone()), Ok(plan));
    }

    #[test]
    fn contradictions_are_refused() {
        let update =
            |id: &str| Write::Update { target: "Task/7".parse().unwrap(), read: "3".parse().unwrap(), resource: task(id) };
        let of = |writes: Vec<Write>, guards: Vec<Guard>| bundle(&Effects { writes, guards, ..Effects::default() }, &fence());
        assert_eq!(of(vec![update("7"), update("7")], vec![]), Err(PlanError::Twice(1)));
        assert_eq!(of(vec![update("8")], vec![]), Err(PlanError::Content(0)));
        assert_eq!(of(vec![create("Patient/1", false, None, task("1"))], vec![]), Err(PlanError::Content(0)));
        assert_eq!(of(vec![create("Patient/1", true, None, task("1"))], vec![]), Err(PlanError::Content(0)));
        let guard = Guard { target: "Task/7".parse().unwrap(), version: "2".parse().unwrap() };
        assert_eq!(of(vec![update("7")], vec![guard]), Err(PlanError::Guard(0)));
    }
}
