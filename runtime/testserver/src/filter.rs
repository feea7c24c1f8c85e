//! One parameter of a search, made ready to judge resources: by `hob-search` where the resource alone tells, and here what needs the others: chains,
//! `_has`, `_list`. Those are worked out once, when the search is compiled, on the store as the search sees it.

use std::collections::BTreeSet;

use hob_search::{Criteria, CriteriaError, Lens, ParameterType};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::Server;
use crate::elements::is_resource;
use crate::refusal::Refusal;
use crate::settings::Manners;
use crate::store::{Sequence, Version};

/// How many chains and `_has` may stand in one another.
const DEEPEST: usize = 8;

/// One parameter, compiled.
pub(crate) enum Filter {
    /// What the resource alone tells.
    Own(Criteria),
    /// A chain: one of its references leads to one of these.
    LeadsTo(Lens, BTreeSet<(String, String)>),
    /// `_has`, `_list`: it is one of these, by id.
    IsOne(BTreeSet<String>),
    /// `:text` of a token: one of its texts begins so.
    Says(Lens, Vec<String>),
}

/// Why a parameter makes no filter.
pub(crate) enum Unfit {
    /// R4 does not have it for this type: a lenient server leaves it out.
    Unknown(Refusal),
    Refused(Refusal),
}

impl Filter {
    /// Compiles `name=value`, as it was sent; `sequence` is the newest commit that the search sees.
    pub(crate) fn compile(server: &Server, sequence: Sequence, resource_type: &str, piece: &str) -> Result<Self, Unfit> {
        Compiler { server, sequence }.filter(resource_type, piece, 0)
    }

    pub(crate) fn passes(&self, server: &Server, resource: &Value) -> bool {
        match self {
            Self::Own(criteria) => criteria.matches(resource),
            Self::LeadsTo(lens, targets) => lens.references(resource, &server.bases).iter().any(|to| targets.contains(to)),
            Self::IsOne(ids) => resource.get("id").and_then(Value::as_str).is_some_and(|id| ids.contains(id)),
            Self::Says(lens, wanted) => {
                let mut found = false;
                lens.texts(resource, &server.bases, &mut |text| {
                    let text = text.to_lowercase();
                    found |= wanted.iter().any(|wanted| text.starts_with(wanted));
                });
                found
            }
        }
    }
}

struct Compiler<'s> {
    server: &'s Server,
    sequence: Sequence,
}

