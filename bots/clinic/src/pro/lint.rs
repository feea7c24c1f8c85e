//! The linter of score tables, and the tables that passed it.
//!
//! Published FHIR forms carry wrong tables, so a table is believed only with a source, worked examples from elsewhere, and a hash that
//! shows when somebody touched it. A test holds every table here, and every known wrong one, to this linter.

use super::instruments::{Direction, Milli};
use crate::stable::sha256_hex;
use serde_json::Value;
use std::collections::BTreeMap;

/// A table that is shipped: the score of every raw sum from 0 on, in thousandths.
#[derive(Debug)]
pub struct Listed {
    pub(crate) instrument: &'static str,
    pub(crate) rows: &'static [i64],
    pub(crate) direction: Direction,
    pub(crate) examples: &'static [(u16, i64)],
    pub(crate) source: &'static str,
    pub(crate) sha256: &'static str,
}

impl Listed {
    /// The score of a raw sum.
    #[must_use]
    pub fn score(&self, raw: u16) -> Option<Milli> {
        self.rows.get(usize::from(raw)).copied().map(Milli)
    }

    /// As the linter takes it.
    #[must_use]
    pub fn claim(&self) -> TableClaim {
        let rows = self.rows.iter().enumerate().filter_map(|(raw, score)| Some((u16::try_from(raw).ok()?, Milli(*score))));
        TableClaim {
            instrument: self.instrument.to_owned(),
            rows: rows.collect(),
            raw_max: u16::try_from(self.rows.len().saturating_sub(1)).unwrap_or(u16::MAX),
            // Both shipped scales give less for a higher raw sum when higher is better.
            falling: self.direction == Direction::HigherIsBetter,
            range: (Milli(0), Milli(100_000)),
            examples: self.examples.iter().map(|(raw, score)| (*raw, Milli(*score))).collect(),
            source: self.source.to_owned(),
            sha256: Some(self.sha256.to_owned()),
        }
    }
}

/// The tables.
pub(crate) mod listed {
    use super::{Direction, Listed};

    /// Raw 15 to 50.012 is the CMS ACCESS guide's worked example; 7 and 14 are from an independent suite.
    pub(crate) static KOOS_JR: Listed = Listed {
        instrument: "KOOS-JR",
        rows: &[
            100_000, 91_975, 84_600, 79_914, 76_332, 73_342, 70_704, 68_284, 65_994, 63_776, 61_583, 59_381, 57_140, 54_840,
            52_465, 50_012, 47_487, 44_905, 42_281, 39_625, 36_931, 34_174, 31_307, 28_251, 24_875, 20_941, 15_939, 8_291, 0,
        ],
        direction: Direction::HigherIsBetter,
        examples: &[(0, 100_000), (7, 68_284), (14, 52_465), (15, 50_012), (28, 0)],
        source: "HSS interval table of 2017/2022, three concordant copies",
        sha256: "0bab11c6b2ce8e95405fc5632deaed87a4fddd5bc012ce666dd021aff169b75b",
    };
}

/// Every table that is shipped.
pub static LISTED: [&Listed; 1] = [&listed::KOOS_JR];

/// A table that somebody claims to be an instrument's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableClaim {
    /// Instrument.
    pub instrument: String,
    /// Raw sum to score.
    pub rows: BTreeMap<u16, Milli>,
    /// Highest raw sum that the instrument can give; the lowest is 0.
    pub raw_max: u16,
    /// Whether the score falls as the raw sum rises.
    pub falling: bool,
    /// Lowest and highest score.
    pub range: (Milli, Milli),
    /// Worked examples from a source other than the table's: raw sum and score.
    pub examples: Vec<(u16, Milli)>,
    /// Source of the table.
    pub source: String,
    /// Hash of the rows when a person last compared them with the source (see [`TableClaim::sha256`]).
    pub sha256: Option<String>,
}

impl TableClaim {
    /// The rows of a JSON object of raw sum to score. None if a key or a score is not a number, or a score has over three decimals.
    #[must_use]
    pub fn rows_from_json(table: &Value) -> Option<BTreeMap<u16, Milli>> {
        table.as_object()?.iter().map(|(raw, score)| Some((raw.parse().ok()?, Milli::from_json(score)?))).collect()
    }

    /// SHA-256 of the rows written as `raw=thousandths` lines, in order.
    #[must_use]
    pub fn sha256(&self) -> String {
        let text: String = self.rows.iter().map(|(raw, score)| format!("{raw}={}\n", score.0)).collect();
        sha256_hex(&text)
    }
}

/// What is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// A raw sum without a score.
    #[error("raw {0} has no score")]
    Gap(u16),
    /// A raw sum that the instrument cannot give.
    #[error("raw {0} is above the highest raw sum")]
    Beyond(u16),
    /// The score does not move the way it must from one raw sum to the next; an equal score is as wrong.
    #[error("raw {0} does not follow from the raw sum before it")]
    NotMonotone(u16),
    /// A score outside the range.
    #[error("raw {0} has a score outside the range")]
    OutOfRange(u16),
    /// The end of the scale is not reached.
    #[error("raw {0} does not reach the end of the range")]
    EndNotReached(u16),
    /// A worked example says otherwise.
    #[error("raw {raw} gives {table}, the worked example {example}")]
    Disagrees {
        /// Raw sum.
        raw: u16,
        /// The table's score.
        table: Milli,
        /// The example's.
        example: Milli,
    },
    /// Nobody worked an example: nothing tells the table from an invented one.
    #[error("no worked example")]
    NoExample,
    /// No source.
    #[error("no source")]
    NoSource,
    /// The rows are not those that were compared with the source.
    #[error("the rows' hash is {0}, not the recorded one")]
    Hash(String),
}

/// Everything that is wrong with a table; empty if it may be used.
#[must_use]
pub fn lint(claim: &TableClaim) -> Vec<Defect> {
    let mut defects = Vec::new();
    let (low, high) = claim.range;
    for raw in 0..=claim.raw_max {
        match claim.rows.get(&raw) {
            None => defects.push(Defect::Gap(raw)),
            Some(score) if *score < low || *score > high => defects.push(Defect::OutOfRange(raw)),
            Some(_) => {}
        }
    }
    defects.extend(claim.rows.range(claim.raw_max.saturating_add(1)..).map(|(raw, _)| Defect::Beyond(*raw)));
    for ((_, before), (raw, score)) in claim.rows.iter().zip(claim.rows.iter().skip(1)) {
        let moves = if claim.falling { score < before } else { score > before };
        if !moves {
            defects.push(Defect::NotMonotone(*raw));
        }
    }
    let (first, last) = if claim.falling { (high, low) } else { (low, high) };
    for (raw, end) in [(0, first), (claim.raw_max, last)] {
        if claim.rows.get(&raw).is_some_and(|score| *score != end) {
            defects.push(Defect::EndNotReached(raw));
        }
    }
    for (raw, example) in &claim.examples {
        if let Some(table) = claim.rows.get(raw).filter(|score| *score != example) {
            defects.push(Defect::Disagrees { raw: *raw, table: *table, example: *example });
        }
    }
    if claim.examples.is_empty() {
        defects.push(Defect::NoExample);
    }
    if claim.source.trim().is_empty() {
        defects.push(Defect::NoSource);
    }
    let hash = claim.sha256();
    if claim.sha256.as_ref().is_some_and(|recorded| *recorded != hash) {
        defects.push(Defect::Hash(hash));
    }
    defects
}
