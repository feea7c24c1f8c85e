//! SMART v2 scopes, judged before every call (type and interaction) and on every content that goes in or out (search part).

use hob_model::{Manifest, ResourceType};
use serde_json::Value;

use crate::EngineError;
use crate::criteria::Criteria;

/// One letter of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Create,
    Read,
    Update,
    Delete,
    Search,
}

impl Need {
    pub(crate) const fn letter(self) -> char {
        match self {
            Self::Create => 'c',
            Self::Read => 'r',
            Self::Update => 'u',
            Self::Delete => 'd',
            Self::Search => 's',
        }
    }
}

/// The scope that is missing, for the operator: `needs system/Observation.c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing(pub(crate) String);

#[derive(Debug)]
struct Rule {
    resource_type: Option<ResourceType>,
    letters: String,
    search: Option<Search>,
}

#[derive(Debug)]
struct Search {
    text: String,
    /// For a scope on every type the criteria are compiled for each type when asked: the type is part of them.
    criteria: Option<Criteria>,
}

/// A manifest's scopes, compiled.
#[derive(Debug)]
pub(crate) struct Scopes(Vec<Rule>);

/// What a scope check allows for one type and interaction.
#[derive(Debug)]
pub(crate) struct Grant<'a> {
    resource_type: ResourceType,
    need: Need,
    /// `None`: whatever the content. Else the content must match one.
    searches: Option<Vec<&'a Search>>,
}

impl Scopes {
    /// Compiles the scopes of a manifest.
    ///
    /// # Errors
    /// [`EngineError::Scope`] for a search part that the host cannot judge.
    pub(crate) fn compile(manifest: &Manifest) -> Result<Self, EngineError> {
        let compile = |scope: &hob_model::Scope| {
            let refuse = |why: String| EngineError::Scope { scope: scope.to_string(), why };
            let it = scope.interactions;
            let letters = [(it.create, 'c'), (it.read, 'r'), (it.update, 'u'), (it.delete, 'd'), (it.search, 's')];
            let search = match (&scope.search, &scope.resource_type) {
                (None, _) => None,
                (Some(text), Some(kind)) => {
                    let criteria = Criteria::parse(kind, text).map_err(refuse)?;
                    Some(Search { text: text.clone(), criteria: Some(criteria) })
                }
                (Some(text), None) => Some(Search { text: text.clone(), criteria: None }),
            };
            Ok(Rule {
                resource_type: scope.resource_type.clone(),
                letters: letters.into_iter().filter_map(|(on, letter)| on.then_some(letter)).collect(),
                search,
            })
        };
        manifest.scopes.iter().map(compile).collect::<Result<_, _>>().map(Self)
    }

    /// What the bot may do with resources of a type.
    ///
    /// # Errors
    /// [`Missing`] where no scope gives it at all.
    pub(crate) fn grant(&self, resource_type: &ResourceType, need: Need) -> Result<Grant<'_>, Missing> {
        let mut searches = Vec::new();
        for rule in &self.0 {
            if rule.resource_type.as_ref().is_some_and(|kind| kind != resource_type) || !rule.letters.contains(need.letter()) {
                continue;
            }
            match &rule.search {
                None => return Ok(Grant { resource_type: resource_type.clone(), need, searches: None }),
                Some(search) => searches.push(search),
            }
        }
        let grant = Grant { resource_type: resource_type.clone(), need, searches: Some(searches) };
        if grant.searches.as_ref().is_some_and(Vec::is_empty) { Err(grant.missing()) } else { Ok(grant) }
    }

    /// Whether `resource` may be shown as a part of a search's or history's answer: by `need`, or by read.
    pub(crate) fn shows(&self, resource: &Value, need: Need) -> bool {
        let kind = resource.get("resourceType").and_then(Value::as_str).and_then(|kind| ResourceType::new(kind).ok());
        kind.is_some_and(|kind| {
            [need, Need::Read].into_iter().any(|need| self.grant(&kind, need).is_ok_and(|grant| grant.check(resource).is_ok()))
        })
    }
}

impl Grant<'_> {
    /// Whether the grant covers this content.
    ///
    /// # Errors
    /// [`Missing`] where no search part matches it.
    pub(crate) fn check(&self, resource: &Value) -> Result<(), Missing> {
        let Some(searches) = &self.searches else { return Ok(()) };
        let matches = |search: &&Search| match &search.criteria {
            Some(criteria) => criteria.matches(resource),
            None => Criteria::parse(&self.resource_type, &search.text).is_ok_and(|criteria| criteria.matches(resource)),
        };
        if searches.iter().any(matches) { Ok(()) } else { Err(self.missing()) }
    }

    fn missing(&self) -> Missing {
        Missing(format!("needs system/{}.{}", self.resource_type, self.need.letter()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scopes(list: &[&str]) -> Scopes {
        let scopes: Vec<String> = list.iter().map(|scope| format!("{scope:?}")).collect();
        let text = format!(
            "name = \"a\"\nversion = \"1\"\ncomponent = \"a.wasm\"\nscopes = [{}]\n[[on]]\ninvoke = true\n",
            scopes.join(", ")
        );
        Scopes::compile(&Manifest::parse(&text, "bot.toml").unwrap()).unwrap()
    }

    #[test]
    fn names_the_scope_that_is_missing() {
        let scopes = scopes(&["system/Task.ru"]);
        let observation = ResourceType::new("Observation").unwrap();
        assert_eq!(scopes.grant(&observation, Need::Create).unwrap_err(), Missing("needs system/Observation.c".into()));
        assert!(scopes.grant(&ResourceType::new("Task").unwrap(), Need::Update).is_ok());
    }

    #[test]
    fn a_search_part_binds_the_content() {
        let scopes = scopes(&["system/Task.r?status=ready", "system/*.s?_id=a"]);
        let task = ResourceType::new("Task").unwrap();
        let grant = scopes.grant(&task, Need::Read).unwrap();
        assert!(grant.check(&json!({"resourceType": "Task", "status": "ready"})).is_ok());
        assert!(grant.check(&json!({"resourceType": "Task", "status": "draft"})).is_err());
        assert!(scopes.shows(&json!({"resourceType": "Patient", "id": "a"}), Need::Search));
        assert!(!scopes.shows(&json!({"resourceType": "Patient", "id": "b"}), Need::Search));
        assert!(!scopes.shows(&json!({"id": "a"}), Need::Search));
    }
}
