//! What a run sees of a server's Bundle: only what its scopes show, with its own staged writes laid over.

use hob_model::ResourceType;
use serde_json::{Value, json};

use crate::Document;
use crate::criteria::Criteria;
use crate::scopes::Need;
use crate::staging::{Base, Seen};
use crate::state::{Known, Shape, State, identity, reference_of};

impl State {
    /// A search's first page: staged resources replace or drop hits, staged creates that match are added. Where the host cannot judge
    /// the query, hits are replaced all the same and no creates are added.
    pub(crate) fn overlay(&mut self, kind: &ResourceType, query: &str, bundle: Document, shape: Shape) -> Document {
        let bundle = self.permitted(bundle, shape);
        // Most searches meet nothing that is staged: then nothing is to be judged.
        let creates = self.staging.of_type(kind).any(|(_, _, create)| create);
        if !creates && !self.has_staged(&bundle) {
            return bundle;
        }
        let criteria = Criteria::parse_query(kind, query).ok();
        let bundle = self.laid_over(bundle, criteria.as_ref());
        let Some(criteria) = criteria else { return bundle };
        let added: Vec<Value> = self
            .staging
            .of_type(kind)
            .filter_map(|(target, staged, create)| {
                let staged = staged.filter(|staged| create && criteria.matches(staged.value()))?;
                let url =
                    if self.fhir.capabilities().client_ids { target.to_string() } else { format!("urn:uuid:{}", target.id) };
                let shown = self.access.shows(staged.value(), Need::Search, false);
                shown.then(|| json!({ "fullUrl": url, "resource": staged.value(), "search": { "mode": "match" } }))
            })
            .collect();
        if added.is_empty() { bundle } else { with_entries(&bundle, true, |entries| entries.extend(added)) }
    }

    /// Drops what the scopes do not show, and keeps whole resources as read.
    pub(crate) fn permitted(&mut self, bundle: Document, shape: Shape) -> Document {
        let Shape { history, partial, narrowed, counts } = shape;
        let need = if history { Need::Read } else { Need::Search };
        let hidden = |entry: &Value| {
            let outcome = entry.pointer("/search/mode").and_then(Value::as_str) == Some("outcome");
            match entry.get("resource") {
                Some(resource) => !outcome && !self.access.shows(resource, need, partial),
                // A delete in a history: of what, the scopes cannot tell.
                None => narrowed,
            }
        };
        let entries = bundle.value().get("entry").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        // Whether a total is there must not depend on what was hidden.
        let uncounted = !counts && bundle.value().get("total").is_some();
        let bundle = if uncounted || entries.iter().any(hidden) {
            with_entries(&bundle, counts, |entries| entries.retain(|entry| !hidden(entry)))
        } else {
            bundle
        };
        if !partial && !history {
            self.know_hits(&bundle);
        }
        bundle
    }

    fn know_hits(&mut self, bundle: &Document) {
        for resource in resources(bundle) {
            let subsetted = resource
                .pointer("/meta/tag")
                .and_then(Value::as_array)
                .is_some_and(|tags| tags.iter().any(|tag| tag.get("code").and_then(Value::as_str) == Some("SUBSETTED")));
            let document = Document::from(resource.clone());
            if let Some((target, version)) = identity(&document).filter(|_| !subsetted) {
                let base = Base { version, resource: document };
                self.known.entry(target).or_insert(Known { base, from_event: false });
            }
        }
    }

    fn has_staged(&self, bundle: &Document) -> bool {
        let staged =
            |resource: &Value| reference_of(resource).is_some_and(|target| !matches!(self.staging.seen(&target), Seen::Unstaged));
        self.staging.len() > 0 && resources(bundle).any(staged)
    }

    pub(super) fn laid_over(&self, bundle: Document, criteria: Option<&Criteria>) -> Document {
        if !self.has_staged(&bundle) {
            return bundle;
        }
        with_entries(&bundle, true, |entries| {
            entries.retain_mut(|entry| {
                let hit = entry.pointer("/search/mode").and_then(Value::as_str).is_none_or(|mode| mode == "match");
                let Some(resource) = entry.get_mut("resource") else { return true };
                let Some(target) = reference_of(resource) else { return true };
                match self.staging.seen(&target) {
                    Seen::Unstaged => true,
                    Seen::Deleted => false,
                    Seen::Content(document) => {
                        *resource = document.value().clone();
                        !hit || criteria.is_none_or(|criteria| criteria.matches(document.value()))
                    }
                }
            });
        })
    }
}

/// The resources of a Bundle's entries.
pub(crate) fn resources(bundle: &Document) -> impl Iterator<Item = &Value> {
    bundle.value().get("entry").and_then(Value::as_array).into_iter().flatten().filter_map(|entry| entry.get("resource"))
}

/// A copy of a Bundle with other entries; `total` follows, or goes where it does not count what is shown.
fn with_entries(bundle: &Document, counts: bool, change: impl FnOnce(&mut Vec<Value>)) -> Document {
    let mut value = bundle.value().clone();
    let Some(members) = value.as_object_mut() else { return bundle.clone() };
    let mut entries = match members.get_mut("entry").map(Value::take) {
        Some(Value::Array(entries)) => entries,
        _ => Vec::new(),
    };
    let before = entries.len() as u64;
    change(&mut entries);
    if !counts {
        members.shift_remove("total");
    } else if let Some(total) = members.get("total").and_then(Value::as_u64) {
        let total = (total + entries.len() as u64).saturating_sub(before);
        members.insert("total".to_owned(), json!(total));
    }
    // As a server has it that found nothing.
    if entries.is_empty() {
        members.shift_remove("entry");
    } else {
        members.insert("entry".to_owned(), Value::Array(entries));
    }
    Document::from(value)
}
