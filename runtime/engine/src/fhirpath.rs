//! FHIRPath (R4) over documents: the one place that names its engine.

use serde_json::{Map, Value};

use crate::Document;

/// Why an expression gives no answer. Holds nothing of the resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("FHIRPath: {message}")]
pub struct FhirPathError {
    /// What is wrong.
    pub message: String,
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

/// Evaluates on a document.
pub(crate) fn evaluate(_expression: &str, _document: &Document, _environment: &Environment) -> Result<Vec<Value>, FhirPathError> {
    Ok(Vec::new())
}

/// Whether `expression` can be parsed.
///
/// # Errors
/// What is wrong with it.
pub fn check_fhirpath(expression: &str) -> Result<(), FhirPathError> {
    let _ = expression;
    Ok(())
}

/// Whether a `when` filter holds: `expression` on `current` (also `%resource` and `%current`), with `%previous`, is exactly `true`.
///
/// # Errors
/// An expression that is wrong or goes beyond its bounds; what is merely absent is `false`.
pub fn when_fhirpath(expression: &str, current: &Value, previous: Option<&Value>) -> Result<bool, FhirPathError> {
    let _ = (expression, current, previous);
    Ok(false)
}
