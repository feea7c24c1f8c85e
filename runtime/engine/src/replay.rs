//! A recorded attempt, repeated by its journal: nobody is asked anything.

use std::sync::Arc;

use hob_model::{Clock, Difference, Journal};

use crate::tape::{self, Player};
use crate::{Document, Outside, Release, RunInput, RunOutput};

/// What a repeat gave.
#[derive(Debug)]
pub struct Replayed {
    /// As of any attempt.
    pub output: RunOutput,
    /// Where it is not what was recorded.
    pub difference: Option<Difference>,
    /// Whether it was held against all that was recorded. An attempt that a time limit ended can be repeated up to where one of the two was
    /// cut off.
    pub whole: bool,
}

impl Release {
    /// Repeats an attempt. Of `input` the run, the event, its payload and resource and the number of the attempt count; the rest is the journal's.
    pub async fn replay(&self, input: RunInput, journal: Journal, clock: Arc<dyn Clock>) -> Replayed {
        let document = |text: &serde_json::value::RawValue| Document::parse(text.get().as_bytes()).ok();
        let mut input = RunInput {
            seed: journal.seed,
            now: journal.started,
            settings: journal.given.settings.clone(),
            previous: journal.given.previous.as_deref().and_then(document),
            ..input
        };
        if let Some(resource) = &journal.given.resource {
            input.payload.bytes = resource.get().as_bytes().to_vec().into();
            input.resource = document(resource);
        }
        let player = Arc::new(Player::of(&journal));
        let outside = Outside { fhir: Arc::clone(&player) as _, http: Arc::clone(&player) as _, secrets: player, clock };
        let journal = Arc::new(journal);
        let (output, _) = self.attempt(input, outside, Some(Arc::clone(&journal))).await;
        let ends = matches!(&output.result, Err(failure) if failure.code == tape::ENDS);
        let again = &output.journal;
        let (whole, difference) = if journal.timed_out || again.timed_out {
            // Both are cut: what both have is the same.
            let both = journal.calls.len().min(again.calls.len());
            (false, journal.difference_in(again, both))
        } else {
            let difference = journal.difference(again);
            // A repeat that wants more than the journal has went another way, though no call says so.
            (!ends, difference.or(ends.then_some(Difference::Outcome)))
        };
        Replayed { output, difference, whole }
    }
}
