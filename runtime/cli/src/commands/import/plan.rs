//! Which bots there are: the project file's, with the resources that belong to them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hob_model::BotName;
use serde::Deserialize;
use serde_json::Value;

use crate::commands::files;
use crate::error::CliError;
use crate::exit_code;

/// One bot as it is on Medplum.
#[derive(Debug, Clone)]
pub(super) struct Bot {
    pub(super) name: BotName,
    /// As the project calls it.
    pub(super) title: String,
    /// The id of its Bot resource.
    pub(super) id: String,
    /// Its source, where the project file says.
    pub(super) source: Option<PathBuf>,
    /// Its Bot resource, where it was given.
    pub(super) resource: Option<Value>,
    /// The Subscriptions that run it.
    pub(super) subscriptions: Vec<Value>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    bots: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    id: String,
    source: Option<String>,
}

/// The bots of a project file.
pub(super) fn bots(config: &Path, resources: &[Value]) -> Result<Vec<Bot>, CliError> {
    let wrong = |why: String| {
        let help = "give Medplum's project file: {\"bots\": [{\"name\", \"id\", \"source\", \"dist\"}]}";
        CliError::new(exit_code::DATA, "import-config", why, help).at(config.display())
    };
    let read: Config = serde_json::from_str(&files::text(config)?).map_err(|error| wrong(error.to_string()))?;
    if read.bots.is_empty() {
        return Err(wrong("it lists no bots".to_owned()));
    }
    let folder = config.parent().unwrap_or(Path::new("."));
    let mut names = BTreeSet::new();
    let mut found = Vec::new();
    for listed in read.bots {
        let name =
            unique(&slug(&listed.name), &mut names).ok_or_else(|| wrong(format!("the bot {:?} has no name", listed.name)))?;
        let endpoint = format!("Bot/{}", listed.id);
        let is = |one: &&Value| one["resourceType"] == "Bot" && one["id"] == listed.id.as_str();
        let runs_it = |one: &&Value| one["resourceType"] == "Subscription" && one["channel"]["endpoint"] == endpoint.as_str();
        found.push(Bot {
            name,
            title: listed.name,
            source: listed.source.map(|source| folder.join(source)),
            resource: resources.iter().find(is).cloned(),
            subscriptions: resources.iter().filter(runs_it).cloned().collect(),
            id: listed.id,
        });
    }
    Ok(found)
}

/// Bots and Subscriptions to bots that the project file does not list.
pub(super) fn strays(bots: &[Bot], resources: &[Value]) -> Vec<String> {
    let ids: BTreeSet<&str> = bots.iter().map(|bot| bot.id.as_str()).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    resources
        .iter()
        .filter_map(|one| {
            let id = text(&one["id"]);
            match one["resourceType"].as_str() {
                Some("Bot") if !ids.contains(id.as_str()) => Some(format!("Bot/{id}: the project file does not list it")),
                Some("Subscription") => {
                    let endpoint = text(&one["channel"]["endpoint"]);
                    match endpoint.strip_prefix("Bot/") {
                        Some(bot) if ids.contains(bot) => None,
                        Some(bot) => Some(format!("Subscription/{id}: it runs Bot/{bot}, which the project file does not list")),
                        None => Some(format!("Subscription/{id}: it runs no bot but posts to a URL; leave it where it is")),
                    }
                }
                _ => None,
            }
        })
        .collect()
}

/// A bot's name for Hob: lower case, digits and inner dashes.
fn slug(title: &str) -> String {
    let mut name = String::new();
    for c in title.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(60);
    name.trim_matches('-').to_owned()
}

fn unique(name: &str, taken: &mut BTreeSet<String>) -> Option<BotName> {
    let one = (1..).map(|n| if n == 1 { name.to_owned() } else { format!("{name}-{n}") }).find(|one| !taken.contains(one))?;
    taken.insert(one.clone());
    BotName::new(one).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_hobs() {
        for (title, name) in [("Hello Patient", "hello-patient"), ("  BMI (calc) ", "bmi-calc"), ("welcome", "welcome")] {
            assert_eq!(slug(title), name);
        }
        let mut taken = BTreeSet::new();
        let names: Vec<_> = ["a", "a", "a"].iter().map(|name| unique(name, &mut taken).unwrap().to_string()).collect();
        assert_eq!(names, ["a", "a-2", "a-3"]);
        assert_eq!(unique("", &mut taken), None);
    }
}
