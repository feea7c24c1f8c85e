//! Secrets: found when they are used, never stored, and never printed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use hob_engine::Secrets;
use hob_model::{SecretRef, SecretSpec, TenantId};

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
    /// It is not one of the tenant's.
    #[error("{what} is not one of this tenant's secrets: those are variables {prefix}…, and files in {folder}")]
    Place {
        /// What was named.
        what: String,
        /// What the tenant's variables begin with.
        prefix: String,
        /// Where its files are.
        folder: PathBuf,
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

/// Where the secrets of bots may be found. A manifest is its author's: without this, one could name any file and variable of the host, another clinic's
/// credentials or the host's own, and send what is there to a receiver of its choice.
#[derive(Debug, Clone)]
pub(crate) enum Places {
    /// Wherever whoever runs it may look: for `hob run`.
    Anywhere,
    /// Those of a tenant: variables that begin with `HOB_SECRET_TENANT__`, and files below a folder.
    Of {
        /// What the names of its variables begin with.
        prefix: String,
        /// Its folder.
        folder: PathBuf,
    },
}

impl Places {
    /// Those of a tenant, by the folder of all.
    pub(crate) fn of(folder: &Path, tenant: &TenantId) -> Self {
        let prefix = format!("HOB_SECRET_{}__", tenant.as_str().to_ascii_uppercase().replace('-', "_"));
        Self::Of { prefix, folder: folder.join(tenant.as_str()) }
    }

    /// Finds a secret of a bot.
    ///
    /// # Errors
    /// [`SecretError::Place`] where it is not the tenant's; as [`resolve`].
    pub(crate) fn resolve(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let Self::Of { prefix, folder } = self else { return resolve(reference) };
        let elsewhere = || SecretError::Place {
            what: match reference {
                SecretRef::Env(name) => format!("the variable {name}"),
                SecretRef::File(path) => format!("the file {path}"),
            },
            prefix: prefix.clone(),
            folder: folder.clone(),
        };
        match reference {
            SecretRef::Env(name) => {
                // Two underscores end a tenant's name, so that no other's name begins with it.
                let own = name.strip_prefix(prefix.as_str()).is_some_and(|rest| !rest.is_empty() && !rest.contains("__"));
                if own { resolve(reference) } else { Err(elsewhere()) }
            }
            SecretRef::File(path) => {
                let whole = folder.join(path);
                let fault = |error| SecretError::File { path: whole.clone(), error };
                let steps_out = whole.components().any(|part| part == Component::ParentDir);
                if steps_out || !whole.starts_with(folder) {
                    return Err(elsewhere());
                }
                // A link may lead out; where it does is seen when it is followed.
                let (found, folder) = (whole.canonicalize().map_err(fault)?, folder.canonicalize().map_err(fault)?);
                if !found.starts_with(&folder) {
                    return Err(elsewhere());
                }
                resolve(&SecretRef::File(found.display().to_string()))
            }
        }
    }
}

/// The secrets of a manifest, for what its bot has signed or exposed.
pub(crate) struct OfManifest {
    pub(crate) secrets: BTreeMap<String, SecretSpec>,
    pub(crate) places: Places,
}

impl Secrets for OfManifest {
    fn value(&self, name: &str) -> Result<String, String> {
        let spec = self.secrets.get(name).ok_or_else(|| "the manifest has no such secret".to_owned())?;
        self.places.resolve(&spec.from).map(|Secret(value)| value).map_err(|error| error.to_string())
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
    fn a_bots_secrets_are_its_tenants() {
        let all = tempfile::tempdir().unwrap();
        let (folder, secrets) = (all.path(), all.path().join("secrets"));
        for (path, text) in
            [("secrets/a/token", "of-a"), ("secrets/b/token", "of-b"), ("secrets/a-b/token", "of-a-b"), ("key", "of-the-host")]
        {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink(folder.join("key"), secrets.join("a/out")).unwrap();
        std::os::unix::fs::symlink("token", secrets.join("a/in")).unwrap();
        let places = Places::of(&secrets, &"a".parse().unwrap());
        let file = |path: &str| places.resolve(&SecretRef::File(path.to_owned())).map(|secret| secret.expose().to_owned());
        for own in ["token", "in", &secrets.join("a/token").display().to_string()] {
            assert_eq!(file(own).unwrap(), "of-a", "{own}");
        }
        let theirs = secrets.join("b/token").display().to_string();
        for other in ["../b/token", "x/../../b/token", &theirs, "/etc/passwd", "out", "../a-b/token"] {
            assert!(matches!(file(other), Err(SecretError::Place { .. })), "{other}");
        }
        assert!(matches!(file("none"), Err(SecretError::File { .. })));
        let env = |name: &str| places.resolve(&SecretRef::Env(name.to_owned())).unwrap_err();
        assert!(matches!(env("HOB_SECRET_A__SMS"), SecretError::NoVariable(_)));
        for other in
            ["PATH", "HOB_ADMIN_TOKEN", "HOB_SECRET_B__SMS", "HOB_SECRET_A__", "HOB_SECRET_A__B__SMS", "HOB_SECRET_A_B__SMS"]
        {
            assert!(matches!(env(other), SecretError::Place { .. }), "{other}");
        }
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
