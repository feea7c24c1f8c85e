//! Expressions compiled to paths over JSON, with the type of what they lead to.
//!
//! FHIR's JSON has a key for each type of a choice (`valueQuantity`), so a path through a choice becomes several, each with
//! one type. Visiting borrows from the resource and stops at the first hit; malformed parts are simply not there.

use serde_json::Value;

use crate::definitions;
use crate::element::{ElementType, has_value, string};
use crate::expression::{self, Chain, Condition, Expression, Node};
use crate::reference::{self, ServerBases};

/// What the judging of one resource may look at beside the element at hand.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// The whole resource, for references to what it contains.
    pub(crate) resource: &'a Value,
    /// The server's own base URLs, for absolute references.
    pub(crate) bases: &'a ServerBases,
}

/// One way from a resource (or an element of it) to elements of one type.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    steps: Vec<Step>,
    pub(crate) leaf: ElementType,
    place: Place,
}

#[derive(Debug, Clone)]
enum Step {
    Field(Box<str>),
    WhereEquals(Box<str>, Box<str>),
    WhereRefersTo(Box<str>),
}

/// A position in the type model: a type, and the path below it while inside its nested elements.
#[derive(Debug, Clone)]
struct Place {
    type_name: Box<str>,
    path: String,
}

/// What a parameter looks at.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Paths(Vec<Path>),
    /// Conditions that make one boolean.
    Truth(Vec<Truth>),
}

#[derive(Debug, Clone)]
pub(crate) enum Truth {
    Exists(Vec<Path>),
    IsNot(Vec<Path>, bool),
}

impl Source {
    /// Compiles an expression as seen from a resource type; the error says what it cannot.
    pub(crate) fn compile(text: &str, resource_type: &str) -> Result<Self, String> {
        Self::compile_at(text, &Place { type_name: resource_type.into(), path: String::new() })
    }

    /// Compiles an expression as seen from the elements that `path` leads to.
    pub(crate) fn compile_below(text: &str, path: &Path) -> Result<Self, String> {
        Self::compile_at(text, &path.place)
    }

    fn compile_at(text: &str, from: &Place) -> Result<Self, String> {
        match expression::parse(text)? {
            Expression::Union(chains) => {
                let branches: Result<Vec<_>, _> = chains.iter().map(|chain| compile_chain(chain, from)).collect();
                Ok(Self::Paths(branches?.into_iter().flatten().collect()))
            }
            Expression::All(conditions) => {
                let truths: Result<Vec<_>, String> = conditions
                    .iter()
                    .map(|condition| match condition {
                        Condition::Exists(chain) => Ok(Truth::Exists(compile_chain(chain, from)?)),
                        Condition::IsNot(chain, literal) => Ok(Truth::IsNot(compile_chain(chain, from)?, *literal)),
                    })
                    .collect();
                Ok(Self::Truth(truths?))
            }
        }
    }

    /// The types of what it leads to.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = &ElementType> {
        let (paths, truth) = match self {
            Self::Paths(paths) => (paths.as_slice(), None),
            Self::Truth(_) => (&[][..], Some(&ElementType::Boolean)),
        };
        paths.iter().map(|path| &path.leaf).chain(truth)
    }

    /// Whether `found` is true for any element, in order until the first.
    pub(crate) fn any(&self, from: &Value, scope: Scope<'_>, found: &mut dyn FnMut(&Value, &ElementType) -> bool) -> bool {
        match self {
            Self::Paths(paths) => paths.iter().any(|path| path.any(from, scope, &mut |value| found(value, &path.leaf))),
            Self::Truth(truths) => {
                let truth = truths.iter().all(|truth| truth.holds(from, scope));
                found(&Value::Bool(truth), &ElementType::Boolean)
            }
        }
    }
}

impl Truth {
    fn holds(&self, from: &Value, scope: Scope<'_>) -> bool {
        let (paths, literal) = match self {
            Self::Exists(paths) => (paths, None),
            Self::IsNot(paths, literal) => (paths, Some(*literal)),
        };
        // A comparison with nothing is neither true nor false in FHIRPath; as a condition that is not true.
        paths.iter().any(|path| {
            path.any(from, scope, &mut |value| has_value(value) && literal.is_none_or(|l| value.as_bool() != Some(l)))
        })
    }
}

impl Path {
    /// Whether `found` is true for any element that the path leads to.
    pub(crate) fn any(&self, from: &Value, scope: Scope<'_>, found: &mut dyn FnMut(&Value) -> bool) -> bool {
        walk(&self.steps, from, scope, found)
    }
}

fn walk(steps: &[Step], at: &Value, scope: Scope<'_>, found: &mut dyn FnMut(&Value) -> bool) -> bool {
    if let Value::Array(items) = at {
        return items.iter().filter(|item| !item.is_array()).any(|item| walk(steps, item, scope, found));
    }
    let Some((step, rest)) = steps.split_first() else {
        return !at.is_null() && found(at);
    };
    match step {
        Step::Field(name) => at.get(&**name).is_some_and(|next| walk(rest, next, scope, found)),
        Step::WhereEquals(name, literal) => string(at, name) == Some(literal) && walk(rest, at, scope, found),
        Step::WhereRefersTo(name) => {
            reference::target_type(at, scope.resource, scope.bases) == Some(&**name) && walk(rest, at, scope, found)
        }
    }
}

