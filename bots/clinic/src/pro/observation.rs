//! The score as an Observation, found again by response and score code.
//!
//! One response and one score code are one Observation for ever: a rerun, an amendment or a new release changes it in place. It becomes
//! `amended` where the response was, `corrected` where the same response now scores differently, and `entered-in-error` where it
//! can no longer be scored. What other people added to it (notes, identifiers, performers) stays.

use super::instruments::{Direction, Instrument, Milli};
use super::score::Scored;
use super::{Assessment, Score};
use crate::fhir::{copied_reference, list, object, put, put_notes, text};
use crate::ids;
use crate::when::When;
use serde_json::{Value, json};

/// `Annotation.authorString` of the notes that scoring writes and replaces.
const AUTHOR: &str = "hob pro-scorer";

/// What to write for a score.
#[derive(Debug, Clone, PartialEq)]
pub enum ScoreWrite {
    /// A new Observation; create it only if none has its identifier.
    Create(Value),
    /// The existing Observation, changed.
    Update(Value),
    /// Nothing: it already says so, or there never was a score.
    Nothing,
}

/// The identifier value, of system [`ids::SCORE_IDENTIFIER`], of an instrument's score Observation for a response.
#[must_use]
pub fn score_identifier(response_id: &str, instrument: &Instrument) -> String {
    format!("{response_id}:{}", instrument.score.code)
}

/// Takes a score back, for example because its response was deleted. `why` is shown to people; nothing is written if it is taken back already.
#[must_use]
pub fn withdraw(existing: &Value, why: &str) -> ScoreWrite {
    if text(existing, "status") == Some("entered-in-error") {
        return ScoreWrite::Nothing;
    }
    let mut observation = existing.clone();
    put(&mut observation, "status", Some(json!("entered-in-error")));
    put_notes(&mut observation, AUTHOR, &[format!("Withdrawn: {why}.")]);
    ScoreWrite::Update(observation)
}

impl Assessment {
    /// The value of the Observation's identifier of system [`ids::SCORE_IDENTIFIER`], to search for the existing one.
    #[must_use]
    pub fn score_identifier(&self) -> String {
        score_identifier(&self.response_id, self.instrument)
    }

    /// The Observation to write, given the one that exists for [`Self::score_identifier`].
    #[must_use]
    pub fn observation(&self, response: &Value, existing: Option<&Value>) -> ScoreWrite {
        match (&self.score, existing) {
            (Score::Unscorable(_), None) => ScoreWrite::Nothing,
            (Score::Unscorable(why), Some(existing)) => withdraw(existing, &why.reason()),
            (Score::Scored(scored), None) => {
                let status = if text(response, "status") == Some("amended") { "amended" } else { "final" };
                let mut observation = object();
                put(&mut observation, "resourceType", Some(json!("Observation")));
                self.fill(&mut observation, scored, response);
                put(&mut observation, "status", Some(json!(status)));
                ScoreWrite::Create(observation)
            }
            (Score::Scored(scored), Some(existing)) => {
                let mut observation = existing.clone();
                self.fill(&mut observation, scored, response);
                if observation == *existing && text(existing, "status") != Some("entered-in-error") {
                    return ScoreWrite::Nothing;
                }
                let same_value = observation.get("valueQuantity") == existing.get("valueQuantity");
                let status = match (text(response, "status"), text(existing, "status")) {
                    (Some("amended"), _) => "amended",
                    // Wording or a reference changed: the result did not.
                    (_, Some(status @ ("final" | "amended" | "corrected"))) if same_value => status,
                    _ => "corrected",
                };
                put(&mut observation, "status", Some(json!(status)));
                if observation == *existing { ScoreWrite::Nothing } else { ScoreWrite::Update(observation) }
            }
        }
    }

    /// Sets everything but the status.
    fn fill(&self, observation: &mut Value, scored: &Scored, response: &Value) {
        let instrument = self.instrument;
        let own = json!({ "system": ids::SCORE_IDENTIFIER, "value": self.score_identifier() });
        let others = list(observation, "identifier").iter().filter(|i| text(i, "system") != Some(ids::SCORE_IDENTIFIER)).cloned();
        let identifiers: Vec<Value> = std::iter::once(own).chain(others).collect();
        put(observation, "identifier", Some(Value::Array(identifiers)));
        // A placeholder keeps the order of elements that FHIR's own examples have; the caller sets the status.
        if observation.get("status").is_none() {
            put(observation, "status", Some(json!("final")));
        }
        if list(observation, "category").is_empty() {
            let system = "http://terminology.hl7.org/CodeSystem/observation-category";
            put(
                observation,
                "category",
                Some(json!([{ "coding": [{ "system": system, "code": "survey", "display": "Survey" }] }])),
            );
        }
        let code = &instrument.score;
        let coding = json!({ "system": code.system, "code": code.code, "display": code.display });
        put(observation, "code", Some(json!({ "coding": [coding], "text": format!("{} score", instrument.name) })));
        put(observation, "subject", copied_reference(response, "subject", &["Patient", "Group", "Device", "Location"]));
        put(observation, "encounter", copied_reference(response, "encounter", &["Encounter"]));
        let authored = text(response, "authored").filter(|authored| When::parse(authored).is_some());
        put(observation, "effectiveDateTime", authored.map(|authored| json!(authored)));
        if list(observation, "performer").is_empty() {
            let source = copied_reference(response, "source", &["Patient", "Practitioner", "PractitionerRole", "RelatedPerson"]);
            put(observation, "performer", source.map(|source| json!([source])));
        }
        let quantity = json!({ "value": scored.value.to_json(), "unit": "score", "system": ids::UCUM, "code": "{score}" });
        put(observation, "valueQuantity", Some(quantity));
        put(observation, "interpretation", scored.band.map(|band| json!([{ "text": band.name }])));
        put_notes(observation, AUTHOR, &self.notes(scored));
        put(observation, "derivedFrom", Some(json!([{ "reference": format!("QuestionnaireResponse/{}", self.response_id) }])));
    }

    fn notes(&self, scored: &Scored) -> Vec<String> {
        let instrument = self.instrument;
        let better = match instrument.direction {
            Direction::LowerIsBetter => "lower is better",
            Direction::HigherIsBetter => "higher is better",
        };
        let (Milli(low), Milli(high)) = instrument.range;
        let mut first = format!("{}: {} to {}, {better}.", instrument.name, low / 1000, high / 1000);
        if matches!(instrument.formula, super::Formula::Table(_)) {
            first.push_str(&format!(" Raw sum {}, converted by the published table.", scored.raw));
        }
        let mut notes = vec![first, format!("Missing answers: {}", instrument.missing_rule)];
        if !instrument.provenance.bands.is_empty() {
            notes.push(format!("Bands: {}.", instrument.provenance.bands));
        }
        if let Some(stated) = self.stated_otherwise {
            notes.push(format!("The form itself states {stated}; this score is computed from the answers."));
        }
        notes
    }
}
