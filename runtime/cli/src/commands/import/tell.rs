//! What is said after a cutover: where each bot stands, and from when on Hob has to run what changed.

use std::collections::BTreeMap;
use std::path::Path;

use hob_model::{BotName, ResourceType, Timestamp};
use serde_json::json;

use super::state::{Moved, Now, State};
use crate::error::CliError;
use crate::output::Output;

/// Says where the bots stand, and what to do next.
pub(super) fn all(bots: &[BotName], state: &State, folder: &Path, out: &Output) -> Result<(), CliError> {
    let nothing = Moved::default();
    let moved = |bot: &BotName| state.bots.get(bot).unwrap_or(&nothing);
    if out.json() {
        let shown = |bot: &BotName| {
            let off = off_since(moved(bot)).into_iter().map(|(kind, [_, last])| (kind.to_string(), json!(last.to_string())));
            json!({ "name": bot, "switches": moved(bot).switches, "backfill_since": off.collect::<serde_json::Map<_, _>>() })
        };
        return out.document(&json!({ "bots": bots.iter().map(shown).collect::<Vec<_>>() }));
    }
    for bot in bots {
        if moved(bot).switches.is_empty() {
            out.line(&format!("{bot}: nothing runs it at the old host"))?;
        }
        for switch in &moved(bot).switches {
            let word = if matches!(switch.now, Now::Off { .. }) { "off" } else { "on" };
            out.line(&format!("{bot}: {} is {word} at the old host", switch.reference))?;
        }
        let off = off_since(moved(bot));
        if !off.is_empty() {
            out.next(&format!("hob deploy {} --source NAME", folder.join(bot.as_str()).display()));
        }
        for (kind, [first, last]) in off {
            out.next(&format!("hob backfill {bot} --type {kind} --since {last}"));
            if first != last {
                out.note(&format!(
                    "look: what changed of {kind} from {first} to {last} was seen by some of the old triggers only"
                ));
            }
        }
    }
    Ok(())
}

/// By type, when the first and the last trigger went off. Before the last the old host may have run a change, so that is where Hob begins.
fn off_since(moved: &Moved) -> BTreeMap<ResourceType, [Timestamp; 2]> {
    let mut found: BTreeMap<ResourceType, [Timestamp; 2]> = BTreeMap::new();
    for switch in &moved.switches {
        let (Now::Off { since: Some(at), .. }, Some(kind)) = (&switch.now, &switch.resource_type) else { continue };
        let [first, last] = found.entry(kind.clone()).or_insert([*at, *at]);
        *first = (*first).min(*at);
        *last = (*last).max(*at);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hob_begins_where_the_last_trigger_of_a_type_went_off() {
        let off = |kind: Option<&str>, at: &str| {
            let since = format!("2026-11-23T09:00:{at}Z");
            let now = json!({ "off": { "version": "2", "since": since } });
            json!({ "reference": "Subscription/s", "version": "1", "type": kind, "fields": {}, "now": now })
        };
        let switches = [off(Some("Task"), "02"), off(Some("Task"), "01"), off(Some("Patient"), "03"), off(None, "04")];
        let moved: Moved = serde_json::from_value(json!({ "switches": switches, "unmoved": [] })).unwrap();
        let found: Vec<_> =
            off_since(&moved).into_iter().map(|(kind, [a, b])| format!("{kind} {a} {b}").replace(".000000", "")).collect();
        assert_eq!(
            found,
            ["Patient 2026-11-23T09:00:03Z 2026-11-23T09:00:03Z", "Task 2026-11-23T09:00:01Z 2026-11-23T09:00:02Z"]
        );
    }
}
