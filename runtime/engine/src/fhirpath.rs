//! FHIRPath (R4) over documents: the one place that names its engine.
//!
//! Expressions are parsed once and kept. Evaluation is synchronous and does not yield; what bounds it is a bound on the expression's length, and on CPU time
//! and values ([`guard`]).

use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::FutureExt;
use octofhir_fhirpath::core::trace::NoOpTraceProvider;
use octofhir_fhirpath::{FhirPathEngine, FhirPathValue};
use serde_json::{Map, Value};

use crate::Document;

mod guard;
mod model;

pub(crate) use guard::Over;

/// Longer expressions are refused: parsing and evaluation are recursive.
const LONGEST: usize = 8_192;
/// CPU time for an expression of a manifest, on one change.
const WHEN: Duration = Duration::from_millis(200);

/// Why an expression gives no answer. Holds nothing of the resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("FHIRPath: {message}")]
pub struct FhirPathError {
    /// What is wrong.
    pub message: String,
    /// The bound that it went over.
    pub(crate) over: Option<Over>,
}

fn wrong(message: impl Into<String>) -> FhirPathError {
    FhirPathError { message: message.into(), over: None }
}

fn over(over: Over) -> FhirPathError {
    let message = match over {
        Over::Cpu => "the expression takes too long",
        Over::Values => "the expression makes too many values, or too long a text",
    };
    FhirPathError { message: message.to_owned(), over: Some(over) }
}

/// What an expression can name beside the resource.
pub(crate) struct Environment {
    /// `%current`.
    pub(crate) current: Option<Document>,
    /// `%previous`.
    pub(crate) previous: Option<Document>,
    /// The guest's own.
    pub(crate) variables: Map<String, Value>,
}

/// Evaluates on a document, for `most` CPU time; the result as JSON values.
///
/// # Errors
/// [`FhirPathError`] for an expression that is wrong, does not fit what it meets, or goes over a bound.
pub(crate) fn evaluate(
    expression: &str,
    document: &Document,
    environment: &Environment,
    most: Duration,
) -> Result<Vec<Value>, FhirPathError> {
    let mut variables: HashMap<String, Arc<Value>> =
        environment.variables.iter().map(|(name, value)| (name.clone(), Arc::new(value.clone()))).collect();
    variables.insert("resource".to_owned(), document.shared());
    for (name, given) in [("current", &environment.current), ("previous", &environment.previous)] {
        if let Some(given) = given {
            variables.insert(name.to_owned(), given.shared());
        }
    }
    let found = run(expression, document.shared(), &variables, most)?;
    Ok(found.iter().map(FhirPathValue::to_json_value).collect())
}

/// Whether `expression` can be parsed, and names only variables and operators that there are: it is tried on an empty resource.
///
/// # Errors
/// What is wrong with it.
pub fn check_fhirpath(expression: &str) -> Result<(), FhirPathError> {
    guarded(expression, |engine| engine.compile_ast(expression).map(drop).map_err(|why| wrong(why.to_string())))?;
    // The engine's parser takes a name that begins with `not` for an operator where an expression begins with it, and only
    // evaluation tells; `Task.note` and `$this.note` are read right.
    match run(expression, Arc::new(serde_json::json!({ "resourceType": "Basic" })), &HashMap::new(), WHEN) {
        Err(error) if error.message.ends_with("(FP0054)") => Err(wrong(
            "it names a variable or an operator that there is not; write a name that begins with `not` after a dot, such as $this.note",
        )),
        _ => Ok(()),
    }
}

/// Whether a `when` filter holds: `expression` on `current` (also `%resource` and `%current`), with `%previous`, is exactly `true`.
/// What is absent, `%previous` too, is empty.
///
/// # Errors
/// An expression that is wrong or does not fit what it meets.
pub fn when_fhirpath(expression: &str, current: &Value, previous: Option<&Value>) -> Result<bool, FhirPathError> {
    let current = Arc::new(current.clone());
    let mut variables =
        HashMap::from([("resource".to_owned(), Arc::clone(&current)), ("current".to_owned(), Arc::clone(&current))]);
    if let Some(previous) = previous {
        variables.insert("previous".to_owned(), Arc::new(previous.clone()));
    }
    let found = run(expression, current, &variables, WHEN)?;
    Ok(matches!(found.as_slice(), [FhirPathValue::Boolean(true, ..)]))
}

