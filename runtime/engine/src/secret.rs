//! Placeholders: what a bot holds in place of a secret.

use hob_model::{Digest, RunId};

/// What stands for the secret `name` in what `run` asks outside. The host replaces it by the value when it sends the request.
///
/// Bound to the run, so that a text from outside that looks like a placeholder (a patient can type one into a form) is not
/// replaced by a secret.
#[must_use]
pub fn placeholder(run: RunId, name: &str) -> String {
    let nonce = Digest::of_parts(&[b"hob-secret", run.as_bytes(), name.as_bytes()]).hex();
    format!("hob-secret:{name}:{}", &nonce[..32])
}
