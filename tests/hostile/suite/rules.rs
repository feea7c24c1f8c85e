//! Ways to write a URL so that a rule of the manifest might take it for another. `runtime/host` holds what is behind a name: addresses,
//! redirects, secrets.

use hob_engine::RunOutput;
use serde_json::{Value, json};

use crate::case::{Case, script};
use crate::server::Server;
use crate::stage::answers;

const RULE: &str = "scopes = []\n[[http]]\nmethods = [\"POST\"]\nhost = \"sms.example\"\npath = \"/v1\"\n";

pub(crate) fn cases() -> Vec<Case> {
    let refused = |name: &str, urls: &[&str]| script(name, RULE, Server::with([]), steps(urls)).harmless(none_allowed);
    vec![
        refused(
            "url-user",
            &[
                "https://sms.example@evil.example/v1",
                "https://user@sms.example/v1",
                "https://:secret@sms.example/v1",
                "https://sms.example:443@evil.example/v1",
            ],
        ),
        refused(
            "url-traversal",
            &[
                "https://sms.example/v1/../admin",
                "https://sms.example/v1/%2e%2e/admin",
                "https://sms.example/v1/.%2E/admin",
                "https://sms.example/v1\\..\\admin",
                "https://sms.example/v1/./../admin",
            ],
        ),
        refused(
            "url-traversal-encoded",
            &[
                "https://sms.example/v1/..%2fadmin",
                "https://sms.example/v1/%2e%2e%2fadmin",
                "https://sms.example/v1/..%5cadmin",
                "https://sms.example/v1/%252e%252e/admin",
                "https://sms.example/v1/..;/admin",
            ],
        ),
        refused(
            "url-other-path",
            &[
                "https://sms.example/v10",
                "https://sms.example/",
                "https://sms.example/V1",
                "https://sms.example//v1",
                "https://sms.example/v1%2f..%2fadmin",
                "https://sms.example?/v1",
                "https://sms.example#/v1",
            ],
        ),
        refused(
            "url-other-port",
            &[
                "https://sms.example:8443/v1",
                "https://sms.example:80/v1",
                "https://sms.example:0/v1",
                "http://sms.example:443/v1",
            ],
        ),
        refused(
            "url-other-scheme",
            &[
                "http://sms.example/v1",
                "HTTP://sms.example/v1",
                "ftp://sms.example/v1",
                "file:///v1",
                "javascript:alert(1)",
                "wss://sms.example/v1",
                "//sms.example/v1",
                "/v1",
                "",
            ],
        ),
        refused(
            "url-other-host",
            &[
                "https://sms.example./v1",
                "https://sms.example.evil/v1",
                "https://evil-sms.example/v1",
                "https://sms.example%2eevil/v1",
                "https://sms.example\u{3002}evil/v1",
                "https://xn--sms/v1",
                "https:\\\\evil.example\\sms.example/v1",
                "https://evil.example/https://sms.example/v1",
            ],
        ),
        refused(
            "url-control-characters",
            &[
                "https://sms.example\u{0}.evil/v1",
                "https://sms.ex ample/v1",
                "https://evil.example\t/v1",
                "https://sms.example\r\nhost: evil/v1",
            ],
        ),
        script(
            "url-in-its-normal-form",
            RULE,
            Server::with([]),
            steps(&["HTTPS://SMS.EXAMPLE:443/v1/./to", "https:sms.example/v1", " https://sms.example/v1\t"]),
        )
        .harmless(all_normal),
        script(
            "method-other",
            RULE,
            Server::with([]),
            json!([
                ["send", "a", "GET", "https://sms.example/v1", ""],
                ["send", "b", "PO ST", "https://sms.example/v1", ""],
                ["send", "c", "POST\r\nX: y", "https://sms.example/v1", ""],
                ["send", "d", "CONNECT", "https://sms.example/v1", ""],
                ["send", "e", "", "https://sms.example/v1", ""],
            ]),
        )
        .harmless(none_allowed),
    ]
}

/// Each URL by the outbox, and in the midst.
fn steps(urls: &[&str]) -> Value {
    let both = |(at, url): (usize, &&str)| [json!(["send", at.to_string(), "POST", url, "x"]), json!(["ask", "POST", url, "x"])];
    urls.iter().enumerate().flat_map(both).collect()
}

/// Every step was told that no rule allows it, or that it is no request.
fn none_allowed(output: &RunOutput) -> Result<(), String> {
    let answers = answers(output)?;
    for (at, answer) in answers.as_array().into_iter().flatten().enumerate() {
        let message = answer["message"].as_str().unwrap_or_default();
        let no_rule = message.contains("[[http]]")
            || message.starts_with("not an absolute URL")
            || message.starts_with("not an HTTP method");
        if answer["error"].is_null() || answer["error"] == "refused" || !no_rule {
            return Err(format!("step {at}: {answer}"));
        }
    }
    crate::case::nothing(output)
}

/// What is another spelling of an allowed URL is staged in its normal form.
fn all_normal(output: &RunOutput) -> Result<(), String> {
    let urls: Vec<&str> = output.effects.outbox.iter().map(|item| item.url.as_str()).collect();
    if urls == ["https://sms.example/v1/to", "https://sms.example/v1", "https://sms.example/v1"] {
        Ok(())
    } else {
        Err(format!("{urls:?}"))
    }
}

#[test]
fn rules() {
    crate::judge::group("rules", cases());
}
