//! Reading the history of one resource so that no version is missing where another one could be taken for the next.

use std::collections::BTreeSet;

use hob_fhir::{FhirErrorKind, HistoryEntry};
use hob_model::{Interaction, Reference, Timestamp};

use super::Unresolved;
use super::order::{self, Mark, Version};
use crate::sources::SourceEntry;

/// Pages of a history that are read for one hint, of [`PAGE`] versions each.
const PAGES: usize = 200;
const PAGE: u32 = 50;
/// Versions that are asked for one by one because the history lacks them.
const FILLED: usize = 1_000;

/// A history as far back as it had to be read.
#[derive(Debug)]
pub(super) struct Read {
    /// The newest first.
    pub(super) versions: Vec<Version>,
    /// It goes back to the first version.
    pub(super) whole: bool,
}

/// Reads a history back to the mark; without one, to what is older than `since`. `None` where the source has none.
pub(super) async fn history(
    entry: &SourceEntry,
    reference: &Reference,
    mark: Option<&Mark>,
    since: Option<Timestamp>,
) -> Result<Option<Read>, Unresolved> {
    let mut page = match entry.client.history(reference, Some(PAGE)).await {
        Ok(page) => page,
        Err(error) if matches!(error.kind, FhirErrorKind::NotFound | FhirErrorKind::Gone) => return Ok(None),
        // From a source that was proved to have histories it is no answer: going on without would pass over what lies between.
        Err(error) if matches!(error.kind, FhirErrorKind::Refused | FhirErrorKind::Invalid) && !entry.has_histories() => {
            return Ok(None);
        }
        Err(error) => return Err(Unresolved::from_read(error, "history of the resource")),
    };
    let mut versions: Vec<Version> = Vec::new();
    let counts = entry.counts_versions();
    for _ in 0..PAGES {
        let entries = page.history().map_err(|e| Unresolved::from_read(e, "history of the resource"))?;
        for entry in entries {
            // Pages by offset repeat entries when a version is added between them.
            if !versions.iter().any(|known| known.version == entry.version) {
                versions.push(version(entry));
            }
        }
        if counts {
            order::by_number(&mut versions);
        }
        let Some(next) = page.next.clone() else {
            if !counts {
                return Ok(Some(Read { versions, whole: true }));
            }
            fill(entry, reference, &mut versions, mark, since).await?;
            let whole = versions.last().is_some_and(|oldest| oldest.version.number() == Some(1));
            return Ok(Some(Read { versions, whole }));
        };
        if order::reaches(&versions, mark, since, counts) {
            return Ok(Some(Read { versions, whole: false }));
        }
        page = entry.client.more(&next).await.map_err(|e| Unresolved::from_read(e, "history of the resource"))?;
    }
    Err(Unresolved::dead(
        "history-too-long",
        "more versions than can be read lie between this one and the last one that was seen",
    ))
}

/// Asks for what a history that ended should have shown, version by version.
///
/// HAPI counts the versions first and reads that many then: where one is written in between, the oldest falls off the end of the last page, and no
/// link tells of it. A version that is asked for by its number is there, was a delete, or was purged.
async fn fill(
    entry: &SourceEntry,
    reference: &Reference,
    versions: &mut Vec<Version>,
    mark: Option<&Mark>,
    since: Option<Timestamp>,
) -> Result<(), Unresolved> {
    let mut purged = BTreeSet::new();
    for _ in 0..FILLED {
        let Some(missing) = order::missing(versions, mark, since, &purged) else { return Ok(()) };
        let Ok(id) = missing.to_string().parse() else { return Ok(()) };
        match entry.client.vread(reference, &id).await {
            Ok(found) => {
                let (occurred, resource) = (found.last_updated, Some(found.resource));
                versions.push(Version { version: id, deleted: false, occurred, resource });
            }
            Err(error) if error.kind == FhirErrorKind::Gone => {
                versions.push(Version { version: id, deleted: true, occurred: None, resource: None });
            }
            Err(error) if error.kind == FhirErrorKind::NotFound => {
                purged.insert(missing);
            }
            Err(error) => return Err(Unresolved::from_read(error, "read of a version that the history lacks")),
        }
        order::by_number(versions);
    }
    Err(Unresolved::Again)
}

fn version(entry: HistoryEntry) -> Version {
    Version {
        version: entry.version,
        deleted: entry.interaction == Interaction::Delete,
        occurred: entry.last_updated,
        resource: entry.resource,
    }
}
