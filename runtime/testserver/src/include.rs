//! Resources beside the hits of a search: `_include` and `_revinclude` (R4 `search.html#include`).

use std::collections::BTreeSet;

use hob_search::{Lens, ParameterType};
use percent_encoding::percent_decode_str;

use crate::Server;
use crate::elements::is_resource;
use crate::refusal::Refusal;
use crate::store::{Sequence, Version};

/// One `_include` or `_revinclude`.
#[derive(Debug)]
pub(crate) struct Include {
    /// The type that refers; none for any.
    from: Option<String>,
    /// The parameter that refers; none for all.
    code: Option<String>,
    /// Only what is of this type.
    target: Option<String>,
    iterates: bool,
    is_reverse: bool,
}

/// A resource by type, id and version.
pub(crate) type Found<'s> = (&'s str, &'s str, &'s Version);

impl Include {
    /// Reads the value of `_include` or `_revinclude`, `name` with its modifier.
    pub(crate) fn read(name: &str, value: &str) -> Result<Self, Refusal> {
        let value = percent_decode_str(value).decode_utf8_lossy();
        let (name, modifier) = name.split_once(':').map_or((name, None), |(name, modifier)| (name, Some(modifier)));
        let iterates = match modifier {
            None => false,
            Some("iterate" | "recurse") => true,
            Some(_) => return Err(Refusal::malformed("_include has the modifier :iterate alone")),
        };
        let is_reverse = name == "_revinclude";
        let parts: Vec<&str> = value.split(':').collect();
        let (from, code, target) = match parts[..] {
            ["*"] => (None, None, None),
            [from, "*"] => (Some(from), None, None),
            [from, code] => (Some(from), Some(code), None),
            [from, code, target] => (Some(from), Some(code), Some(target)),
            _ => return Err(Refusal::malformed("_include is written Type:parameter or Type:parameter:Target")),
        };
        if from.into_iter().chain(target).any(|name| !is_resource(name)) {
            return Err(Refusal::malformed("_include names a type that R4 does not have"));
        }
        if let (Some(from), Some(code)) = (from, code) {
            let lens = Lens::of(from, code);
            let is_reference = lens.as_ref().is_some_and(|lens| lens.kind() == ParameterType::Reference);
            if !is_reference && (!is_reverse || lens.is_none()) {
                return Err(Refusal::malformed(format!("{from} has no reference parameter {code} to include by")));
            }
        }
        let owned = |part: Option<&str>| part.map(str::to_owned);
        Ok(Self { from: owned(from), code: owned(code), target: owned(target), iterates, is_reverse })
    }

    fn lenses(&self, from: &str) -> Vec<Lens> {
        match &self.code {
            Some(code) => Lens::of(from, code).filter(|lens| lens.kind() == ParameterType::Reference).into_iter().collect(),
            None => Lens::references_of(from).map(|(_, lens)| lens).collect(),
        }
    }

