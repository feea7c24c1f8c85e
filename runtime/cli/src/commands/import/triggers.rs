//! A bot's triggers, from its Subscriptions and its Bot resource.

use hob_host::moving;
use serde_json::Value;

use super::cron;
use super::plan::Bot;
use super::render::quoted;

const FHIRPATH: &str = "https://medplum.com/fhir/StructureDefinition/fhir-path-criteria-expression";
const INTERACTION: &str = "https://medplum.com/fhir/StructureDefinition/subscription-supported-interaction";
const ATTEMPTS: &str = "https://medplum.com/fhir/StructureDefinition/subscription-max-attempts";
const CODES: &str = "https://medplum.com/fhir/StructureDefinition/subscription-success-codes";

/// What makes a bot run.
#[derive(Debug, Default)]
pub(super) struct Triggers {
    /// The `[[on]]` tables.
    pub(super) tables: Vec<String>,
    /// Types of the resources whose changes run it.
    pub(super) types: Vec<String>,
    /// `retry.attempts`, where a Subscription says.
    pub(super) attempts: Option<u64>,
    /// What cannot be moved, and why.
    pub(super) left: Vec<String>,
    /// Of that, what runs the bot on the old host.
    pub(super) unmoved: Vec<String>,
}

/// Reads a bot's triggers.
pub(super) fn of(bot: &Bot) -> Triggers {
    let mut found = Triggers::default();
    for subscription in &bot.subscriptions {
        let id = subscription["id"].as_str().unwrap_or("?");
        if let Err(why) = change(subscription, &mut found) {
            found.left.push(format!("Subscription/{id}: {why}"));
            if is_on(subscription) {
                found.unmoved.push(format!("Subscription/{id}"));
            }
        }
    }
    if let Some(resource) = &bot.resource {
        match cron::of_bot(resource) {
            Ok(Some(cron)) => {
                let check = cron.check.map_or_else(String::new, |check| format!("# check: {check}\n"));
                found.tables.push(format!("{check}[[on]]\ncron = {}\nzone = \"UTC\"\n", quoted(&cron.schedule)));
            }
            Ok(None) => {}
            Err(why) => {
                found.left.push(format!("Bot/{}: {why}", bot.id));
                found.unmoved.push(format!("Bot/{}", bot.id));
            }
        }
    }
    found.tables.push("# check: for what called Bot/$execute; leave it out if nobody does\n[[on]]\ninvoke = true\n".to_owned());
    found
}

/// Whether the old host runs a bot by it.
pub(super) fn is_on(subscription: &Value) -> bool {
    ["active", "requested"].iter().any(|on| subscription["status"] == *on)
}

fn change(subscription: &Value, found: &mut Triggers) -> Result<(), String> {
    if !is_on(subscription) {
        return Err(format!("its status is {}: it runs nothing there either", subscription["status"]));
    }
    let criteria = subscription["criteria"].as_str().ok_or("it has no criteria")?;
    moving::judged(criteria).map_err(|why| format!("Hob cannot judge its criteria: {why}"))?;
    let mut interactions = Vec::new();
    let mut filters = Vec::new();
    for extension in subscription["extension"].as_array().into_iter().flatten() {
        match extension["url"].as_str().unwrap_or_default() {
            INTERACTION => interactions.extend(extension["valueCode"].as_str().map(str::to_owned)),
            FHIRPATH => filters.extend(extension["valueString"].as_str().map(str::to_owned)),
            ATTEMPTS => found.attempts = extension["valueInteger"].as_u64().filter(|attempts| *attempts > 0).or(found.attempts),
            CODES => found.left.push("subscription-success-codes: a run of Hob succeeds when the bot returns".to_owned()),
            other => found.left.push(format!("the extension {other} of a Subscription: its meaning is not known")),
        }
    }
    if interactions.iter().any(|one| !["create", "update", "delete"].contains(&one.as_str())) {
        return Err("its supported interaction is none of create, update and delete".to_owned());
    }
    let id = subscription["id"].as_str().unwrap_or("?");
    let mut table = format!("# Subscription/{}\n[[on]]\nchange = {}\n", id.replace(char::is_control, ""), quoted(criteria));
    if !interactions.is_empty() {
        let list: Vec<String> = interactions.iter().map(|one| quoted(one)).collect();
        table.push_str(&format!("interactions = [{}]\n", list.join(", ")));
    }
    if !filters.is_empty() {
        let list: Vec<String> = filters.iter().map(|one| format!("{{ fhirpath = {} }}", quoted(one))).collect();
        table.push_str(&format!("when = [{}]\n", list.join(", ")));
    }
    found.tables.push(table);
    found.types.extend(criteria.split('?').next().map(str::to_owned));
    Ok(())
}