fn run(
    expression: &str,
    on: Arc<Value>,
    variables: &HashMap<String, Arc<Value>>,
    most: Duration,
) -> Result<Vec<FhirPathValue>, FhirPathError> {
    // The engine's messages may quote what they met, so only its code goes on.
    let failed = |code: &str| wrong(format!("the expression cannot be evaluated here ({code})"));
    let mut expression = Cow::Borrowed(expression);
    for name in ["%current", "%previous"] {
        if !variables.contains_key(&name[1..]) {
            expression = without(&expression, name).into();
        }
    }
    guarded(&expression, |engine| {
        let plan = engine.compile_plan(&expression).map_err(|why| wrong(why.to_string()))?;
        let evaluated = async {
            let context = engine.prepare_context(on, None, variables).await.map_err(|_| failed("context"))?;
            let result = engine.evaluate_plan(&plan, &context).await.map_err(|why| failed(&why.error_code().to_string()))?;
            Ok(result.value.into_vec())
        };
        let (found, bound) = guard::bounded(most, || at_once(pin!(evaluated)));
        match (found, bound) {
            (_, Some(bound)) => Err(over(bound)),
            (Some(found), None) => found,
            (None, None) => Err(wrong("the expression needs a server or a terminology service, which it does not get")),
        }
    })
}

/// Polls until the future is ready or has nothing left to do: long evaluations give way now and then, though nobody else is there.
fn at_once<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    while woken.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(done);
        }
    }
    None
}

/// The expression with `{}` for a variable that is absent: the engine takes a variable for one value and has no empty one. Strings,
/// delimited identifiers and comments stay as they are.
fn without(expression: &str, variable: &str) -> String {
    let mut out = String::with_capacity(expression.len());
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '\'' | '`' | '"' => delimited(rest, first),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '%' if rest
                .strip_prefix(variable)
                .is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_')) =>
            {
                out.push_str("{}");
                rest = &rest[variable.len()..];
                continue;
            }
            other => other.len_utf8(),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out
}

/// How many bytes a quoted part takes, its quotes included.
fn delimited(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        if letter == quote && !escaped {
            return at + letter.len_utf8();
        }
        escaped = letter == '\\' && !escaped;
    }
    text.len()
}

/// Gives `work` the engine. The engine's panics, should it have any left, are errors: an expression must not take a host down.
fn guarded<T>(expression: &str, work: impl FnOnce(&FhirPathEngine) -> Result<T, FhirPathError>) -> Result<T, FhirPathError> {
    static ENGINE: OnceLock<Result<FhirPathEngine, FhirPathError>> = OnceLock::new();
    if expression.len() > LONGEST {
        return Err(wrong(format!("the expression has {} bytes; {LONGEST} are the most", expression.len())));
    }
    let engine = ENGINE.get_or_init(start).as_ref().map_err(Clone::clone)?;
    catch_unwind(AssertUnwindSafe(|| work(engine))).unwrap_or_else(|_| Err(wrong("the expression cannot be evaluated")))
}

