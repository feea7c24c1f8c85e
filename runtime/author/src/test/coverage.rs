//! Which triggers the cases exercise.

use std::collections::BTreeMap;

use hob_cases::Happening;
use hob_model::{Interaction, Manifest, Trigger};

use crate::stage::Played;

/// A trigger, and how many cases started the bot by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    /// As the manifest has it.
    pub trigger: String,
    /// Cases that it started.
    pub cases: usize,
    /// Interactions that it lists and no case has.
    pub without: Vec<Interaction>,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    cases: BTreeMap<usize, usize>,
    interactions: BTreeMap<usize, Vec<Interaction>>,
}

impl Counts {
    pub(super) fn of(_: &Manifest) -> Self {
        Self::default()
    }

    pub(super) fn count(&mut self, played: &Played, event: &Happening) {
        for at in &played.wanted {
            *self.cases.entry(*at).or_default() += 1;
            if let Happening::Change(change) = event {
                self.interactions.entry(*at).or_default().push(change.change);
            }
        }
    }

    pub(super) fn covered(&self, manifest: &Manifest) -> Vec<Covered> {
        let one = |(at, trigger): (usize, &Trigger)| {
            let seen = self.interactions.get(&at).map(Vec::as_slice).unwrap_or_default();
            let without = match trigger {
                Trigger::Change { interactions, .. } => interactions.iter().filter(|it| !seen.contains(it)).copied().collect(),
                _ => Vec::new(),
            };
            Covered { trigger: described(trigger), cases: self.cases.get(&at).copied().unwrap_or_default(), without }
        };
        manifest.on.iter().enumerate().map(one).collect()
    }
}

/// A trigger as the manifest has it.
pub(crate) fn described(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Change { criteria, .. } => format!("change = {criteria:?}"),
        Trigger::Cron { schedule, zone } => format!("cron = {schedule:?} ({zone})"),
        Trigger::Timer => "timer = true".to_owned(),
        Trigger::Invoke => "invoke = true".to_owned(),
        Trigger::Reply => "reply = true".to_owned(),
    }
}
