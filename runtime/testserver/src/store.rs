//! What the server keeps: every version of every resource, in the order of commits.
//!
//! Nothing is ever taken out. So a page of a search or a history that was begun earlier is judged on the store as it was then (see
//! [`Record::as_of`]), and the index of identifiers may name resources that have the identifier no more: whoever asks it judges what it gives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hob_model::{Interaction, Timestamp};
use serde_json::Value;

/// The place of a version among all commits of a server, from 1.
pub(crate) type Sequence = u64;

/// A resource's content with its own id and meta; its bytes are made when somebody first asks.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) value: Value,
    bytes: OnceLock<Bytes>,
}

impl Content {
    pub(crate) fn new(value: Value) -> Self {
        Self { value, bytes: OnceLock::new() }
    }

    pub(crate) fn bytes(&self) -> Bytes {
        self.bytes.get_or_init(|| Bytes::from(self.value.to_string())).clone()
    }
}

/// One version of one resource.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) sequence: Sequence,
    /// `meta.versionId`.
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) interaction: Interaction,
    /// None for a delete.
    pub(crate) content: Option<Content>,
}

/// All versions of one resource, oldest first; never empty.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) versions: Vec<Version>,
}

impl Record {
    pub(crate) fn current(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// The version that was current when the commit `sequence` was the newest.
    pub(crate) fn as_of(&self, sequence: Sequence) -> Option<&Version> {
        match self.versions.last() {
            Some(newest) if newest.sequence <= sequence => Some(newest),
            _ => self.versions[..self.versions.partition_point(|version| version.sequence <= sequence)].last(),
        }
    }

    pub(crate) fn version(&self, id: &str) -> Option<&Version> {
        let counted = id.parse::<usize>().ok().and_then(|number| self.versions.get(number.checked_sub(1)?));
        counted.filter(|version| version.id == id).or_else(|| self.versions.iter().rev().find(|version| version.id == id))
    }
}

/// A line of a type's log.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) id: Arc<str>,
    /// The version's index in its record.
    pub(crate) index: usize,
    /// The latest instant of this line and all before it: the clock may have gone back in between.
    latest: Timestamp,
}

/// All resources of one type.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) records: BTreeMap<Arc<str>, Record>,
    /// Oldest first.
    pub(crate) log: Vec<Logged>,
    /// `system|value` to those that have, or had, such an identifier.
    identifiers: BTreeMap<String, BTreeSet<Arc<str>>>,
}

impl Shelf {
    /// The part of the log that holds every version since `at`, and some before it where the clock went back.
    pub(crate) fn log_since(&self, at: Timestamp) -> &[Logged] {
        &self.log[self.log.partition_point(|line| line.latest < at)..]
    }

    /// Those that may have the identifier, as `system|value`.
    pub(crate) fn with_identifier(&self, token: &str) -> impl Iterator<Item = &Arc<str>> {
        self.identifiers.get(token).into_iter().flatten()
    }

    fn push(&mut self, id: &str, version: Version) {
        let key = match self.records.get_key_value(id) {
            Some((key, _)) => Arc::clone(key),
            None => Arc::from(id),
        };
        for token in version.content.iter().flat_map(|content| identifiers(&content.value)) {
            self.identifiers.entry(token).or_default().insert(Arc::clone(&key));
        }
        let latest = self.log.last().map_or(version.at, |line| line.latest.max(version.at));
        let record = self.records.entry(Arc::clone(&key)).or_default();
        self.log.push(Logged { id: key, index: record.versions.len(), latest });
        record.versions.push(version);
    }
}

/// The identifiers of a resource as tokens; `masterIdentifier` is part of the parameter `identifier` of documents.
fn identifiers(resource: &Value) -> impl Iterator<Item = String> {
    let one_or_many = |value: &'static str| match resource.get(value) {
        Some(Value::Array(many)) => many.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let all = one_or_many("identifier").iter().chain(one_or_many("masterIdentifier"));
    all.filter_map(|identifier| {
        let value = identifier.get("value")?.as_str()?;
        let system = identifier.get("system").and_then(Value::as_str).unwrap_or_default();
        Some(format!("{system}|{value}"))
    })
}

/// All types.
#[derive(Debug)]
pub(crate) struct Store {
    shelves: BTreeMap<String, Shelf>,
    /// How many commits of versions there were.
    pub(crate) sequence: Sequence,
    /// The number that the next id is tried with.
    pub(crate) next_id: u64,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { shelves: BTreeMap::new(), sequence: 0, next_id: 1 }
    }

    pub(crate) fn shelf(&self, resource_type: &str) -> Option<&Shelf> {
        self.shelves.get(resource_type)
    }

    /// The same, with the store's own name of the type.
    pub(crate) fn named_shelf(&self, resource_type: &str) -> Option<(&str, &Shelf)> {
        self.shelves.get_key_value(resource_type).map(|(name, shelf)| (name.as_str(), shelf))
    }

    pub(crate) fn shelves(&self) -> impl Iterator<Item = (&str, &Shelf)> {
        self.shelves.iter().map(|(resource_type, shelf)| (resource_type.as_str(), shelf))
    }

    pub(crate) fn record(&self, resource_type: &str, id: &str) -> Option<&Record> {
        self.shelf(resource_type)?.records.get(id)
    }

    pub(crate) fn current(&self, resource_type: &str, id: &str) -> Option<&Version> {
        self.record(resource_type, id)?.current()
    }

    /// Adds a version; its sequence must be the next one.
    pub(crate) fn push(&mut self, resource_type: &str, id: &str, version: Version) {
        self.sequence = version.sequence;
        match self.shelves.get_mut(resource_type) {
            Some(shelf) => shelf.push(id, version),
            None => self.shelves.entry(resource_type.to_owned()).or_default().push(id, version),
        }
    }
}
