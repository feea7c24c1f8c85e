//! The order of what a search finds (R4 `search.html#sort`).

use std::cmp::Ordering;

use hob_search::{Lens, SortKey};
use percent_encoding::percent_decode_str;

use crate::Server;
use crate::refusal::Refusal;
use crate::store::Version;

/// One key of `_sort`, the most important one first.
pub(crate) struct Sort {
    by: By,
    down: bool,
}

enum By {
    Id,
    LastUpdated,
    Parameter(Lens),
}

/// What one key makes of one resource.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Id(&'a str),
    At(hob_model::Timestamp, u64),
    Own(SortKey),
}

/// Reads `_sort`.
pub(crate) fn read(resource_type: &str, value: &str) -> Result<Vec<Sort>, Refusal> {
    let value = percent_decode_str(value).decode_utf8_lossy();
    let keys = value.split(',').map(|key| {
        let (name, down) = key.strip_prefix('-').map_or((key, false), |name| (name, true));
        let by = match name {
            "_id" => By::Id,
            "_lastUpdated" => By::LastUpdated,
            _ => match Lens::of(resource_type, name) {
                Some(lens) => By::Parameter(lens),
                None => return Err(Refusal::unsupported("this server does not know _sort with this value")),
            },
        };
        Ok(Sort { by, down })
    });
    keys.collect()
}

/// Puts what was found in order. What has nothing to be sorted by comes last either way; ids settle what is left.
pub(crate) fn sort(server: &Server, sorts: &[Sort], found: &mut Vec<(&str, &Version)>) {
    if sorts.is_empty() {
        return;
    }
    let mut keyed: Vec<_> = found
        .drain(..)
        .map(|(id, version)| (sorts.iter().map(|sort| sort.key(server, id, version)).collect::<Vec<_>>(), id, version))
        .collect();
    keyed.sort_by(|(a, a_id, _), (b, b_id, _)| {
        let pairs = sorts.iter().zip(a.iter().zip(b));
        pairs.map(|(sort, (a, b))| sort.compare(a.as_ref(), b.as_ref())).find(|order| order.is_ne()).unwrap_or(a_id.cmp(b_id))
    });
    found.extend(keyed.into_iter().map(|(_, id, version)| (id, version)));
}

impl Sort {
    fn key<'a>(&self, server: &Server, id: &'a str, version: &Version) -> Option<Key<'a>> {
        match &self.by {
            By::Id => Some(Key::Id(id)),
            By::LastUpdated => Some(Key::At(version.at, version.sequence)),
            By::Parameter(lens) => {
                let keys = lens.sort_keys(&version.content.as_ref()?.value, &server.bases).into_iter();
                if self.down { keys.max() } else { keys.min() }.map(Key::Own)
            }
        }
    }

    fn compare(&self, a: Option<&Key<'_>>, b: Option<&Key<'_>>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) if self.down => b.cmp(a),
            (Some(a), Some(b)) => a.cmp(b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }
}