    fn follow<'s>(&self, server: &'s Server, sequence: Sequence, from: &[Found<'s>]) -> Vec<Found<'s>> {
        if self.is_reverse { self.back(server, sequence, from) } else { self.forth(server, sequence, from) }
    }

    fn forth<'s>(&self, server: &'s Server, sequence: Sequence, from: &[Found<'s>]) -> Vec<Found<'s>> {
        let mut out = Vec::new();
        for (resource_type, _, version) in from {
            let Some(content) = &version.content else { continue };
            if self.from.as_deref().is_some_and(|from| from != *resource_type) {
                continue;
            }
            for lens in self.lenses(resource_type) {
                let targets = lens.references(&content.value, &server.bases).into_iter();
                out.extend(targets.filter_map(|(to, id)| look(server, sequence, &to, &id)));
                for url in lens.canonicals(&content.value, &server.bases) {
                    let of_target = lens.targets().iter().flat_map(|to| current(server, sequence, to));
                    out.extend(of_target.filter(|(.., version)| {
                        version
                            .content
                            .as_ref()
                            .is_some_and(|content| content.value.get("url").is_some_and(|own| *own == url.as_str()))
                    }));
                }
            }
        }
        out.retain(|(to, ..)| self.target.as_deref().is_none_or(|target| target == *to));
        out
    }

    fn back<'s>(&self, server: &'s Server, sequence: Sequence, to: &[Found<'s>]) -> Vec<Found<'s>> {
        let wanted: BTreeSet<(&str, &str)> = to.iter().map(|(resource_type, id, _)| (*resource_type, *id)).collect();
        let types: Vec<&str> = match &self.from {
            Some(from) => vec![from.as_str()],
            None => server.store.shelves().map(|(name, _)| name).collect(),
        };
        let mut out = Vec::new();
        for name in types {
            let lenses = self.lenses(name);
            out.extend(current(server, sequence, name).filter(|(.., version)| {
                let Some(content) = &version.content else { return false };
                let references = lenses.iter().flat_map(|lens| lens.references(&content.value, &server.bases));
                references.into_iter().any(|(to, id)| {
                    wanted.contains(&(to.as_str(), id.as_str())) && self.target.as_deref().is_none_or(|target| target == to)
                })
            }));
        }
        out
    }
}

/// All that stands beside these hits, each once, in the order in which it was found.
pub(crate) fn beside<'s>(server: &'s Server, sequence: Sequence, includes: &[Include], hits: &[Found<'s>]) -> Vec<Found<'s>> {
    let mut seen: BTreeSet<(&str, &str)> = hits.iter().map(|(resource_type, id, _)| (*resource_type, *id)).collect();
    let mut all = Vec::new();
    let mut latest: Vec<Found<'s>> = hits.to_vec();
    let mut is_first = true;
    while !latest.is_empty() {
        let mut found = Vec::new();
        for include in includes.iter().filter(|include| is_first || include.iterates) {
            let more = include.follow(server, sequence, &latest);
            found.extend(more.into_iter().filter(|(resource_type, id, _)| seen.insert((*resource_type, *id))));
            // What a plain include found in the first round is where the iterating ones begin.
        }
        all.extend(found.iter().copied());
        latest = found;
        is_first = false;
    }
    all
}

/// All that these refer to, and what that refers to in turn; patients, of whom nobody asked, end it.
pub(crate) fn referred_to<'s>(server: &'s Server, sequence: Sequence, hits: &[Found<'s>]) -> Vec<Found<'s>> {
    let mut seen: BTreeSet<(&str, &str)> = hits.iter().map(|(resource_type, id, _)| (*resource_type, *id)).collect();
    let mut all = Vec::new();
    let mut latest = hits.to_vec();
    while !latest.is_empty() {
        let mut found = Vec::new();
        for (resource_type, _, version) in &latest {
            let Some(content) = &version.content else { continue };
            for (_, lens) in Lens::references_of(resource_type) {
                let targets = lens.references(&content.value, &server.bases).into_iter().filter(|(to, _)| to != "Patient");
                let targets = targets.filter_map(|(to, id)| look(server, sequence, &to, &id));
                found.extend(targets.filter(|(to, id, _)| seen.insert((*to, *id))));
            }
        }
        all.extend(found.iter().copied());
        latest = found;
    }
    all
}

/// A resource as it was at `sequence`, if it was there.
pub(crate) fn look<'s>(server: &'s Server, sequence: Sequence, resource_type: &str, id: &str) -> Option<Found<'s>> {
    let (name, shelf) = server.store.named_shelf(resource_type)?;
    let (id, record) = shelf.records.get_key_value(id)?;
    let version = record.as_of(sequence).filter(|version| version.content.is_some())?;
    Some((name, id, version))
}

/// All of a type that were there at `sequence`.
pub(crate) fn current<'s>(server: &'s Server, sequence: Sequence, resource_type: &str) -> impl Iterator<Item = Found<'s>> {
    let shelf = server.store.named_shelf(resource_type);
    shelf.into_iter().flat_map(move |(name, shelf)| {
        shelf.records.iter().filter_map(move |(id, record)| {
            let version = record.as_of(sequence).filter(|version| version.content.is_some())?;
            Some((name, &**id, version))
        })
    })
}
