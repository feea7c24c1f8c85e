//! Secrets on the command line: only where they are found, never what they are.

use hob_model::SecretRef;

use crate::error::CliError;

/// Reads `env:NAME` or `file:PATH`.
///
/// clap would print a value that it refuses, and that may be the secret itself: so this is not a clap parser, and its error
/// names the option alone.
pub(crate) fn reference(option: &str, text: &str) -> Result<SecretRef, CliError> {
    match text.split_once(':') {
        Some(("env", name)) if is_variable(name) => Ok(SecretRef::Env(name.to_owned())),
        Some(("file", path)) if !path.is_empty() => Ok(SecretRef::File(path.to_owned())),
        _ => Err(CliError::usage(
            format!("`{option}` takes a reference to a secret, not the secret"),
            "give env:NAME (a variable of the host's environment) or file:PATH (a file that the host can read)",
        )),
    }
}

/// The variable that holds what `source` sends with its notifications, where nobody named another: `HOB_IN_HAPI`.
pub(crate) fn inbound_variable(source: &str) -> SecretRef {
    let name: String = source.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    SecretRef::Env(format!("HOB_IN_{name}"))
}

/// As the command line takes it.
pub(crate) fn printed(secret: &SecretRef) -> String {
    match secret {
        SecretRef::Env(name) => format!("env:{name}"),
        SecretRef::File(path) => format!("file:{path}"),
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_references_are_taken_and_a_secret_is_not_repeated() {
        for text in ["env:HAPI_TOKEN", "file:/run/secrets/hapi"] {
            assert_eq!(printed(&reference("--x", text).unwrap()), text);
        }
        for text in ["s3cret", "env:", "env:s3cret-1", "env:1S3CRET", "file:", "vault:s3cret", "Bearer s3cret"] {
            let error = reference("--auth-token", text).unwrap_err();
            assert!(!format!("{error:?}").to_lowercase().contains("s3cret"), "{text}");
            assert!(error.message.contains("--auth-token"));
        }
        assert_eq!(printed(&inbound_variable("north-hapi")), "env:HOB_IN_NORTH_HAPI");
    }
}
