//! Placeholders: what a bot holds in place of a secret. And the values, for the few uses that are the engine's.

use std::collections::BTreeSet;

use data_encoding::{BASE64, BASE64_NOPAD};
use hob_model::{Digest, Manifest, RunId};

use crate::Offline;

/// Values of secrets, for what the sandbox signs and exposes.
pub trait Secrets: Send + Sync {
    /// The value of a secret of the manifest.
    ///
    /// # Errors
    /// Why it is not to be had, for the host's log: the bot is not told where the host keeps it.
    fn value(&self, name: &str) -> Result<String, String>;
}

impl Secrets for Offline {
    fn value(&self, _name: &str) -> Result<String, String> {
        Err("there are no secrets here".to_owned())
    }
}

/// What stands for the secret `name` in what `run` asks outside. The host replaces it by the value when it sends the request.
///
/// Bound to the run, so that a text from outside that looks like a placeholder (a patient can type one into a form) is not
/// replaced by a secret.
#[must_use]
pub fn placeholder(run: RunId, name: &str) -> String {
    let nonce = Digest::of_parts(&[b"hob-secret", run.as_bytes(), name.as_bytes()]).hex();
    format!("hob-secret:{name}:{}", &nonce[..32])
}

/// The names of the manifest's secrets whose placeholders stand in a request: in its URL, in the values of its headers, in the Basic credentials there, or in a
/// body that is text.
#[must_use]
pub fn secrets_in<'a>(
    manifest: &'a Manifest,
    run: RunId,
    url: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> BTreeSet<&'a str> {
    let pairs: Vec<String> = headers.iter().filter_map(|(name, value)| basic_pair(name, value)).collect();
    let texts = || {
        let values = headers.iter().map(|(_, value)| value.as_str());
        values.chain([url]).chain(pairs.iter().map(String::as_str)).chain(std::str::from_utf8(body).ok())
    };
    let stands = |name: &&str| {
        let placeholder = placeholder(run, name);
        texts().any(|text| text.contains(&placeholder))
    };
    manifest.secrets.keys().map(String::as_str).filter(stands).collect()
}

/// `user:password` of a header that has Basic credentials (RFC 7617).
#[must_use]
pub fn basic_pair(header: &str, value: &str) -> Option<String> {
    if !header.eq_ignore_ascii_case("authorization") && !header.eq_ignore_ascii_case("proxy-authorization") {
        return None;
    }
    let (scheme, rest) = value.trim().split_once(' ')?;
    let text = rest.trim().as_bytes();
    let pair = BASE64.decode(text).or_else(|_| BASE64_NOPAD.decode(text)).ok()?;
    scheme.eq_ignore_ascii_case("basic").then(|| String::from_utf8(pair).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let text = "name = \"b\"\nversion = \"1\"\n[[on]]\ninvoke = true\n\
                    [[http]]\nmethods = [\"GET\"]\nhost = \"a.example\"\npath = \"/\"\nsecrets = [\"one\", \"two\"]\n\
                    [secrets]\none = { env = \"A\" }\ntwo = { env = \"B\" }\n";
        Manifest::parse(text, "bot.toml").unwrap()
    }

    #[test]
    fn a_secret_is_seen_wherever_its_placeholder_stands() {
        let (manifest, run) = (manifest(), RunId::of_parts(&[b"r"]));
        let one = placeholder(run, "one");
        let basic = |pair: &str| format!("basic {}", BASE64.encode(pair.as_bytes()));
        let header = |name: &str, value: String| vec![(name.to_owned(), value)];
        let none = Vec::new();
        for (url, headers, body, names) in [
            (format!("https://a.example/{one}"), none.clone(), String::new(), &["one"][..]),
            (String::new(), header("x-key", format!("Bearer {one}")), String::new(), &["one"]),
            (String::new(), header("Authorization", basic(&format!("user:{one}"))), String::new(), &["one"]),
            (String::new(), header("Authorization", basic(&format!("user:{one}")).replace('=', "")), String::new(), &["one"]),
            (String::new(), none.clone(), format!("{} {one}", placeholder(run, "two")), &["one", "two"]),
            // Another run's, and what is no Basic credentials.
            (String::new(), none.clone(), placeholder(RunId::of_parts(&[b"s"]), "one"), &[]),
            (String::new(), header("x-basic", basic(&format!("user:{one}"))), String::new(), &[]),
            (String::new(), header("authorization", "Basic nonsense!".to_owned()), String::new(), &[]),
        ] {
            let found = secrets_in(&manifest, run, &url, &headers, body.as_bytes());
            assert_eq!(found.into_iter().collect::<Vec<_>>(), names, "{url} {headers:?} {body}");
        }
    }
}
