//! The manifest's `[[http]]` rules: what a bot may ask outside, by the outbox or in its midst.

use std::collections::BTreeSet;

use hob_model::{HttpRule, Manifest, RunId};
use http::{HeaderName, HeaderValue, Method};
use url::Url;

use crate::secrets_in;

/// Headers that belong to the host's HTTP client, or that it sets to keep its promise.
const OURS: [&str; 9] =
    ["connection", "content-length", "expect", "host", "idempotency-key", "te", "trailer", "transfer-encoding", "upgrade"];

/// A request as a bot makes it.
pub(super) struct Wished<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: &'a [u8],
}

/// The URL in its normal form, where a rule allows the request with the secrets in it and it can be one of HTTP.
pub(super) fn check(manifest: &Manifest, run: RunId, wished: &Wished<'_>) -> Result<String, String> {
    let Wished { method, url, headers, body } = *wished;
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).map_err(|_| "not an HTTP method".to_owned())?;
    let url = Url::parse(url).map_err(|why| format!("not an absolute URL: {why}"))?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header's name is not one".to_owned())?;
        if OURS.contains(&name.as_str()) {
            return Err(format!("the header {name} is set by Hob"));
        }
        HeaderValue::from_bytes(value.as_bytes()).map_err(|_| format!("the value of the header {name} is not one"))?;
    }
    let secrets = secrets_in(manifest, run, url.as_str(), headers, body);
    let host = url.host_str().unwrap_or("no host");
    let mut allowing = manifest.http.iter().filter(|rule| allows(rule, &method, &url)).peekable();
    if allowing.peek().is_some() {
        if allowing.any(|rule| lists(rule, &secrets)) {
            return Ok(url.into());
        }
        let names = secrets.into_iter().collect::<Vec<_>>().join(", ");
        return Err(format!(
            "the `[[http]]` rules of bot.toml let no such secret go to {host}: add {names} to the rule's `secrets`"
        ));
    }
    Err(format!("no `[[http]]` rule of bot.toml allows {method} to {}://{host} at this path", url.scheme()))
}

/// Whether one of the rules allows a request with these secrets. The URL is in its normal form.
#[must_use]
pub fn permits(rules: &[HttpRule], method: &str, url: &str, secrets: &BTreeSet<&str>) -> bool {
    let (Ok(method), Ok(url)) = (Method::from_bytes(method.as_bytes()), Url::parse(url)) else { return false };
    rules.iter().any(|rule| allows(rule, &method, &url) && lists(rule, secrets))
}

/// Whether the rule names all of the secrets.
fn lists(rule: &HttpRule, secrets: &BTreeSet<&str>) -> bool {
    secrets.iter().all(|name| rule.secrets.iter().any(|listed| listed == name))
}

/// Whether a rule allows the request: method, scheme, host with port, and the path up to a segment's end.
fn allows(rule: &HttpRule, method: &Method, url: &Url) -> bool {
    let scheme = url.scheme() == "https" || (rule.insecure && url.scheme() == "http");
    let host = url.host_str().is_some_and(|host| match url.port() {
        Some(port) => rule.host.eq_ignore_ascii_case(&format!("{host}:{port}")),
        // The URL hides its scheme's own port; a rule may still spell it.
        None => {
            let (name, port) = rule.host.rsplit_once(':').unwrap_or((&rule.host, ""));
            name.eq_ignore_ascii_case(host)
                && (port.is_empty() || url.port_or_known_default().is_some_and(|known| port == known.to_string()))
        }
    });
    let path = url
        .path()
        .strip_prefix(rule.path.as_str())
        .is_some_and(|rest| rule.path.ends_with('/') || rest.is_empty() || rest.starts_with('/'));
    // A receiver that decodes before it looks would see other segments than the rule does.
    let lower = url.path().to_ascii_lowercase();
    let plain = !["%2f", "%5c", "%2e", "%25", "%00", "\\", ".."].iter().any(|hidden| lower.contains(hidden));
    let nobody = url.username().is_empty() && url.password().is_none();
    scheme && host && path && plain && nobody && rule.methods.iter().any(|allowed| allowed.eq_ignore_ascii_case(method.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_hold_method_scheme_host_port_and_path() {
        let rule = |host: &str, path: &str| HttpRule {
            methods: vec!["POST".into()],
            host: host.into(),
            path: path.into(),
            insecure: false,
            secrets: Vec::new(),
        };
        let ok = |rule: &HttpRule, method: Method, url: &str| allows(rule, &method, &Url::parse(url).unwrap());
        let sms = rule("sms.example", "/v1");
        assert!(ok(&sms, Method::POST, "https://sms.example/v1/send"));
        assert!(ok(&sms, Method::POST, "https://SMS.example:443/v1"));
        for bad in [
            "http://sms.example/v1/send",
            "https://sms.example:8443/v1/send",
            "https://sms.example/v10",
            "https://sms.example/v1/../admin",
            "https://sms.example/v1/%2e%2e/admin",
            "https://sms.example/v1/..%2Fadmin",
            "https://sms.example/v1/%2e%2e%5cadmin",
            "https://sms.example/v1/a%00",
            "https://sms.example/v1/%252e%252e/admin",
            "https://sms.example/v1/..;/admin",
            "https://sms.example.evil/v1",
            "https://sms.example@evil.example/v1",
            "https://user@sms.example/v1",
        ] {
            assert!(!ok(&sms, Method::POST, bad), "{bad}");
        }
        assert!(!ok(&sms, Method::GET, "https://sms.example/v1/send"));
        assert!(ok(&rule("sms.example:8443", "/"), Method::POST, "https://sms.example:8443/x"));
    }
}
