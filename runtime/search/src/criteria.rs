//! Criteria as a whole: parsed once, judged many times.

use std::fmt;

use serde_json::Value;

use crate::definitions;
use crate::error::{CriteriaError, near};
use crate::judge::{Refusal, Test};
use crate::path::Scope;
use crate::query::{self, Pair};
use crate::reference::ServerBases;

/// Parameters that shape the result of a search, not which resources match; the last three are servers' own paging.
const RESULT: [&str; 17] = [
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_summary",
    "_total",
    "_elements",
    "_contained",
    "_containedType",
    "_format",
    "_pretty",
    "_graph",
    "_maxresults",
    "_fields",
    "_offset",
    "_cursor",
    "_getpagesoffset",
];

/// Parameters that are FHIR's but need more than the resource.
const BEYOND: [(&str, &str); 8] = [
    ("_has", "it depends on resources that refer to this one"),
    ("_filter", "filter expressions are not supported"),
    ("_content", "it depends on how a server indexes text"),
    ("_text", "it depends on how a server indexes text"),
    ("_query", "a named query is defined by its server"),
    ("_list", "it depends on the contents of a List"),
    ("_in", "it depends on the members of a group or list"),
    ("_type", "criteria are for one type, before the ?"),
];

/// FHIR search criteria (`Task?status=ready&owner:missing=true`), compiled to a predicate over resources.
///
/// Parameters are joined by and, the comma-separated values of one by or, as in a search. `Debug` shows the names of the
/// parameters, never their values.
pub struct Criteria {
    resource_type: Box<str>,
    parameters: Vec<Parameter>,
    tests: Vec<Test>,
    bases: ServerBases,
}

/// One parameter of criteria as it was written, decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Parameter {
    name: String,
    modifier: Option<String>,
    values: Vec<String>,
}

impl Criteria {
    /// Compiles criteria: `Type` or `Type?name[:modifier]=value[,value...]&...`, percent-encoded as in a URL.
    ///
    /// # Errors
    /// What R4 does not know or allow, parameters that only shape a result, and what a resource alone cannot answer
    /// ([`CriteriaError::NotJudgeable`]).
    pub fn parse(text: &str) -> Result<Self, CriteriaError> {
        let (resource_type, query) = text.split_once('?').unwrap_or((text, ""));
        Self::compile(resource_type, query, resource_type.len() + 1, false)
    }

    /// Compiles the query of a search of a type, without the `?`; parameters that shape the result (`_sort`, `_count`,
    /// `_include`...) are ignored. Positions in errors count from the start of the query.
    ///
    /// # Errors
    /// As [`Criteria::parse`], but for result parameters.
    pub fn parse_query(resource_type: &str, query: &str) -> Result<Self, CriteriaError> {
        Self::compile(resource_type, query, 0, true)
    }

    /// The same criteria on a server that is known by these base URLs: absolute references to it count as local.
    #[must_use]
    pub fn with_server_bases(mut self, bases: ServerBases) -> Self {
        self.bases = bases;
        self
    }

    /// Whether the resource is of the type and passes every parameter. What is malformed in it is as if it were not there.
    pub fn matches(&self, resource: &Value) -> bool {
        let scope = Scope { resource, bases: &self.bases };
        let same_type = resource.get("resourceType").and_then(Value::as_str) == Some(&*self.resource_type);
        same_type && self.tests.iter().all(|test| test.holds(scope))
    }

    /// The resource type that is searched.
    pub fn resource_type(&self) -> &str {
        &self.resource_type
    }

    /// The parameters as written, in order, without those that only shape a result.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn compile(resource_type: &str, query: &str, offset: usize, search: bool) -> Result<Self, CriteriaError> {
        if !definitions::is_resource_type(resource_type) {
            let near = near(resource_type, definitions::resource_types());
            return Err(CriteriaError::UnknownType { name: resource_type.to_owned(), near });
        }
        let mut criteria = Self {
            resource_type: resource_type.into(),
            parameters: Vec::new(),
            tests: Vec::new(),
            bases: ServerBases::default(),
        };
        for pair in query::pairs(query, offset)? {
            let (name, modifier) = match pair.name.split_once(':') {
                Some((name, modifier)) => (name, Some(modifier)),
                None => (pair.name.as_str(), None),
            };
            if RESULT.contains(&name) {
                if search {
                    continue;
                }
                return Err(CriteriaError::ResultParameter { position: pair.position, param: name.to_owned() });
            }
            criteria.tests.push(test(resource_type, name, modifier, &pair)?);
            criteria.parameters.push(Parameter {
                name: name.to_owned(),
                modifier: modifier.map(str::to_owned),
                values: query::split(&pair.value, ',').into_iter().map(query::unescape).collect(),
            });
        }
        Ok(criteria)
    }
}

fn test(resource_type: &str, name: &str, modifier: Option<&str>, pair: &Pair) -> Result<Test, CriteriaError> {
    let position = pair.position;
    let not_judgeable = |why: String| CriteriaError::NotJudgeable { position, param: pair.name.clone(), why };
    if let Some((_, why)) = BEYOND.iter().find(|(beyond, _)| *beyond == name) {
        return Err(not_judgeable((*why).to_owned()));
    }
    if pair.name.contains('.') {
        return Err(not_judgeable("a chain needs the resources that are referred to".to_owned()));
    }
    let Some(definition) = definitions::parameter(resource_type, name) else {
        let near = near(name, definitions::parameter_codes(resource_type));
        return Err(CriteriaError::UnknownParameter {
            position,
            resource_type: resource_type.to_owned(),
            param: name.to_owned(),
            near,
        });
    };
    Test::compile(resource_type, definition, modifier, &pair.value).map_err(|refusal| match refusal {
        Refusal::NotJudgeable(why) => not_judgeable(why),
        Refusal::Bad(why) => CriteriaError::BadParameter {
            position: pair.value_position,
            param: name.to_owned(),
            modifier: modifier.map(str::to_owned),
            why,
        },
    })
}

impl Parameter {
    /// The name, such as `status`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What follows the colon of the name, such as `missing`.
    pub fn modifier(&self) -> Option<&str> {
        self.modifier.as_deref()
    }

    /// The values between commas, with prefixes, systems and bars as written, without escapes. They may name patients.
    pub fn values(&self) -> &[String] {
        &self.values
    }
}

impl fmt::Debug for Criteria {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource_type)?;
        for (index, parameter) in self.parameters.iter().enumerate() {
            write!(f, "{}{parameter:?}", if index == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.modifier.is_some() { ":" } else { "" };
        write!(f, "{}{colon}{}=…", self.name, self.modifier.as_deref().unwrap_or_default())
    }
}
