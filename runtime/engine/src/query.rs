//! What a bot may ask of a server by a search, and the search that is sent for it.
//!
//! Hits that the scopes do not cover are dropped from an answer one by one ([`crate::host`]). That is not enough: whether there is an answer, how
//! many pages it has and what it counts tell of what was dropped. So a search that looks at other types, by a chain or `_has`, needs all of those; and one
//! on a type of which the bot has a part says so to the server as well.

use hob_model::ResourceType;

use crate::criteria::{self, Criteria, Reach};
use crate::scopes::{Access, Missing, Need, Part};

/// A search that may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// What follows the question mark.
    pub(crate) query: String,
    /// It is of a part of the type: what the server counts is not for the bot.
    pub(crate) narrowed: bool,
}

/// Why a search is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is beyond the scopes: the attempt ends.
    Scope(Missing),
    /// It has to be asked otherwise: the bot is told.
    Otherwise(String),
}

impl From<Missing> for Refused {
    fn from(missing: Missing) -> Self {
        Self::Scope(missing)
    }
}

/// Parameters by which an answer would show less than whole resources, which nobody can judge, or what contains them.
const PARTIAL: [&str; 5] = ["_elements", "_summary", "_contained", "_containedType", "_fields"];

/// Holds a search to the scopes.
pub(crate) fn permit(access: &Access, kind: &ResourceType, query: &str) -> Result<Asked, Refused> {
    let grant = access.grant(kind, Need::Search)?;
    readable(query)?;
    whole_elsewhere(access, kind, query)?;
    let Part::Some(rules) = grant.part() else { return Ok(Asked { query: query.to_owned(), narrowed: false }) };
    if let Some(name) = names(query).find(|name| PARTIAL.contains(&name.as_str())) {
        return Err(Refused::Otherwise(format!(
            "the scopes cover a part of {kind}, which cannot be judged with {name}: leave it out"
        )));
    }
    let parts: Vec<String> = rules.iter().filter_map(|rule| rule.narrows(access, kind)).collect();
    let says = |part: &&String| part.split('&').all(|pair| query.split('&').any(|asked| asked == pair));
    if parts.iter().any(|part| says(&part)) {
        return Ok(Asked { query: query.to_owned(), narrowed: true });
    }
    match parts.as_slice() {
        [] => Err(grant.missing().into()),
        [part] if query.is_empty() => Ok(Asked { query: part.clone(), narrowed: true }),
        [part] => Ok(Asked { query: format!("{query}&{part}"), narrowed: true }),
        _ => Err(Refused::Otherwise(format!(
            "several scopes cover a part of {kind} each: say in the search which one is meant, by one of `{}`",
            parts.join("`, `")
        ))),
    }
}

/// Holds to the scopes what a search looks at in other types than its own. A conditional reference in content that is written is such a search, of which
/// the server says what it found: it needs all of its own type too.
pub(crate) fn permit_reference(access: &Access, kind: &ResourceType, query: &str) -> Result<(), Refused> {
    access.searches_all(Some(kind), "for a conditional reference")?;
    readable(query)?;
    // A server reads it without our client in between, which refuses what it does not know.
    Criteria::parse_query(kind, query).map(drop).map_err(Refused::Otherwise)
}

/// The longest search.
const LONGEST: usize = 8_192;

/// Refuses what a server may read otherwise than the host does: some cut what comes before a question mark, or trim names.
pub(crate) fn readable(query: &str) -> Result<(), Refused> {
    if query.len() > LONGEST {
        return Err(Refused::Otherwise(format!("the search has {} bytes; {LONGEST} are the most", query.len())));
    }
    let odd = query.contains(|c: char| c == '?' || c == '#' || c.is_control());
    let trimmed = query.split('&').any(|pair| pair.split('=').next().unwrap_or_default().contains(char::is_whitespace));
    if odd || trimmed {
        return Err(Refused::Otherwise("in a search, write ? and # percent-encoded, and names without white space".to_owned()));
    }
    Ok(())
}

/// Whether what a server counts is of hits alone: not where it shows others beside them, which may be hidden.
pub(crate) fn counts(query: &str) -> bool {
    !names(query).any(|name| ["_include", "_revinclude"].contains(&name.as_str()))
}

fn whole_elsewhere(access: &Access, kind: &ResourceType, query: &str) -> Result<(), Refused> {
    // Most searches are of plain parameters, and are not taken apart for this.
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    if query.split('&').map(name).all(|name| !name.starts_with('_') && !name.contains([':', '.', '%'])) {
        return Ok(());
    }
    for reach in criteria::reaches(kind, query).map_err(Refused::Otherwise)? {
        match reach {
            Reach::Type(name) => {
                let other = ResourceType::new(&name).map_err(|why| Refused::Otherwise(why.to_string()))?;
                access.searches_all(Some(&other), "for what the search looks at")?;
            }
            Reach::Anything(name) => access.searches_all(None, &format!("for {name}"))?,
        }
    }
    Ok(())
}

