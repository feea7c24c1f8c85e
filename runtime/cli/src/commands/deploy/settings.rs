//! `--set KEY=VALUE`, read by the types that the manifest gives its settings.

use hob_model::{Manifest, SettingType};
use serde_json::{Map, Value};

use crate::error::CliError;
use crate::exit_code;

/// The settings that were given, each of its type. One without default that was not given is an error.
pub(crate) fn read(given: &[String], manifest: &Manifest) -> Result<Map<String, Value>, CliError> {
    let settings = some(given, manifest)?;
    let missing = manifest.settings.iter().find(|(key, spec)| spec.default.is_none() && !settings.contains_key(*key));
    if let Some((key, spec)) = missing {
        let message = format!("the setting `{key}` has no default and was not given");
        let help = format!("add --set {key}={}", example(spec.kind));
        return Err(refused("setting-missing", message, help, manifest));
    }
    Ok(settings)
}

/// Settings for a manifest that the host has: it knows their types.
pub(crate) fn untyped(given: &[String]) -> Result<Map<String, Value>, CliError> {
    let mut settings = Map::new();
    for pair in given {
        let Some((key, text)) = pair.split_once('=') else {
            return Err(CliError::usage("`--set` takes KEY=VALUE", "write for example --set first-hour=10"));
        };
        let from_file = text.strip_prefix('@').map(file).transpose()?;
        let text = from_file.as_deref().unwrap_or(text);
        settings.insert(key.to_owned(), serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)));
    }
    Ok(settings)
}

/// The settings that were given, each of its type, and no others.
pub(crate) fn some(given: &[String], manifest: &Manifest) -> Result<Map<String, Value>, CliError> {
    let mut settings = Map::new();
    for pair in given {
        let Some((key, text)) = pair.split_once('=') else {
            return Err(CliError::usage("`--set` takes KEY=VALUE", "write for example --set first-hour=10"));
        };
        let Some(spec) = manifest.settings.get(key) else {
            let known: Vec<&str> = manifest.settings.keys().map(String::as_str).collect();
            let help =
                if known.is_empty() { "the bot has no settings".to_owned() } else { format!("it has {}", known.join(", ")) };
            return Err(refused("setting-unknown", format!("the bot has no setting `{key}`"), help, manifest));
        };
        let from_file = match text.strip_prefix('@') {
            Some(path) => Some(file(path)?),
            None => None,
        };
        let Some(value) = typed(from_file.as_deref().unwrap_or(text), spec.kind) else {
            let message = format!("the setting `{key}` is not {}", described(spec.kind));
            let help = format!("write for example --set {key}={}", example(spec.kind));
            return Err(refused("setting-type", message, help, manifest));
        };
        if settings.insert(key.to_owned(), value).is_some() {
            return Err(CliError::usage(format!("the setting `{key}` is given twice"), "drop one of the two"));
        }
    }
    Ok(settings)
}

fn refused(code: &str, message: String, help: String, manifest: &Manifest) -> CliError {
    CliError::new(exit_code::CONFIG, code, message, help).at(format!("bot {}", manifest.name))
}

/// `@FILE`: the file's text, without the newline at its end.
fn file(path: &str) -> Result<String, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| CliError::unreadable(std::path::Path::new(path), &error))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn typed(text: &str, kind: SettingType) -> Option<Value> {
    let value = match kind {
        SettingType::String => Value::from(text),
        _ => serde_json::from_str(text).ok()?,
    };
    kind.takes(&value).then_some(value)
}

fn described(kind: SettingType) -> &'static str {
    match kind {
        SettingType::String => "text",
        SettingType::Integer => "a whole number",
        SettingType::Number => "a number",
        SettingType::Boolean => "true or false",
        SettingType::Json => "a JSON table or list",
    }
}

fn example(kind: SettingType) -> &'static str {
    match kind {
        SettingType::String => "text",
        SettingType::Integer => "21",
        SettingType::Number => "0.5",
        SettingType::Boolean => "true",
        SettingType::Json => "'[\"a\"]'",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
name = "some-bot"
version = "1"
description = "x"
[[on]]
invoke = true
[settings.from]
type = "integer"
[settings.label]
type = "string"
default = "7"
[settings.zones]
type = "json"
default = []
"#;

    fn set(given: &[&str]) -> Result<Value, (String, String)> {
        let manifest = Manifest::parse(MANIFEST, "bot.toml").unwrap();
        let given: Vec<String> = given.iter().map(|s| (*s).to_owned()).collect();
        read(&given, &manifest).map(Value::Object).map_err(|error| (error.code, error.help))
    }

    #[test]
    fn values_are_of_the_manifests_types() {
        let all = set(&["from=21", "label=21", "zones=[\"a\"]"]).unwrap();
        assert_eq!(all, serde_json::json!({"from": 21, "label": "21", "zones": ["a"]}));
        assert_eq!(set(&["from=1", "label=a=b"]).unwrap()["label"], "a=b");
    }

    #[test]
    fn what_is_wrong_is_told_with_a_way_out() {
        let cases: [&[&str]; 6] = [&[], &["form=1"], &["from=x"], &["from=1.5"], &["from=1", "from=2"], &["from"]];
        let codes: Vec<String> = cases.iter().map(|given| set(given).unwrap_err().0).collect();
        assert_eq!(codes, ["setting-missing", "setting-unknown", "setting-type", "setting-type", "usage", "usage"]);
        assert_eq!(set(&["form=1"]).unwrap_err().1, "it has from, label, zones");
    }
}
