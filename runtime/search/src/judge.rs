//! One search parameter with its modifier and values, compiled to a test of a resource.

use std::sync::Arc;

use serde_json::Value;

use crate::date::DateValue;
use crate::definitions::{self, Definition, ParameterType};
use crate::element::{ElementType, has_value};
use crate::number::{NumberValue, QuantityValue};
use crate::path::{Path, Scope, Source};
use crate::query;
use crate::reference::ReferenceValue;
use crate::text::{TextValue, fold};
use crate::token::{TokenValue, TypedIdentifier};
use crate::uri::{UriMatch, UriValue};

/// Why a parameter makes no test.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// R4 does not allow it.
    Bad(String),
    /// R4 allows it, but the resource alone does not tell.
    NotJudgeable(String),
}

/// A compiled parameter.
pub(crate) enum Test {
    Missing {
        source: Arc<Source>,
        missing: bool,
    },
    /// Any value matches any element; `negated` turns the whole round (`:not`).
    Values {
        source: Arc<Source>,
        values: Vec<Matcher>,
        negated: bool,
    },
    /// Within one element that a path leads to, each component's matcher holds; `values` has a row for each alternative.
    Composite {
        roots: Vec<Root>,
        values: Vec<Vec<Matcher>>,
    },
}

/// Where a composite's components live, and how each is reached from there.
pub(crate) struct Root {
    path: Path,
    components: Vec<Source>,
}

/// One value, ready to compare.
pub(crate) enum Matcher {
    Text(TextValue),
    Token(TokenValue),
    TypedIdentifier(TypedIdentifier),
    Reference(ReferenceValue),
    /// `:identifier` of a reference.
    LogicalReference(TokenValue),
    Date(DateValue),
    Number(NumberValue),
    Quantity(QuantityValue),
    Uri(UriValue),
}

impl Test {
    /// Compiles the parameter of a type; `value` still has FHIR's escapes.
    pub(crate) fn compile(
        resource_type: &str,
        definition: &Definition,
        modifier: Option<&str>,
        value: &str,
    ) -> Result<Self, Refusal> {
        let source = source(resource_type, definition)?;
        if modifier == Some("missing") {
            return match value {
                "true" | "false" => Ok(Self::Missing { source, missing: value == "true" }),
                _ => Err(Refusal::Bad("missing needs true or false".into())),
            };
        }
        check_modifier(definition.kind, modifier)?;
        let alternatives = query::split(value, ',');
        if alternatives.contains(&"") {
            return Err(Refusal::Bad("a value is empty".into()));
        }
        if definition.kind == ParameterType::Composite {
            let roots = roots(&source, definition)?;
            let values: Result<_, _> = alternatives.iter().map(|text| composite_row(text, definition)).collect();
            return Ok(Self::Composite { roots, values: values? });
        }
        let values: Result<Vec<_>, _> =
            alternatives.iter().map(|text| Matcher::parse(definition.kind, modifier, text, &definition.target)).collect();
        let values = values.map_err(Refusal::Bad)?;
        if values.iter().any(|value| value.names_system()) && source.leaves().all(|leaf| *leaf == ElementType::Code([].into())) {
            return Err(Refusal::NotJudgeable("its codes come from no fixed system: leave the system out".into()));
        }
        Ok(Self::Values { source, values, negated: modifier == Some("not") })
    }

    /// Whether the resource passes.
    pub(crate) fn holds(&self, scope: Scope<'_>) -> bool {
        let resource = scope.resource;
        match self {
            Self::Missing { source, missing } => source.any(resource, scope, &mut |v, _| has_value(v)) != *missing,
            Self::Values { source, values, negated } => {
                let found = source
                    .any(resource, scope, &mut |element, kind| values.iter().any(|value| value.matches(element, kind, scope)));
                found != *negated
            }
            Self::Composite { roots, values } => roots.iter().any(|root| {
                root.path.any(resource, scope, &mut |element| {
                    values.iter().any(|row| {
                        root.components.iter().zip(row).all(|(component, value)| {
                            component.any(element, scope, &mut |part, kind| value.matches(part, kind, scope))
                        })
                    })
                })
            }),
        }
    }
}

