//! The manifest's `[[http]]` rules: what a bot may ask outside, by the outbox or in its midst.

use hob_model::HttpRule;
use http::{HeaderName, HeaderValue, Method};
use url::Url;

/// Headers that belong to the host's HTTP client, or that it sets to keep its promise.
const OURS: [&str; 9] =
    ["connection", "content-length", "expect", "host", "idempotency-key", "te", "trailer", "transfer-encoding", "upgrade"];

/// The URL in its normal form, where a rule allows the request and it can be one of HTTP.
pub(super) fn check(rules: &[HttpRule], method: &str, url: &str, headers: &[(String, String)]) -> Result<String, String> {
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).map_err(|_| "not an HTTP method".to_owned())?;
    let url = Url::parse(url).map_err(|why| format!("not an absolute URL: {why}"))?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header's name is not one".to_owned())?;
        if OURS.contains(&name.as_str()) {
            return Err(format!("the header {name} is set by Hob"));
        }
        HeaderValue::from_bytes(value.as_bytes()).map_err(|_| format!("the value of the header {name} is not one"))?;
    }
    if rules.iter().any(|rule| allows(rule, &method, &url)) {
        return Ok(url.into());
    }
    let host = url.host_str().unwrap_or("no host");
    Err(format!("no `[[http]]` rule of bot.toml allows {method} to {}://{host} at this path", url.scheme()))
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
    let nobody = url.username().is_empty() && url.password().is_none();
    scheme && host && path && nobody && rule.methods.iter().any(|allowed| allowed.eq_ignore_ascii_case(method.as_str()))
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
