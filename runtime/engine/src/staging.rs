//! Staged writes: one entry for each resource, merged as the bot goes.
//!
//! Pure: what was read comes in as an argument. The order of entries is that of first staging, so that the transaction reads the
//! way the bot wrote.

use std::sync::Arc;

use hob_model::{BadId, Digest, Reference, ResourceId, ResourceType, RunId, VersionId, Write};
use serde_json::Value;

use crate::Document;

/// What a write found on the server: the version that it must still have at the commit.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) version: VersionId,
    pub(crate) resource: Document,
}

#[derive(Debug, Clone)]
enum Staged {
    Create { is_final: bool, if_none_exist: Option<String>, resource: Document },
    Update { base: Base, resource: Document },
    Delete { base: Base },
}

/// What the run would see of a resource.
#[derive(Debug, Clone)]
pub(crate) enum Seen<'a> {
    /// Staged content.
    Content(&'a Document),
    /// Staged delete.
    Deleted,
    /// Nothing staged: ask the server.
    Unstaged,
}

/// The staged writes of one run.
#[derive(Debug, Default)]
pub(crate) struct Staging {
    entries: Vec<(Reference, Staged, usize)>,
    creates: u64,
    bytes: usize,
}

impl Staging {
    /// How many writes are staged.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of their contents as JSON.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is staged for `target`.
    pub(crate) fn seen(&self, target: &Reference) -> Seen<'_> {
        match self.find(target).map(|at| &self.entries[at].1) {
            Some(Staged::Create { resource, .. } | Staged::Update { resource, .. }) => Seen::Content(resource),
            Some(Staged::Delete { .. }) => Seen::Deleted,
            None => Seen::Unstaged,
        }
    }

    /// Whether `target` is a staged create.
    pub(crate) fn is_create(&self, target: &Reference) -> bool {
        self.find(target).is_some_and(|at| matches!(self.entries[at].1, Staged::Create { .. }))
    }

    /// The staged create that has this id.
    pub(crate) fn by_id(&self, id: &str) -> Option<&Reference> {
        let create = |(target, staged, _): &&(Reference, Staged, usize)| {
            matches!(staged, Staged::Create { .. }) && target.id.as_str() == id
        };
        self.entries.iter().find(create).map(|(target, _, _)| target)
    }

    /// What the server had of `target` when a write to it was staged; `None` for creates and where nothing is staged.
    pub(crate) fn base(&self, target: &Reference) -> Option<&Base> {
        match &self.entries[self.find(target)?].1 {
            Staged::Update { base, .. } | Staged::Delete { base } => Some(base),
            Staged::Create { .. } => None,
        }
    }

    /// Staged contents of one type, in order; `true` for creates.
    pub(crate) fn of_type<'a>(
        &'a self,
        kind: &'a ResourceType,
    ) -> impl Iterator<Item = (&'a Reference, Option<&'a Document>, bool)> {
        self.entries.iter().filter(move |(target, _, _)| target.resource_type == *kind).map(|(target, staged, _)| match staged {
            Staged::Create { resource, .. } => (target, Some(resource), true),
            Staged::Update { resource, .. } => (target, Some(resource), false),
            Staged::Delete { .. } => (target, None, false),
        })
    }

    /// Stages a new resource under an id derived from the run and the ordinal of the create, so that each attempt gives the same.
    /// Answers what the bot may put into references.
    ///
    /// # Errors
    /// None in practice: both forms of the id are within FHIR's alphabet and length.
    pub(crate) fn create(
        &mut self,
        run: RunId,
        kind: &ResourceType,
        mut resource: Value,
        if_none_exist: Option<String>,
        is_final: bool,
    ) -> Result<(Reference, String), BadId> {
        let ordinal = self.creates;
        self.creates += 1;
        let digest = Digest::of_parts(&[b"create", run.as_bytes(), &ordinal.to_be_bytes()]);
        let id = if is_final { RunId::of_parts(&[digest.as_bytes()]).bare() } else { uuid(&digest) };
        if let Value::Object(members) = &mut resource {
            members.insert("id".to_owned(), Value::String(id.clone()));
        }
        let target = Reference { resource_type: kind.clone(), id: ResourceId::new(id)? };
        let name = if is_final { target.to_string() } else { format!("urn:uuid:{}", target.id) };
        self.put(target.clone(), Some(Staged::Create { is_final, if_none_exist, resource: Document::from(resource) }));
        Ok((target, name))
    }

    /// Stages new content. `base` is what the server had, needed where nothing is staged yet. Content equal to what the server has
    /// stages nothing, and takes back what was staged.
    pub(crate) fn update(&mut self, target: &Reference, resource: Document, base: Option<Base>) {
        let staged = match self.find(target).map(|at| self.entries[at].1.clone()) {
            Some(Staged::Create { is_final, if_none_exist, .. }) => Some(Staged::Create { is_final, if_none_exist, resource }),
            Some(Staged::Update { base, .. } | Staged::Delete { base }) => changed(base, resource),
            None => base.and_then(|base| changed(base, resource)),
        };
        self.put(target.clone(), staged);
    }

    /// Stages the end of a resource. A staged create is taken back instead.
    pub(crate) fn delete(&mut self, target: &Reference, base: Option<Base>) {
        let staged = match self.find(target).map(|at| self.entries[at].1.clone()) {
            Some(Staged::Create { .. }) => None,
            Some(Staged::Update { base, .. } | Staged::Delete { base }) => Some(Staged::Delete { base }),
            None => base.map(|base| Staged::Delete { base }),
        };
        self.put(target.clone(), staged);
    }

    /// The writes to commit, in the order in which they were staged.
    pub(crate) fn into_writes(self) -> Vec<Write> {
        let write = |(target, staged, _): (Reference, Staged, usize)| match staged {
            Staged::Create { is_final, if_none_exist, resource } => {
                let mut resource = owned(resource);
                let reference = if is_final {
                    target.to_string()
                } else {
                    if let Value::Object(members) = &mut resource {
                        members.shift_remove("id");
                    }
                    format!("urn:uuid:{}", target.id)
                };
                Write::Create { resource_type: target.resource_type, reference, is_final, if_none_exist, resource }
            }
            Staged::Update { base, resource } => Write::Update { target, read: base.version, resource: owned(resource) },
            Staged::Delete { base } => Write::Delete { target, read: base.version },
        };
        self.entries.into_iter().map(write).collect()
    }

    fn find(&self, target: &Reference) -> Option<usize> {
        self.entries.iter().position(|(other, _, _)| other == target)
    }

    fn put(&mut self, target: Reference, staged: Option<Staged>) {
        let at = self.find(&target);
        if let Some(at) = at {
            self.bytes -= self.entries[at].2;
        }
        match (at, staged) {
            (Some(at), Some(staged)) => {
                let size = size(&staged);
                self.bytes += size;
                self.entries[at] = (target, staged, size);
            }
            (Some(at), None) => {
                self.entries.remove(at);
            }
            (None, Some(staged)) => {
                let size = size(&staged);
                self.bytes += size;
                self.entries.push((target, staged, size));
            }
            (None, None) => {}
        }
    }
}

