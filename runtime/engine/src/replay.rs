//! A recorded attempt, repeated by its journal: nobody is asked anything. Or done by another release: what was asked then is answered by the journal, and
//! the caller decides who answers the rest.

use std::sync::Arc;

use hob_model::{Clock, Difference, Failure, Journal};

use crate::recorder::Recording;
use crate::tape::{self, Knower, Player};
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
        let input = given(RunInput { settings: journal.given.settings.clone(), ..input }, &journal);
        let player = Arc::new(Player::of(&journal));
        let outside = Outside { fhir: Arc::clone(&player) as _, http: Arc::clone(&player) as _, secrets: player, clock };
        let journal = Arc::new(journal);
        let (output, _) = self.attempt(input, outside, Recording::Again(Arc::clone(&journal))).await;
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

    /// Does what another release did when it was recorded. Of `input` its settings count too: they are this release's. What is the same call to the byte
    /// has the answer of the journal; what is not goes to `anew`, which ends the attempt by [`crate::FhirErrorCode::Ends`] or [`unknown`] where nobody knows.
    /// Nothing is written anywhere, as by [`Release::run`].
    pub async fn otherwise(&self, input: RunInput, journal: Arc<Journal>, anew: Outside) -> RunOutput {
        let input = given(input, &journal);
        let fhir = Arc::new(Knower::of(&journal, anew.fhir));
        self.attempt(input, Outside { fhir, ..anew }, Recording::otherwise(journal)).await.0
    }
}

/// The input of an attempt on what the recorded one was given.
fn given(input: RunInput, journal: &Journal) -> RunInput {
    let document = |text: &serde_json::value::RawValue| Document::parse(text.get().as_bytes()).ok();
    let previous = journal.given.previous.as_deref().and_then(document).or(input.previous);
    let mut input = RunInput { seed: journal.seed, now: journal.started, previous, ..input };
    if let Some(resource) = &journal.given.resource {
        input.payload.bytes = resource.get().as_bytes().to_vec().into();
        input.resource = document(resource);
    }
    input
}

/// The failure that ends an attempt of another release which asks what nobody can answer.
#[must_use]
pub fn unknown() -> Failure {
    tape::ended()
}

/// Whether an attempt ended because nobody could answer what it asked.
#[must_use]
pub fn is_unknown(failure: &Failure) -> bool {
    failure.code == tape::ENDS
}
