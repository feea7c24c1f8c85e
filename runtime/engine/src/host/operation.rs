//! `fhir.operation`: operations that only ask, and what the scopes must say for each.
//!
//! An operation is the server's own program, so the host does no operation that it does not know. `everything` of a patient is a search over all types: which
//! of them a bot may read is asked beforehand, so that nothing of the answer, not even its pages, is about a type that the bot may not see; then what the
//! scopes do not cover is dropped, as from a search.

use hob_model::{Reference, ResourceType};

use super::fhir::{Answer, Ask, Trouble, resource_type, say};
use crate::query;
use crate::scopes::Need;
use crate::state::State;

/// Parameters of `everything` that choose among whole resources.
const PARAMETERS: [&str; 5] = ["_since", "_type", "_count", "start", "end"];

impl State {
    /// The read that an operation is.
    pub(super) fn known_operation(&self, name: &str, reference: &str, query: &str) -> Answer<Ask> {
        let target = self.target(reference)?;
        match (name, target.resource_type.as_str()) {
            ("everything", "Patient") => Ok(Ask::Everything { patient: target, query: query.to_owned(), whole: false }),
            ("everything", other) => Err(say("refused", format!("`everything` is of a Patient, not of a {other}"))),
            _ => Err(say("refused", "this host does no such operation: it does `everything` of a Patient")),
        }
    }

    /// Whether the scopes let the bot have it; answers whether they cover all that may be in it.
    pub(super) async fn may_have_everything(&mut self, patient: &Reference, query: &str) -> Answer<bool> {
        query::readable(query).map_err(|refused| self.refused(refused))?;
        if let Some(name) = query::names(query).find(|name| !PARAMETERS.contains(&name.as_str())) {
            return Err(say("invalid", format!("`everything` takes {}, not `{name}`", PARAMETERS.join(", "))));
        }
        let types = types(query)?;
        let access = self.access.clone();
        let whole = match &types {
            None => access.reads_every_type().map_err(|missing| self.denied(&missing))?,
            Some(types) => {
                let mut whole = true;
                for kind in types {
                    whole &= access.grant(kind, Need::Read).map_err(|missing| self.denied(&missing))?.is_whole();
                }
                whole
            }
        };
        // That there is an answer tells that there is the patient.
        self.may_read(patient).await?;
        Ok(whole)
    }
}

/// The types that `_type` names; every one without it.
fn types(query: &str) -> Result<Option<Vec<ResourceType>>, Trouble> {
    let mut named = None;
    for value in query::values(query, "_type") {
        for kind in value.split(',') {
            named.get_or_insert_with(Vec::new).push(resource_type(kind)?);
        }
    }
    Ok(named)
}