fn start() -> Result<FhirPathEngine, FhirPathError> {
    let model = model::R4::load().map_err(|why| wrong(format!("the table of R4's types: {why}")))?;
    let (operators, functions) = (Arc::new(guard::operators()), Arc::new(guard::functions()));
    let made = FhirPathEngine::new_with_registries(operators, functions, Arc::new(model)).now_or_never();
    match made {
        // Without it `trace()` prints what it meets to the host's standard error.
        Some(made) => {
            made.map(|engine| engine.with_trace_provider(Arc::new(NoOpTraceProvider))).map_err(|why| wrong(why.to_string()))
        }
        None => Err(wrong("its engine does not start")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn on(expression: &str, resource: Value) -> Value {
        let environment =
            Environment { current: None, previous: None, variables: Map::from_iter([("x".to_owned(), json!("y"))]) };
        match evaluate(expression, &Document::from(resource), &environment, Duration::from_millis(500)) {
            Ok(found) => Value::Array(found),
            Err(error) => json!(error.message),
        }
    }

    #[test]
    fn samples() {
        let observation = json!({
            "resourceType": "Observation", "id": "o", "status": "final",
            "valueQuantity": { "value": 7.5, "unit": "kg" },
            "effectiveDateTime": "2026-01-02",
            "component": [{ "valueInteger": 2 }, { "valueInteger": 3 }],
        });
        for (expression, expected) in [
            ("status", json!(["final"])),
            ("Observation.value.value", json!([7.5])),
            ("value is Quantity", json!([true])),
            ("value.ofType(Quantity).unit", json!(["kg"])),
            ("component.value.sum()", json!([5])),
            ("component.where(value > 2).count()", json!([1])),
            ("%resource.id", json!(["o"])),
            ("%x", json!(["y"])),
            ("%previous.exists()", json!([false])),
            ("Observation is DomainResource", json!([true])),
            ("bodySite", json!([])),
            ("Observation.note.text", json!([])),
            ("effective < @2026-02-01", json!([true])),
        ] {
            assert_eq!(on(expression, observation.clone()), expected, "{expression}");
        }
    }

    #[test]
    fn when_holds_only_for_true() {
        let (old, new) =
            (json!({ "resourceType": "Task", "status": "ready" }), json!({ "resourceType": "Task", "status": "completed" }));
        let changed = "%current.status != %previous.status";
        assert_eq!(when_fhirpath(changed, &new, Some(&old)), Ok(true));
        assert_eq!(when_fhirpath(changed, &new, Some(&new)), Ok(false));
        assert_eq!(when_fhirpath(changed, &new, None), Ok(false));
        assert_eq!(when_fhirpath("status", &new, None), Ok(false));
        assert_eq!(when_fhirpath("status = 'completed' and %previous.empty()", &new, None), Ok(true));
        assert_eq!(
            without("%previous = '%previous' and %previously // %previous", "%previous"),
            "{} = '%previous' and %previously // %previous"
        );
        assert_eq!(without(r"'it\'s %a' & %a", "%a"), r"'it\'s %a' & {}");
    }

    #[test]
    fn what_is_wrong_is_an_error_and_does_not_quote_the_resource() {
        assert!(check_fhirpath("status = 'a'").is_ok());
        assert!(check_fhirpath("status = = 'a'").is_err());
        assert!(check_fhirpath("%nobody.status").is_err());
        assert!(check_fhirpath("note.exists()").is_err() && check_fhirpath("$this.note.exists()").is_ok());
        assert!(check_fhirpath(&"a".repeat(9_000)).is_err());
        let error = on("name.toInteger() + (1 | 2)", json!({ "resourceType": "Patient", "name": "Chalmers" }));
        assert!(!error.to_string().contains("Chalmers"), "{error}");
        // A recursion that never ends is bounded, and so is what multiplies.
        let many = "(1|2|3|4|5|6|7|8|9|10)";
        let nested = (0..9).fold("$this".to_owned(), |inner, _| format!("{many}.select({inner})"));
        let doubled = |times: usize| format!("name{}", ".select($this.combine($this))".repeat(times));
        let longer = format!("{many}.aggregate($total & $total & $total & $total & $total, '0123456789abcdef')");
        let replaced = "name.replace('', name).replace('', name)";
        let long = json!({ "resourceType": "Patient", "name": "x".repeat(10_000) });
        for bomb in [&nested, &doubled(30), &longer, replaced] {
            let told = on(bomb, long.clone());
            assert!(told.as_str().is_some_and(|told| told.contains("too")), "{bomb}: {told}");
        }
        assert_eq!(on(&format!("{}.count()", doubled(9)), json!({ "resourceType": "Patient", "name": "a" })), json!([512]));
        assert!(on("(1).repeat($this + 1).count()", json!({ "resourceType": "Patient" })).is_string());
    }
}
