//! What a source can and cannot give back when it lost a notification: pure, from what it was proved to do.

use hob_model::{Capabilities, Interaction, Manifest, Trigger};
use serde::Serialize;

/// One kind of thing that gets lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Recovery {
    /// What.
    pub(crate) what: &'static str,
    /// Whether it comes back.
    pub(crate) recovered: bool,
    /// By what, or why not.
    pub(crate) how: &'static str,
}

/// Whether a delete whose notification was lost is found.
pub(crate) const fn of_deletes(can: &Capabilities) -> bool {
    can.type_history && can.history_shows_deletes
}

/// What a source gives back.
pub(crate) const fn of(can: &Capabilities) -> [Recovery; 4] {
    let changes = Recovery {
        what: "changes",
        recovered: true,
        how: if can.type_history { "by the history of each type" } else { "by a search for what changed last" },
    };
    let versions = Recovery {
        what: "versions between",
        recovered: can.instance_history,
        how: if can.instance_history { "by the history of the resource" } else { "it keeps none: only the newest is found" },
    };
    let deletes = Recovery {
        what: "deletes",
        recovered: of_deletes(can),
        how: if of_deletes(can) {
            "by the history of each type, also of what was created and deleted at once"
        } else if can.type_history {
            "its history does not show them: one that is not notified is lost"
        } else {
            "it has no history of types: one that is not notified is lost, and so is what was created and deleted at once"
        },
    };
    let order = Recovery {
        what: "order",
        recovered: can.instance_history,
        how: if can.instance_history {
            "by the history of the resource"
        } else {
            "as versions are found: one found late is `late`"
        },
    };
    [changes, versions, deletes, order]
}

/// The criteria of the first trigger of a manifest that needs deletes and does not say that it can do without.
pub(crate) fn needs_deletes(manifest: &Manifest) -> Option<&str> {
    manifest.on.iter().find_map(|trigger| match trigger {
        Trigger::Change { criteria, interactions, source_only: false, .. } if interactions.contains(&Interaction::Delete) => {
            Some(criteria.as_str())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn can(type_history: bool, history_shows_deletes: bool, instance_history: bool) -> Capabilities {
        Capabilities {
            checked: hob_model::Timestamp::default(),
            software: None,
            atomic: true,
            fence: true,
            client_ids: true,
            conflict_status: None,
            instance_history,
            type_history,
            history_shows_deletes,
            integer_versions: true,
            strict_search: true,
            transaction_entries: 1,
            notes: Vec::new(),
        }
    }

    #[test]
    fn only_what_was_proved_comes_back() {
        let back = |can| of(&can).map(|recovery| (recovery.what, recovery.recovered));
        assert_eq!(
            back(can(true, true, true)),
            [("changes", true), ("versions between", true), ("deletes", true), ("order", true)]
        );
        assert_eq!(back(can(false, true, true))[2], ("deletes", false));
        assert_eq!(back(can(true, false, true))[2], ("deletes", false));
        assert_eq!(back(can(true, true, false))[1], ("versions between", false));
    }

    #[test]
    fn a_trigger_on_deletes_needs_them_unless_it_says_that_it_does_not() {
        let manifest = |more: &str| {
            Manifest::parse(&format!("name = \"b\"\nversion = \"1\"\n[[on]]\nchange = \"Task\"\n{more}"), "bot.toml").unwrap()
        };
        assert_eq!(needs_deletes(&manifest("")), None);
        assert_eq!(needs_deletes(&manifest("interactions = [\"delete\"]")), Some("Task"));
        assert_eq!(needs_deletes(&manifest("interactions = [\"delete\"]\nsource-only = true")), None);
    }
}
