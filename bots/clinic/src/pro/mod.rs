//! Scores of patient-reported outcomes, and the answers that cannot wait for a score.
//!
//! **Goal.** One call, [`evaluate`], reads a QuestionnaireResponse; [`Assessment`] then gives the Observation to write and the Tasks to
//! open. A number is published only if the instrument's own rule gives one: everything else is [`Score::Unscorable`] with its reason.
//!
//! **Red flags do not depend on scores.** They are looked for by the item's own code wherever it stands in the response, whatever the
//! response's status (but not `entered-in-error`), and also when nothing else can be read.
//!
//! **Trade-offs.** Of two published rules for missing answers the stricter one is used: no score is repaired by a person who asks again, a wrong
//! score is not noticed. Tables are constants, checked by [`lint`], not configuration: a clinic must not be able to mistype one.

mod answers;
mod flags;
mod instruments;
mod lint;
mod observation;
mod score;

pub use answers::{Form, Unreadable};
pub use flags::{FlagReason, RedFlag};
pub use instruments::{Band, Direction, Formula, INSTRUMENTS, Instrument, InstrumentId, Item, Milli, Provenance, ScoreCode};
pub use lint::{Defect, LISTED, Listed, TableClaim, lint};
pub use observation::{ScoreWrite, score_identifier, withdraw};
pub use score::{Score, Scored, Unscorable};

use crate::CrisisRoute;
use crate::fhir::{InputError, id_of};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The clinic's configuration of scoring.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Forms that do not use LOINC codes as linkIds: canonical URL (without version) to what its items are.
    pub forms: BTreeMap<String, Form>,
    /// Where red flags go.
    pub crisis: CrisisRoute,
}

/// What one instrument says in one response.
#[derive(Debug, Clone)]
pub struct Assessment {
    /// The instrument.
    pub instrument: &'static Instrument,
    /// Its score, or why there is none.
    pub score: Score,
    /// Answers that somebody must be told of at once.
    pub flags: Vec<RedFlag>,
    /// The total that the form itself states and that differs from the score, if so.
    pub stated_otherwise: Option<Milli>,
    pub(crate) response_id: String,
}

/// Reads a response: one assessment for each instrument that it holds (a form may hold several), none if it holds none.
///
/// `questionnaire`, if the bot could read it, lets items be recognised by `Questionnaire.item.code` and answers by the weights of
/// `answerOption`; without it, linkIds and answers must speak for themselves.
///
/// # Errors
/// [`InputError`] if it is no QuestionnaireResponse or has no id. Nothing else is an error: a response may be as broken as it likes.
pub fn evaluate(response: &Value, questionnaire: Option<&Value>, rules: &Rules) -> Result<Vec<Assessment>, InputError> {
    let id = id_of(response, "QuestionnaireResponse")?;
    let form = answers::Reader::new(response, questionnaire, rules);
    let found = INSTRUMENTS.iter().filter_map(|instrument| {
        let sheet = form.sheet(instrument)?;
        let score = score::score(response, &sheet);
        let stated_otherwise = match (&score, sheet.stated) {
            (Score::Scored(scored), Some(stated)) if scored.value != stated => Some(stated),
            _ => None,
        };
        Some(Assessment {
            instrument,
            flags: flags::flags(response, &sheet),
            score,
            stated_otherwise,
            response_id: id.to_owned(),
        })
    });
    Ok(found.collect())
}
