//! FHIRPath (R4) over documents: the one place that names its engine.

use serde_json::Value;

/// Why an expression gives no answer. Holds nothing of the resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("FHIRPath: {message}")]
pub struct FhirPathError {
    /// What is wrong.
    pub message: String,
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
