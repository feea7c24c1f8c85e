//! Why criteria cannot be used.

use std::fmt;

/// What is wrong with criteria, where, and why. `position` counts bytes from the start of the text that was given.
///
/// No variant holds a search value: values can name patients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CriteriaError {
    /// The part before `?` is no R4 resource type.
    #[error("\"{name}\" is no FHIR R4 resource type{}", Near(near))]
    UnknownType {
        /// What stands there.
        name: String,
        /// Types with a similar name, best first.
        near: Vec<String>,
    },
    /// The text as a whole is not `Type?name=value&...`.
    #[error("at byte {position}: {why}")]
    Malformed {
        /// Where.
        position: usize,
        /// What was expected.
        why: &'static str,
    },
    /// The resource type has no such search parameter in R4.
    #[error("at byte {position}: {resource_type} has no search parameter \"{param}\"{}", Near(near))]
    UnknownParameter {
        /// Where the parameter begins.
        position: usize,
        /// The type that was searched.
        resource_type: String,
        /// The name that is unknown.
        param: String,
        /// Parameters of this type with a similar name, best first.
        near: Vec<String>,
    },
    /// A value or a modifier that R4 does not allow for this parameter.
    #[error("at byte {position}: {}: {why}", Named(param, modifier.as_deref()))]
    BadParameter {
        /// Where the parameter begins, or its value if that is what is wrong.
        position: usize,
        /// The parameter.
        param: String,
        /// Its modifier, without the colon.
        modifier: Option<String>,
        /// What is wrong and what would be right.
        why: String,
    },
    /// Good FHIR, but a resource alone does not hold what is needed to judge it.
    #[error("at byte {position}: {param} cannot be judged: {why}")]
    NotJudgeable {
        /// Where the parameter begins.
        position: usize,
        /// The parameter as written, with its modifier or chain.
        param: String,
        /// What would be needed.
        why: String,
    },
    /// A parameter that shapes the result of a search (`_sort`, `_count`) and so means nothing in criteria.
    #[error("at byte {position}: {param} shapes the result of a search; criteria only say which resources match: remove it")]
    ResultParameter {
        /// Where the parameter begins.
        position: usize,
        /// The parameter.
        param: String,
    },
}

struct Near<'a>(&'a [String]);

impl fmt::Display for Near<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "; near: {}", self.0.join(", ")) }
    }
}

struct Named<'a>(&'a str, Option<&'a str>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)?;
        self.1.map_or(Ok(()), |modifier| write!(f, ":{modifier}"))
    }
}

/// The names most like the one that was not found, best first, three at most.
pub(crate) fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    // Element names (authoredOn) are the usual slip for parameter names (authored-on): compare without case and hyphens.
    let plain = |s: &str| s.replace('-', "").to_lowercase();
    let wanted = plain(wanted);
    if wanted.len() > 100 {
        return Vec::new();
    }
    let allowed = (wanted.chars().count() / 2).clamp(1, 3);
    let mut found: Vec<(usize, &str)> = names
        .map(|name| (strsim::osa_distance(&wanted, &plain(name)), name))
        .filter(|(distance, _)| *distance <= allowed)
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}
