//! What a search looks at beside the resources of its own type.
//!
//! A chain, `_has` or a named query finds resources by what others hold, so whoever may search only one type could learn of another by
//! asking often enough. Who guards a server needs to know of every type that an answer depends on; what cannot be told from the text counts as
//! all of them. Resources that are only shown beside the hits (`_include`, `_revinclude`) are not meant: they can be judged one by one.

use crate::definitions;
use crate::error::CriteriaError;
use crate::query::{self, Pair};

/// What the hits of a search depend on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Resources of this type, which is one of R4's.
    Type(String),
    /// Anything: a parameter of this name says not, or not alone by its text, what it looks at.
    Anything(String),
}

/// Parameters whose answer may depend on anything that a server holds.
const ANYTHING: [&str; 6] = ["_filter", "_query", "_graph", "_in", "_type", "_getpages"];

/// What the hits of a search of `resource_type` depend on beside that type, each once; `query` is without the `?`.
///
/// # Errors
/// [`CriteriaError::Malformed`].
pub fn reaches(resource_type: &str, query: &str) -> Result<Vec<Reach>, CriteriaError> {
    let mut found = Vec::new();
    for Pair { name, value, .. } in query::pairs(query, 0)? {
        let (code, modifier) = name.split_once(':').unwrap_or((&name, ""));
        if matches!(modifier, "in" | "not-in") {
            found.push(Reach::Type("ValueSet".to_owned()));
        }
        // Of a code system, or of what a reference leads to.
        if ANYTHING.contains(&code) || matches!(modifier, "above" | "below") {
            found.push(Reach::Anything(name));
        } else if code == "_list" {
            found.push(Reach::Type("List".to_owned()));
        } else if code == "_sort" {
            // Some servers sort by chains.
            for key in query::split(&value, ',').into_iter().filter(|key| key.contains('.')) {
                follow(resource_type, key.trim_start_matches('-'), &mut found);
            }
        } else {
            follow(resource_type, &name, &mut found);
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Follows one name of a parameter, of a search of `resource_type`, from its front to its end.
fn follow(resource_type: &str, name: &str, found: &mut Vec<Reach>) {
    if let Some(rest) = name.strip_prefix("_has:") {
        match rest.splitn(3, ':').collect::<Vec<_>>()[..] {
            [other, _, rest] if definitions::is_resource_type(other) => {
                found.push(Reach::Type(other.to_owned()));
                follow(other, rest, found);
            }
            _ => found.push(Reach::Anything("_has".to_owned())),
        }
        return;
    }
    let Some((link, rest)) = name.split_once('.') else { return };
    let (code, only) = link.split_once(':').map_or((link, None), |(code, only)| (code, Some(only)));
    let targets: Vec<&str> = match only {
        Some(only) => vec![only],
        None => definitions::parameter(resource_type, code).map_or(vec![], |it| it.target.iter().map(String::as_str).collect()),
    };
    if targets.is_empty() || !targets.iter().all(|target| definitions::is_resource_type(target)) {
        found.push(Reach::Anything(code.to_owned()));
        return;
    }
    for target in targets {
        found.push(Reach::Type(target.to_owned()));
        follow(target, rest, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(kind: &str, query: &str) -> Vec<String> {
        let told = |reach| match reach {
            Reach::Type(name) => name,
            Reach::Anything(name) => format!("anything by {name}"),
        };
        reaches(kind, query).unwrap().into_iter().map(told).collect()
    }

    #[test]
    fn chains_are_followed_to_their_end() {
        for (kind, query, expected) in [
            ("Observation", "code=x&subject=Patient/1&_include=Observation:subject", &[][..]),
            ("Observation", "subject:Patient.name=a", &["Patient"]),
            ("Observation", "subject:Patient=1", &[]),
            ("Observation", "subject%3APatient%2Ename=a", &["Patient"]),
            ("Observation", "subject:Patient.organization.name=a", &["Organization", "Patient"]),
            ("Task", "focus.x=a", &["anything by focus"]),
            ("Observation", "subject:Nonsense.name=a", &["anything by subject"]),
            ("Observation", "nonsense.name=a", &["anything by nonsense"]),
            ("Patient", "_has:Observation:patient:code=1", &["Observation"]),
            ("Patient", "_has:Observation:patient:_has:Provenance:target:agent=1", &["Observation", "Provenance"]),
            ("Patient", "_has:Observation:patient:performer:Practitioner.name=a", &["Observation", "Practitioner"]),
            ("Patient", "_has:Nonsense:patient:code=1", &["anything by _has"]),
            ("Patient", "_has=1", &[]),
            ("Patient", "_list=1", &["List"]),
            ("Patient", "_list:not=1", &["List"]),
            ("Observation", "code:in=http://x/vs", &["ValueSet"]),
            ("Encounter", "location:below=Location/1", &["anything by location:below"]),
            ("Patient", "_filter=name eq a", &["anything by _filter"]),
            ("Patient", "_query=all", &["anything by _query"]),
            ("Patient", "_sort=-birthdate,organization.name", &["Organization"]),
        ] {
            assert_eq!(of(kind, query), expected, "{kind}?{query}");
        }
        assert!(of("Encounter", "subject.name=a").contains(&"Group".to_owned()));
        assert!(reaches("Patient", "a=%zz").is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(kind in "(Task|Patient|x)", query in "[a-z_:.&=%0-9A-F,]{0,60}") {
            let _ = reaches(&kind, &query);
        }
    }
}