fn compile_chain(chain: &Chain<'_>, from: &Place) -> Result<Vec<Path>, String> {
    let mut nodes = chain.as_slice();
    if let [Node::Name(name), rest @ ..] = nodes
        && name.starts_with(|c: char| c.is_ascii_uppercase())
    {
        if **name != *from.type_name && !["Resource", "DomainResource"].contains(name) {
            return Err(format!("its expression is for {name}"));
        }
        nodes = rest;
    }
    let mut paths = vec![Path { steps: Vec::new(), leaf: ElementType::Other, place: from.clone() }];
    for node in nodes {
        paths = match node {
            Node::Name(name) => {
                let next: Vec<Path> = paths.iter().flat_map(|path| child(path, name)).collect();
                if next.is_empty() {
                    return Err(format!("R4 has no element {name} there"));
                }
                next
            }
            Node::As(wanted) => {
                // Some definitions write DateTime.
                let same = |have: &str| have.eq_ignore_ascii_case(wanted);
                let kept: Vec<Path> = paths.into_iter().filter(|path| same(&path.place.type_name)).collect();
                if kept.is_empty() {
                    return Err(format!("the element is never a {wanted}"));
                }
                kept
            }
            Node::WhereEquals(field, literal) => with_step(paths, &Step::WhereEquals((*field).into(), (*literal).into())),
            Node::WhereRefersTo(name) => with_step(paths, &Step::WhereRefersTo((*name).into())),
        };
    }
    Ok(paths)
}

fn with_step(mut paths: Vec<Path>, step: &Step) -> Vec<Path> {
    for path in &mut paths {
        path.steps.push(step.clone());
    }
    paths
}

/// The paths to a child element: one, or one for each type of a choice. (R4 has no choice with a single type.)
fn child(path: &Path, name: &str) -> Vec<Path> {
    let below = |parent: &str| {
        if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
    };
    let mut full = below(&path.place.path);
    let Some(mut entry) = definitions::element(&path.place.type_name, &full) else {
        return Vec::new();
    };
    if let Some(elsewhere) = entry.strip_prefix('#') {
        full = elsewhere.to_owned();
        entry = "BackboneElement";
    }
    let choice = entry.contains('|');
    entry
        .split('|')
        .map(|entry| {
            let type_name = entry.split(' ').next().unwrap_or_default();
            let key = if choice { choice_key(name, type_name) } else { name.to_owned() };
            let nested = matches!(type_name, "BackboneElement" | "Element");
            let place = if nested {
                Place { type_name: path.place.type_name.clone(), path: full.clone() }
            } else {
                Place { type_name: type_name.into(), path: String::new() }
            };
            let mut steps = path.steps.clone();
            steps.push(Step::Field(key.into()));
            Path { steps, leaf: ElementType::new(entry), place }
        })
        .collect()
}

fn choice_key(name: &str, type_name: &str) -> String {
    let mut letters = type_name.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    name.chars().chain(first).chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(expression: &str, resource: &Value) -> Vec<Value> {
        let resource_type = resource["resourceType"].as_str().unwrap();
        let mut out = Vec::new();
        let bases = ServerBases::default();
        Source::compile(expression, resource_type).unwrap().any(resource, Scope { resource, bases: &bases }, &mut |v, _| {
            out.push(v.clone());
            false
        });
        out
    }

    #[test]
    fn choices_become_one_path_for_each_type() {
        let source = Source::compile("Observation.effective", "Observation").unwrap();
        let leaves: Vec<_> = source.leaves().cloned().collect();
        assert_eq!(leaves, [ElementType::Date, ElementType::Period, ElementType::Timing, ElementType::Date]);
        let observation = json!({"resourceType": "Observation", "effectiveInstant": "x", "valueQuantity": {"value": 1}});
        assert_eq!(found("Observation.effective", &observation), [json!("x")]);
        assert_eq!(found("(Observation.value as Quantity)", &observation), [json!({"value": 1})]);
        assert_eq!(found("Observation.value.ofType(Quantity).value", &observation), [json!(1)]);
    }

    #[test]
    fn filters_arrays_and_contained_targets() {
        let patient = json!({"resourceType": "Patient", "telecom": [
            {"system": "phone", "value": "1"}, {"system": "email", "value": "2"}, null, 3]});
        assert_eq!(found("Patient.telecom.where(system='email').value", &patient), [json!("2")]);
        let task =
            json!({"resourceType": "Task", "contained": [{"resourceType": "Patient", "id": "p"}], "for": {"reference": "#p"}});
        assert_eq!(found("Task.for.where(resolve() is Patient)", &task).len(), 1);
        assert_eq!(found("Task.for.where(resolve() is Group)", &task).len(), 0);
    }

    #[test]
    fn the_same_children_elsewhere_are_followed() {
        let form = json!({"resourceType": "Questionnaire", "item": [{"item": [{"code": [{"code": "deep"}]}]}]});
        assert_eq!(found("Questionnaire.item.item.code", &form), [json!({"code": "deep"})]);
    }

    #[test]
    fn what_r4_does_not_have_is_named() {
        assert!(Source::compile("Task.colour", "Task").unwrap_err().contains("colour"));
        assert!(Source::compile("(Observation.value as Address)", "Observation").unwrap_err().contains("Address"));
        assert!(Source::compile("Task.code", "Patient").is_err());
    }
}
