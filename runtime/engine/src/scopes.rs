//! SMART v2 scopes, judged before every call (type and interaction) and on every content that goes in or out (search part, compartment).
//!
//! A search is more than its hits: how many there are, and that there are none, tells of resources that are not shown. So one on a type that the bot
//! has only in part is narrowed to that part before it is sent (see [`crate::query`]).

use std::sync::Arc;

use hob_model::{Manifest, ResourceType, ScopeLevel};
use serde_json::Value;

use crate::EngineError;
use crate::criteria::{self, Criteria};

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
pub(crate) struct Rule {
    resource_type: Option<ResourceType>,
    letters: String,
    level: ScopeLevel,
    pub(crate) search: Option<Search>,
}

#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) text: String,
    /// For a scope on every type the criteria are compiled for each type when asked: the type is part of them.
    criteria: Option<Criteria>,
}

/// A manifest's scopes, compiled.
#[derive(Debug)]
pub(crate) struct Scopes(Vec<Rule>);

/// The scopes of one run: those of the manifest, and the patient whom its event is about. Clones share both.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    scopes: Arc<Scopes>,
    patient: Option<Arc<str>>,
}

/// What a scope check allows for one type and interaction.
#[derive(Debug)]
pub(crate) struct Grant<'a> {
    access: &'a Access,
    resource_type: ResourceType,
    need: Need,
    part: Part<'a>,
}

/// How much of a type is granted.
#[derive(Debug)]
pub(crate) enum Part<'a> {
    /// All of it, whatever the content.
    Whole,
    /// What one of these covers.
    Some(Vec<&'a Rule>),
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
                level: scope.level,
                search,
            })
        };
        manifest.scopes.iter().map(compile).collect::<Result<_, _>>().map(Self)
    }
}

impl Access {
    /// The scopes of a run on an event with this resource.
    pub(crate) fn new(scopes: &Arc<Scopes>, resource: Option<&Value>) -> Self {
        let by_patient = scopes.0.iter().any(|rule| rule.level == ScopeLevel::Patient);
        let patient = resource.filter(|_| by_patient).and_then(criteria::patient_of);
        Self { scopes: Arc::clone(scopes), patient: patient.map(Arc::from) }
    }

    /// What the bot may do with resources of a type.
    ///
    /// # Errors
    /// [`Missing`] where no scope gives it at all.
    pub(crate) fn grant(&self, resource_type: &ResourceType, need: Need) -> Result<Grant<'_>, Missing> {
        let covering = self.scopes.0.iter().filter(|rule| rule.is_for(Some(resource_type), need) && self.reaches(rule.level));
        let part = if covering.clone().any(|rule| rule.is_whole()) { Part::Whole } else { Part::Some(covering.collect()) };
        let none = matches!(&part, Part::Some(rules) if rules.is_empty());
        let grant = Grant { access: self, resource_type: resource_type.clone(), need, part };
        if none { Err(grant.missing()) } else { Ok(grant) }
    }

    /// All that a call lacks which needs several: those that no scope gives at all.
    pub(crate) fn lacks(&self, resource_type: &ResourceType, needs: &[Need]) -> Missing {
        let lacks = |need: &&Need| self.grant(resource_type, **need).is_err();
        let letters: String = needs.iter().filter(lacks).map(|need| need.letter()).collect();
        Missing(format!("needs system/{resource_type}.{letters}"))
    }

    fn reaches(&self, level: ScopeLevel) -> bool {
        level == ScopeLevel::System || self.patient.is_some()
    }

    /// Whether all resources of a type may be searched; of every type, for `None`.
    ///
    /// # Errors
    /// [`Missing`] where not, or only some.
    pub(crate) fn searches_all(&self, resource_type: Option<&ResourceType>, because: &str) -> Result<(), Missing> {
        if self.scopes.0.iter().any(|rule| rule.is_for(resource_type, Need::Search) && rule.is_whole()) {
            return Ok(());
        }
        let kind = resource_type.map_or("*", ResourceType::as_str);
        Err(Missing(format!("needs system/{kind}.s, without a search part, {because}")))
    }

    /// Whether resources of every type may be read, and then whether all of each.
    ///
    /// # Errors
    /// [`Missing`] where of some type nothing may be.
    pub(crate) fn reads_every_type(&self) -> Result<bool, Missing> {
        let rules = self.scopes.0.iter().filter(|rule| rule.is_for(None, Need::Read) && self.reaches(rule.level));
        if rules.clone().next().is_none() {
            return Err(Missing("needs system/*.r, or `_type` with types that the scopes cover".to_owned()));
        }
        Ok(rules.into_iter().any(Rule::is_whole))
    }

    /// The patient whom the event is about, for `patient/` scopes.
    pub(crate) fn patient(&self) -> Option<&str> {
        self.patient.as_deref()
    }

    /// Whether `resource` may be shown as a part of a search's or history's answer: by `need`, or by read. Of a resource that is not there
    /// in whole only the type can be judged.
    pub(crate) fn shows(&self, resource: &Value, need: Need, partial: bool) -> bool {
        let kind = resource.get("resourceType").and_then(Value::as_str).and_then(|kind| ResourceType::new(kind).ok());
        let by = |kind: &ResourceType, need| {
            self.grant(kind, need).is_ok_and(|grant| grant.is_whole() || (!partial && grant.check(resource).is_ok()))
        };
        kind.is_some_and(|kind| by(&kind, need) || by(&kind, Need::Read))
    }
}