/// What the parameter looks at, if anything there can be compared.
pub(crate) fn source(resource_type: &str, definition: &Definition) -> Result<Arc<Source>, Refusal> {
    if let Some((_, source)) = definition.compiled.get().filter(|(kind, _)| **kind == *resource_type) {
        return Ok(Arc::clone(source));
    }
    let expression = match (definition.kind, &definition.expression) {
        (ParameterType::Special, _) => Err("it is special: its meaning is not in its definition"),
        (_, None) => Err("its definition has no expression"),
        (_, Some(expression)) => Ok(expression),
    };
    let expression = expression.map_err(|why| Refusal::NotJudgeable(why.into()))?;
    let source = Source::compile(expression, resource_type).map_err(Refusal::NotJudgeable)?;
    comparable(definition.kind, &source)?;
    if definition.kind == ParameterType::Composite {
        roots(&source, definition)?;
    }
    let source = Arc::new(source);
    definition.compiled.get_or_init(|| (resource_type.into(), Arc::clone(&source)));
    Ok(source)
}

fn comparable(kind: ParameterType, source: &Source) -> Result<(), Refusal> {
    use ElementType as E;
    let fits = |leaf: &ElementType| match kind {
        ParameterType::Composite => true,
        ParameterType::Special => false,
        ParameterType::Number => matches!(leaf, E::Number | E::Range),
        ParameterType::Date => matches!(leaf, E::Date | E::Period | E::Timing),
        ParameterType::String => matches!(leaf, E::Text | E::HumanName | E::Address),
        ParameterType::Token => matches!(
            leaf,
            E::Code(_)
                | E::Coding
                | E::CodeableConcept
                | E::Identifier
                | E::ContactPoint
                | E::Text
                | E::Boolean
                | E::Uri
                | E::Canonical
        ),
        ParameterType::Reference => matches!(leaf, E::Reference | E::Canonical | E::Uri),
        ParameterType::Quantity => matches!(leaf, E::Quantity | E::Money | E::Range),
        ParameterType::Uri => matches!(leaf, E::Uri | E::Canonical),
    };
    if source.leaves().any(fits) {
        Ok(())
    } else {
        Err(Refusal::NotJudgeable("its elements are of no type that it can be compared with".into()))
    }
}

fn roots(source: &Source, definition: &Definition) -> Result<Vec<Root>, Refusal> {
    let Source::Paths(paths) = source else {
        return Err(Refusal::NotJudgeable("a composite needs elements to look into".into()));
    };
    let component = |path: &Path, index: usize| {
        let component = definition.components.get(index)?;
        let source = Source::compile_below(&component.expression, path).map_err(Refusal::NotJudgeable);
        Some(source.and_then(|source| comparable(component.kind, &source).map(|()| source)))
    };
    paths
        .iter()
        .map(|path| {
            let components: Result<_, _> = (0..).map_while(|index| component(path, index)).collect();
            Ok(Root { components: components?, path: path.clone() })
        })
        .collect()
}

fn composite_row(text: &str, definition: &Definition) -> Result<Vec<Matcher>, Refusal> {
    let parts = query::split(text, '$');
    let wanted = definition.components.len();
    if parts.len() != wanted || parts.contains(&"") {
        return Err(Refusal::Bad(format!("a composite value here has {wanted} parts, joined by $")));
    }
    let matcher = |(component, part): (&definitions::Component, &&str)| Matcher::parse(component.kind, None, part, &[]);
    definition.components.iter().zip(&parts).map(matcher).collect::<Result<_, _>>().map_err(Refusal::Bad)
}