impl Compiler<'_> {
    fn filter(&self, resource_type: &str, piece: &str, depth: usize) -> Result<Filter, Unfit> {
        if depth > DEEPEST {
            return Err(refused("the chain is too long"));
        }
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let name = percent_decode_str(name).decode_utf8_lossy();
        if let Some(rest) = name.strip_prefix("_has:") {
            let parts: Vec<&str> = rest.splitn(3, ':').collect();
            let [other, code, rest] = parts[..] else { return Err(refused("_has is written _has:Type:reference:parameter")) };
            return self.has(resource_type, other, code, &format!("{rest}={value}"), depth);
        }
        if let Some((link, rest)) = name.split_once('.') {
            return self.chain(resource_type, link, &format!("{rest}={value}"), depth);
        }
        if name == "_list" {
            return Ok(self.list(resource_type, value));
        }
        if let Some((code, "text")) = name.split_once(':')
            && let Some(lens) = Lens::of(resource_type, code).filter(|lens| lens.kind() == ParameterType::Token)
        {
            let value = percent_decode_str(value).decode_utf8_lossy().replace('+', " ").to_lowercase();
            return Ok(Filter::Says(lens, value.split(',').map(str::to_owned).collect()));
        }
        let criteria = Criteria::parse_query(resource_type, piece).map_err(|error| {
            let text = error.to_string();
            match error {
                CriteriaError::UnknownParameter { .. } => Unfit::Unknown(Refusal::malformed(text)),
                CriteriaError::NotJudgeable { .. } => Unfit::Refused(Refusal::unsupported(text)),
                _ => Unfit::Refused(Refusal::malformed(text)),
            }
        })?;
        Ok(Filter::Own(criteria.with_server_bases(self.server.bases.clone())))
    }

    fn has(&self, resource_type: &str, other: &str, code: &str, rest: &str, depth: usize) -> Result<Filter, Unfit> {
        if !is_resource(other) {
            return Err(refused("_has names a type that R4 does not have"));
        }
        let lens = reference(other, code)?;
        let inner = self.filter(other, rest, depth + 1).map_err(found_out)?;
        let mut ids = BTreeSet::new();
        for (_, version) in self.all(other) {
            if let Some(content) = &version.content
                && inner.passes(self.server, &content.value)
            {
                let own = lens.references(&content.value, &self.server.bases).into_iter();
                ids.extend(own.filter(|(to, _)| to == resource_type).map(|(_, id)| id));
            }
        }
        Ok(Filter::IsOne(ids))
    }

    fn chain(&self, resource_type: &str, link: &str, rest: &str, depth: usize) -> Result<Filter, Unfit> {
        let (code, only) = link.split_once(':').map_or((link, None), |(code, only)| (code, Some(only)));
        let lens = reference(resource_type, code)?;
        let targets: Vec<&str> = match only {
            Some(only) if is_resource(only) => vec![only],
            Some(_) => return Err(refused("a chain names a type that R4 does not have")),
            None if lens.targets().is_empty() => hob_search::resource_types().collect(),
            None => lens.targets().iter().map(String::as_str).collect(),
        };
        let mut found = BTreeSet::new();
        let mut why = None;
        let mut is_known = false;
        for target in targets {
            match self.filter(target, rest, depth + 1) {
                Ok(inner) => {
                    is_known = true;
                    let all = self.all(target);
                    let fits = all.filter(|(_, version)| {
                        version.content.as_ref().is_some_and(|content| inner.passes(self.server, &content.value))
                    });
                    found.extend(fits.map(|(id, _)| (target.to_owned(), id.to_owned())));
                }
                // A target type that lacks the parameter is not what is meant.
                Err(Unfit::Unknown(refusal)) => why = Some(Unfit::Refused(refusal)),
                Err(refused) => why = Some(refused),
            }
        }
        match why {
            Some(why) if !is_known => Err(why),
            _ => Ok(Filter::LeadsTo(lens, found)),
        }
    }

    /// The members of a List, if there is one.
    fn list(&self, resource_type: &str, value: &str) -> Filter {
        let id = percent_decode_str(value).decode_utf8_lossy();
        let version = self.server.store.record("List", &id).and_then(|record| record.as_of(self.sequence));
        let content = version.and_then(|version| version.content.as_ref());
        let ids = content.into_iter().flat_map(|content| {
            let lens = Lens::of("List", "item");
            lens.map(|lens| lens.references(&content.value, &self.server.bases)).unwrap_or_default()
        });
        Filter::IsOne(ids.filter(|(to, _)| to == resource_type).map(|(_, id)| id).collect())
    }

    fn all(&self, resource_type: &str) -> impl Iterator<Item = (&str, &Version)> {
        let shelf = self.server.store.shelf(resource_type);
        let records = shelf.into_iter().flat_map(|shelf| shelf.records.iter());
        records.filter_map(|(id, record)| Some((&**id, record.as_of(self.sequence)?)))
    }
}

/// Whether parameters that R4 does not have are refused, whatever a client prefers: HAPI's are.
pub(crate) fn is_always_strict(manners: Manners) -> bool {
    manners == Manners::Hapi
}

fn reference(resource_type: &str, code: &str) -> Result<Lens, Unfit> {
    let lens = Lens::of(resource_type, code);
    lens.filter(|lens| lens.kind() == ParameterType::Reference)
        .ok_or_else(|| Unfit::Refused(Refusal::malformed(format!("{resource_type} has no reference parameter {code}"))))
}

fn refused(text: &str) -> Unfit {
    Unfit::Refused(Refusal::malformed(text))
}

/// Inside `_has` a parameter that is not known is a mistake, not something to leave out.
fn found_out(unfit: Unfit) -> Unfit {
    match unfit {
        Unfit::Unknown(refusal) | Unfit::Refused(refusal) => Unfit::Refused(refusal),
    }
}