/// Whether an answer to the search may hold less than whole resources.
pub(crate) fn is_partial(query: &str) -> bool {
    names(query).any(|name| PARTIAL.contains(&name.as_str()))
}

/// The names of the parameters, without modifiers.
pub(crate) fn names(query: &str) -> impl Iterator<Item = String> {
    let name = |pair: &str| decoded(pair.split('=').next()?).map(|name| name.split(':').next().unwrap_or_default().to_owned());
    query.split('&').filter(|pair| !pair.is_empty()).filter_map(name)
}

/// The values of the parameters of this name.
pub(crate) fn values(query: &str, name: &str) -> impl Iterator<Item = String> {
    let of_name = move |pair: &str| {
        let (found, value) = pair.split_once('=')?;
        if decoded(found).as_deref() == Some(name) { decoded(value) } else { None }
    };
    query.split('&').filter_map(of_name).collect::<Vec<_>>().into_iter()
}

fn decoded(name: &str) -> Option<String> {
    percent_encoding::percent_decode_str(name).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hob_model::Manifest;
    use serde_json::json;

    use super::*;
    use crate::scopes::Scopes;

    fn access(list: &[&str]) -> Access {
        let text = format!("name = \"a\"\nversion = \"1\"\nscopes = {list:?}\n[[on]]\ninvoke = true\n");
        let scopes = Scopes::compile(&Manifest::parse(&text, "bot.toml").unwrap()).unwrap();
        let event = json!({"resourceType": "Task", "for": {"reference": "Patient/a"}});
        Access::new(&Arc::new(scopes), Some(&event))
    }

    fn sent(list: &[&str], kind: &str, query: &str) -> Result<String, String> {
        match permit(&access(list), &ResourceType::new(kind).unwrap(), query) {
            Ok(asked) => Ok(asked.query),
            Err(Refused::Scope(missing)) => Err(missing.0),
            Err(Refused::Otherwise(why)) => Err(why),
        }
    }

    #[test]
    fn what_is_granted_in_part_is_asked_in_part() {
        let some = ["system/Task.s?status=ready"];
        assert_eq!(sent(&some, "Task", "owner=1"), Ok("owner=1&status=ready".into()));
        assert_eq!(sent(&some, "Task", ""), Ok("status=ready".into()));
        assert_eq!(sent(&some, "Task", "status=ready&_count=1"), Ok("status=ready&_count=1".into()));
        // The wider scope decides.
        assert_eq!(sent(&["system/Task.s?status=ready", "system/*.s"], "Task", "owner=1"), Ok("owner=1".into()));
        assert_eq!(sent(&["patient/Observation.s"], "Observation", "code=1"), Ok("code=1&patient=Patient/a".into()));
        assert_eq!(sent(&["patient/*.s?_id=1"], "Patient", ""), Ok("_id=a&_id=1".into()));
        let two = ["system/Task.s?status=ready", "system/Task.s?status=draft"];
        assert!(sent(&two, "Task", "owner=1").unwrap_err().contains("`status=ready`, `status=draft`"));
        assert_eq!(sent(&two, "Task", "owner=1&status=draft"), Ok("owner=1&status=draft".into()));
        for parameter in ["_elements=owner", "_summary=count", "%5Fsummary=true", "_contained=both"] {
            assert!(sent(&some, "Task", parameter).unwrap_err().contains("leave it out"), "{parameter}");
        }
        assert!(sent(&["patient/*.s"], "Practitioner", "").unwrap_err().contains("Practitioner.s"));
    }

    #[test]
    fn other_types_that_a_search_looks_at_are_needed_whole() {
        let tasks = ["system/Task.s", "system/Patient.s?active=true"];
        for (query, missing) in [
            ("patient:Patient.name=a", "system/Patient.s"),
            ("owner:Practitioner.name=a", "system/Practitioner.s"),
            ("_has:Provenance:target:agent=1", "system/Provenance.s"),
            ("_filter=owner eq 1", "system/*.s"),
            ("_sort=owner:Practitioner.name", "system/Practitioner.s"),
        ] {
            assert!(sent(&tasks, "Task", query).unwrap_err().contains(missing), "{query}");
        }
        let more = ["system/Task.s", "system/Patient.s"];
        assert_eq!(sent(&more, "Task", "patient:Patient.name=a"), Ok("patient:Patient.name=a".into()));
        let patient = ResourceType::new("Patient").unwrap();
        assert!(permit_reference(&access(&tasks), &patient, "identifier=1").is_err());
        assert!(permit_reference(&access(&more), &patient, "identifier=1").is_ok());
    }
}