fn check_modifier(kind: ParameterType, modifier: Option<&str>) -> Result<(), Refusal> {
    let Some(modifier) = modifier else {
        return Ok(());
    };
    let known: &[&str] = match (kind, modifier) {
        (ParameterType::Token, "in" | "not-in" | "above" | "below") => {
            return Err(Refusal::NotJudgeable(format!(":{modifier} needs a terminology server")));
        }
        (ParameterType::Token, "text") => {
            return Err(Refusal::NotJudgeable(":text depends on how a server indexes text".into()));
        }
        (ParameterType::Reference, "above" | "below") => {
            return Err(Refusal::NotJudgeable(format!(":{modifier} needs the resources that are referred to")));
        }
        (ParameterType::Reference, name) if definitions::is_resource_type(name) => return Ok(()),
        (ParameterType::Token, _) => &["missing", "not", "of-type"],
        (ParameterType::String, _) => &["missing", "exact", "contains"],
        (ParameterType::Reference, _) => &["missing", "identifier", "a resource type"],
        (ParameterType::Uri, _) => &["missing", "above", "below"],
        _ => &["missing"],
    };
    if known.contains(&modifier) {
        Ok(())
    } else {
        Err(Refusal::Bad(format!("no such modifier for this kind of parameter; there are: {}", known.join(", "))))
    }
}

impl Matcher {
    fn parse(kind: ParameterType, modifier: Option<&str>, text: &str, targets: &[String]) -> Result<Self, String> {
        match (kind, modifier) {
            (ParameterType::String, Some("exact")) => Ok(Self::Text(TextValue::Exact(query::unescape(text)))),
            (ParameterType::String, Some("contains")) => Ok(Self::Text(TextValue::Contains(folded(text)?))),
            (ParameterType::String, _) => Ok(Self::Text(TextValue::Starts(folded(text)?))),
            (ParameterType::Token, Some("of-type")) => TypedIdentifier::parse(&query::bars(text)).map(Self::TypedIdentifier),
            (ParameterType::Token, _) => TokenValue::parse(&query::bars(text)).map(Self::Token),
            (ParameterType::Reference, Some("identifier")) => TokenValue::parse(&query::bars(text)).map(Self::LogicalReference),
            (ParameterType::Reference, only) => ReferenceValue::parse(&query::unescape(text), only, targets).map(Self::Reference),
            (ParameterType::Date, _) => DateValue::parse(&query::unescape(text)).map(Self::Date),
            (ParameterType::Number, _) => NumberValue::parse(&query::unescape(text)).map(Self::Number),
            (ParameterType::Quantity, _) => QuantityValue::parse(&query::bars(text)).map(Self::Quantity),
            (ParameterType::Uri, modifier) => {
                let how = match modifier {
                    Some("below") => UriMatch::Below,
                    Some("above") => UriMatch::Above,
                    _ => UriMatch::Exact,
                };
                UriValue::parse(&query::unescape(text), how).map(Self::Uri)
            }
            (ParameterType::Composite | ParameterType::Special, _) => Err("it cannot be compared with one value".into()),
        }
    }

    fn names_system(&self) -> bool {
        matches!(self, Self::Token(token) if token.names_system())
    }

    fn matches(&self, element: &Value, kind: &ElementType, scope: Scope<'_>) -> bool {
        match self {
            Self::Text(value) => value.matches(element, kind),
            Self::Token(value) => value.matches(element, kind),
            Self::TypedIdentifier(value) => value.matches(element, kind),
            Self::Reference(value) => value.matches(element, kind, scope),
            Self::LogicalReference(value) => {
                let identifier = element.get("identifier");
                identifier.is_some_and(|identifier| value.matches(identifier, &ElementType::Identifier))
            }
            Self::Date(value) => value.matches(element, kind),
            Self::Number(value) => value.matches(element, kind),
            Self::Quantity(value) => value.matches(element, kind),
            Self::Uri(value) => value.matches(element, kind),
        }
    }
}

fn folded(text: &str) -> Result<String, String> {
    let folded = fold(&query::unescape(text));
    if folded.is_empty() { Err("the value has only space".into()) } else { Ok(folded) }
}