impl Rule {
    /// Whether it is for a type, every one for `None`, and for what is to be done.
    fn is_for(&self, resource_type: Option<&ResourceType>, need: Need) -> bool {
        (self.resource_type.is_none() || self.resource_type.as_ref() == resource_type) && self.letters.contains(need.letter())
    }

    /// Whether it covers whatever content.
    fn is_whole(&self) -> bool {
        self.search.is_none() && self.level == ScopeLevel::System
    }

    /// Whether the search part and the level cover this content.
    fn covers(&self, access: &Access, resource_type: &ResourceType, resource: &Value) -> bool {
        let matches = |search: &Search| match &search.criteria {
            Some(criteria) => criteria.matches(resource),
            None => Criteria::parse(resource_type, &search.text).is_ok_and(|criteria| criteria.matches(resource)),
        };
        let in_reach = match self.level {
            ScopeLevel::System => true,
            ScopeLevel::Patient => access.patient().is_some_and(|patient| criteria::is_about(resource, patient)),
        };
        in_reach && self.search.as_ref().is_none_or(matches)
    }

    /// What a search must say so that it finds nothing beyond this scope; `None` where no search can say it.
    pub(crate) fn narrows(&self, access: &Access, resource_type: &ResourceType) -> Option<String> {
        let about = match self.level {
            ScopeLevel::System => None,
            ScopeLevel::Patient => Some(criteria::about(resource_type, access.patient()?)?),
        };
        let parts = [about.as_deref(), self.search.as_ref().map(|search| search.text.as_str())];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join("&"))
    }
}

impl Grant<'_> {
    /// Whether it covers the type whatever the content.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.part, Part::Whole)
    }

    /// How much of the type it covers.
    pub(crate) fn part(&self) -> &Part<'_> {
        &self.part
    }

    /// Whether the grant covers this content.
    ///
    /// # Errors
    /// [`Missing`] where no scope does.
    pub(crate) fn check(&self, resource: &Value) -> Result<(), Missing> {
        match &self.part {
            Part::Some(rules) if !rules.iter().any(|rule| rule.covers(self.access, &self.resource_type, resource)) => {
                Err(self.missing())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn missing(&self) -> Missing {
        Missing(format!("needs system/{}.{}", self.resource_type, self.need.letter()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn access(list: &[&str], event: &Value) -> Access {
        let scopes: Vec<String> = list.iter().map(|scope| format!("{scope:?}")).collect();
        let text = format!(
            "name = \"a\"\nversion = \"1\"\ncomponent = \"a.wasm\"\nscopes = [{}]\n[[on]]\ninvoke = true\n",
            scopes.join(", ")
        );
        let scopes = Scopes::compile(&Manifest::parse(&text, "bot.toml").unwrap()).unwrap();
        Access::new(&Arc::new(scopes), Some(event))
    }

    #[test]
    fn names_the_scope_that_is_missing() {
        let access = access(&["system/Task.ru"], &Value::Null);
        let observation = ResourceType::new("Observation").unwrap();
        assert_eq!(access.grant(&observation, Need::Create).unwrap_err(), Missing("needs system/Observation.c".into()));
        assert!(access.grant(&ResourceType::new("Task").unwrap(), Need::Update).is_ok());
    }

    #[test]
    fn a_search_part_binds_the_content() {
        let access = access(&["system/Task.r?status=ready", "system/*.s?_id=a"], &Value::Null);
        let task = ResourceType::new("Task").unwrap();
        let grant = access.grant(&task, Need::Read).unwrap();
        assert!(grant.check(&json!({"resourceType": "Task", "status": "ready"})).is_ok());
        assert!(grant.check(&json!({"resourceType": "Task", "status": "draft"})).is_err());
        assert!(access.shows(&json!({"resourceType": "Patient", "id": "a"}), Need::Search, false));
        assert!(!access.shows(&json!({"resourceType": "Patient", "id": "a"}), Need::Search, true));
        assert!(!access.shows(&json!({"resourceType": "Patient", "id": "b"}), Need::Search, false));
        assert!(!access.shows(&json!({"id": "a"}), Need::Search, false));
    }

    #[test]
    fn a_patients_scope_covers_the_compartment_of_the_events_patient() {
        let event = json!({"resourceType": "Task", "for": {"reference": "Patient/a"}});
        let list = ["patient/*.cru", "patient/Observation.s"];
        let of_a = access(&list, &event);
        let observation = ResourceType::new("Observation").unwrap();
        let of = |id: &str| json!({"resourceType": "Observation", "subject": {"reference": format!("Patient/{id}")}});
        let grant = of_a.grant(&observation, Need::Read).unwrap();
        assert!(grant.check(&of("a")).is_ok() && grant.check(&of("b")).is_err());
        assert!(grant.check(&json!({"resourceType": "Observation"})).is_err());
        let patient = ResourceType::new("Patient").unwrap();
        let grant = of_a.grant(&patient, Need::Update).unwrap();
        assert!(grant.check(&json!({"resourceType": "Patient", "id": "a"})).is_ok());
        assert!(grant.check(&json!({"resourceType": "Patient", "id": "b"})).is_err());
        assert!(of_a.searches_all(Some(&observation), "").is_err());
        // An event about nobody.
        assert!(access(&list, &json!({"resourceType": "Task"})).grant(&observation, Need::Read).is_err());
    }
}
