//! Medplum's resources: from a file or from the server.

use std::path::Path;
use std::sync::Arc;

use hob_host::SystemClock;
use hob_host::moving::{MovingError, Remote};
use hob_model::{BaseUrl, ResourceType};
use serde_json::Value;

use crate::commands::files;
use crate::commands::source::auth::AuthArgs;
use crate::error::CliError;
use crate::exit_code;

/// All Bots and Subscriptions that are given; none where nothing is named.
pub(super) async fn resources(from: Option<&str>, auth: &AuthArgs) -> Result<Vec<Value>, CliError> {
    let Some(from) = from else { return Ok(Vec::new()) };
    if is_url(from) {
        let remote = remote(from, auth)?;
        let mut found = Vec::new();
        for kind in ["Bot", "Subscription"] {
            let kind: ResourceType = kind.parse().map_err(|error| CliError::usage(error, "this is a bug"))?;
            found.extend(remote.all(&kind).await.map_err(|error| failed(&error, from))?);
        }
        return Ok(found);
    }
    let path = Path::new(from);
    let text = files::text(path)?;
    of_text(&text).map_err(|why| {
        let help = "give a Bundle, a list of resources, or NDJSON with a resource a line";
        CliError::new(exit_code::DATA, "import-resources", why, help).at(files::name(path))
    })
}

/// A client of the server that is named.
pub(super) fn remote(from: &str, auth: &AuthArgs) -> Result<Remote, CliError> {
    let base = BaseUrl::new(from)
        .map_err(|error| CliError::usage(error, "give the FHIR base URL, such as https://api.medplum.com/fhir/R4"))?;
    Remote::new(&base, &auth.read()?, Arc::new(SystemClock)).map_err(|error| failed(&error, from))
}

pub(super) fn is_url(from: &str) -> bool {
    from.starts_with("http://") || from.starts_with("https://")
}

/// What the server said, for the terminal.
pub(super) fn failed(error: &MovingError, at: &str) -> CliError {
    let (exit, help) = match error {
        MovingError::Access(_) => (exit_code::CONFIG, "check --auth and what goes with it"),
        MovingError::Moved => (exit_code::FAILURE, "look who changed it, and import again"),
        MovingError::Unknown(_) => (exit_code::UNAVAILABLE, "give the same command again: it finds out what became of it"),
        MovingError::Server(_) => (exit_code::UNAVAILABLE, "check that the server is up, its base URL, and --auth"),
    };
    CliError::new(exit, "import-server", error, help).at(at)
}

fn of_text(text: &str) -> Result<Vec<Value>, String> {
    if let Ok(whole) = serde_json::from_str::<Value>(text) {
        return match whole {
            Value::Array(all) => Ok(all),
            Value::Object(_) if whole["resourceType"] == "Bundle" => {
                let entries = whole["entry"].as_array().into_iter().flatten();
                Ok(entries.filter_map(|entry| entry.get("resource").cloned()).collect())
            }
            Value::Object(_) if whole["resourceType"].is_string() => Ok(vec![whole]),
            _ => Err("this JSON holds no resources".to_owned()),
        };
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| serde_json::from_str(line).map_err(|_| format!("line {} is no JSON", at + 1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_lists_and_lines_are_read() {
        for text in [
            r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Bot","id":"a"}},{"resource":{"resourceType":"Bot","id":"b"}}]}"#,
            r#"[{"resourceType":"Bot","id":"a"},{"resourceType":"Bot","id":"b"}]"#,
            "{\"resourceType\":\"Bot\",\"id\":\"a\"}\n\n{\"resourceType\":\"Bot\",\"id\":\"b\"}\n",
        ] {
            let ids: Vec<_> = of_text(text).unwrap().iter().map(|one| one["id"].clone()).collect();
            assert_eq!(ids, ["a", "b"]);
        }
        assert_eq!(of_text("{}\n{nothing\n").unwrap_err(), "line 2 is no JSON");
        assert!(of_text("3").is_err());
    }
}
