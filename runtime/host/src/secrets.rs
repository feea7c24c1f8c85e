//! Secrets: found when they are used, never stored, and never printed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use hob_engine::Secrets;
use hob_model::{SecretRef, SecretSpec};

/// A secret's value. It has no `Display`, and its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// The value, for the one call that needs it.
    #[must_use]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret that could not be found.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set in the host's environment.
    #[error("the environment variable {0} is not set for the host: set it and try again")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("cannot read the secret's file {path}: {error}")]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is there and empty, which no server means.
    #[error("the secret {0} is empty: give it a value")]
    Empty(String),
}

/// Finds the value that `reference` names.
///
/// # Errors
/// [`SecretError`] where it is missing or empty.
pub(crate) fn resolve(reference: &SecretRef) -> Result<Secret, SecretError> {
    let (name, value) = match reference {
        SecretRef::Env(name) => (name.clone(), std::env::var(name).map_err(|_| SecretError::NoVariable(name.clone()))?),
        SecretRef::File(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| SecretError::File { path: path.into(), error })?;
            (path.clone(), text.trim_end_matches(['\r', '\n']).to_owned())
        }
    };
    if value.is_empty() { Err(SecretError::Empty(name)) } else { Ok(Secret(value)) }
}

/// The secrets of a manifest, for what its bot has signed or exposed.
pub(crate) struct OfManifest(pub(crate) BTreeMap<String, SecretSpec>);

impl Secrets for OfManifest {
    fn value(&self, name: &str) -> Result<String, String> {
        let spec = self.0.get(name).ok_or_else(|| "the manifest has no such secret".to_owned())?;
        resolve(&spec.from).map(|Secret(value)| value).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_text_without_the_newline_and_never_prints_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "s3cret\n").unwrap();
        let secret = resolve(&SecretRef::File(path.display().to_string())).unwrap();
        assert_eq!(secret.expose(), "s3cret");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn what_is_missing_or_empty_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty");
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(resolve(&SecretRef::File(path.display().to_string())), Err(SecretError::Empty(_))));
        let missing = resolve(&SecretRef::Env("HOB_TEST_NOT_SET".into())).unwrap_err();
        assert!(missing.to_string().contains("HOB_TEST_NOT_SET"));
    }
}
