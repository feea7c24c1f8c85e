//! From a sheet of answers to a score, or to the reason why there is none.

use super::answers::{Sheet, Unreadable};
use super::instruments::{Band, Formula, Milli};
use crate::fhir::text;
use serde_json::Value;

/// A score, or why there is none. Ambiguity is a case of its own: nothing between the two exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Score {
    /// Scored by the instrument's rule.
    Scored(Scored),
    /// Not scored, and never approximated.
    Unscorable(Unscorable),
}

/// A score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scored {
    /// Sum of the items.
    pub raw: u16,
    /// The instrument's score.
    pub value: Milli,
    /// Its band, if the source names one.
    pub band: Option<&'static Band>,
}

/// Why a response gives no score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unscorable {
    /// The response is entered in error.
    Withdrawn,
    /// The response is neither completed nor amended (in progress, stopped, or of a status that cannot be read).
    NotFinished,
    /// Items without an answer, or declined, by number from 1.
    Missing(Vec<u8>),
    /// Items whose answer cannot be read, by number from 1; others may be missing as well.
    Unreadable(Vec<(u8, Unreadable)>),
}

impl Unscorable {
    /// The reason in words, without any answer.
    #[must_use]
    pub fn reason(&self) -> String {
        let numbers = |items: &mut dyn Iterator<Item = u8>| items.map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
        match self {
            Self::Withdrawn => "the response is entered in error".to_owned(),
            Self::NotFinished => "the response is not completed".to_owned(),
            Self::Missing(items) => {
                format!("no answer to item {}", numbers(&mut items.iter().copied()))
            }
            Self::Unreadable(items) => {
                format!("the answer to item {} cannot be read", numbers(&mut items.iter().map(|(n, _)| *n)))
            }
        }
    }
}

/// What a response's status allows.
pub(crate) fn is_withdrawn(response: &Value) -> bool {
    text(response, "status") == Some("entered-in-error")
}

pub(crate) fn score(response: &Value, sheet: &Sheet) -> Score {
    match text(response, "status") {
        Some("completed" | "amended") => {}
        Some("entered-in-error") => return Score::Unscorable(Unscorable::Withdrawn),
        _ => return Score::Unscorable(Unscorable::NotFinished),
    }
    let (mut raw, mut missing, mut unreadable) = (0u16, Vec::new(), Vec::new());
    for (number, answer) in (1u8..).zip(&sheet.answers) {
        match answer.single() {
            None | Some(Err(Unreadable::Declined)) => missing.push(number),
            Some(Err(why)) => unreadable.push((number, why)),
            Some(Ok(value)) => raw += u16::from(value),
        }
    }
    if !unreadable.is_empty() {
        return Score::Unscorable(Unscorable::Unreadable(unreadable));
    }
    // A raw sum outside the table cannot come from items in their range; were a table ever short, no score is right.
    let value = match sheet.instrument.formula {
        Formula::Sum => Some(Milli(i64::from(raw) * 1000)),
        Formula::Table(table) => table.score(raw),
    };
    match value {
        Some(value) if missing.is_empty() => Score::Scored(Scored { raw, value, band: sheet.instrument.band(value) }),
        _ => Score::Unscorable(Unscorable::Missing(missing)),
    }
}