fn owned(document: Document) -> Value {
    let shared = document.shared();
    drop(document);
    Arc::unwrap_or_clone(shared)
}

fn size(staged: &Staged) -> usize {
    match staged {
        Staged::Create { resource, .. } | Staged::Update { resource, .. } => resource.size(),
        Staged::Delete { .. } => 0,
    }
}

fn changed(base: Base, resource: Document) -> Option<Staged> {
    (!same_content(base.resource.value(), resource.value())).then_some(Staged::Update { base, resource })
}

/// Whether two versions say the same, whatever the server wrote into `meta.versionId` and `meta.lastUpdated`.
fn same_content(a: &Value, b: &Value) -> bool {
    let (Value::Object(a), Value::Object(b)) = (a, b) else { return a == b };
    let rest = |of: &serde_json::Map<String, Value>| of.keys().filter(|key| *key != "meta").count();
    rest(a) == rest(b)
        && a.iter().filter(|(key, _)| *key != "meta").all(|(key, value)| b.get(key) == Some(value))
        && authored_meta(a.get("meta")) == authored_meta(b.get("meta"))
}

fn authored_meta(meta: Option<&Value>) -> Vec<(&String, &Value)> {
    let mut kept: Vec<_> = meta
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(key, _)| !matches!(key.as_str(), "versionId" | "lastUpdated"))
        .collect();
    kept.sort_by_key(|(key, _)| *key);
    kept
}

/// A version 8 UUID (RFC 9562): 122 bits of the digest.
fn uuid(digest: &Digest) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    bytes[6] = 0x80 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests;
