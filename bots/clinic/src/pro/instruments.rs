//! The instruments: items, answers, formula, rule for missing answers, bands. Each with where it comes from.
//!
//! **Sources.** `instruments.json` and `SOURCES.tsv` as collected in 2026-11 from awell-health/awell-score@c37843e and the papers and pages named
//! there; LOINC codes from the published Questionnaires of US Core (PHQ-9), HL7's personal health record guide (PHQ-9, GAD-7) and the CMS ACCESS
//! guide 0.9.8 (KOOS-JR), which the tests read. What the collection marks as general knowledge only is left out; proration of a
//! PHQ-9 with up to two missing answers is such, so all nine are required.

use super::lint::{Listed, listed};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A number with three decimals, exact: scores are compared and published, never approximated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Milli(pub i64);

impl Milli {
    /// Reads a JSON number that has at most three decimals.
    #[must_use]
    pub fn from_json(number: &Value) -> Option<Self> {
        if let Some(whole) = number.as_i64() {
            return whole.checked_mul(1000).map(Self);
        }
        let scaled = number.as_f64()? * 1000.0;
        let rounded = scaled.round();
        let exact = (scaled - rounded).abs() < 1e-6 && rounded.abs() < 9.0e15;
        // In range by the line above, and whole: nothing is cut off.
        #[expect(clippy::cast_possible_truncation)]
        exact.then_some(Self(rounded as i64))
    }

    /// A FHIR decimal.
    #[must_use]
    pub fn to_json(self) -> Value {
        if self.0 % 1000 == 0 {
            return json!(self.0 / 1000);
        }
        // Three decimals of a number this small survive f64 and print as they were written.
        #[expect(clippy::cast_precision_loss)]
        let value = self.0 as f64 / 1000.0;
        json!(value)
    }
}

impl std::fmt::Display for Milli {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.to_json())
    }
}

/// Names of the instruments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum InstrumentId {
    /// Patient Health Questionnaire, 9 items.
    #[serde(rename = "PHQ-9")]
    Phq9,
    /// Generalized Anxiety Disorder, 7 items.
    #[serde(rename = "GAD-7")]
    Gad7,
    /// Knee injury and Osteoarthritis Outcome Score for Joint Replacement.
    #[serde(rename = "KOOS-JR")]
    KoosJr,
    /// Numeric Pain Rating Scale.
    #[serde(rename = "NPRS")]
    Nprs,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// A lower score is a better state.
    LowerIsBetter,
    /// A higher score is a better state.
    HigherIsBetter,
}

/// How answers become a score.
#[derive(Debug, Clone, Copy)]
pub enum Formula {
    /// The sum of the items.
    Sum,
    /// The sum of the items, looked up.
    Table(&'static Listed),
}

/// An item of an instrument.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    /// linkIds by which it is recognised (the last segment of a linkId counts: `/44260-8` is `44260-8`), LOINC codes among them.
    pub link_ids: &'static [&'static str],
    /// An answer of 1 or more, or one that cannot be read, is a red flag under this rule name.
    pub red_flag: Option<&'static str>,
}

/// Code of a score.
#[derive(Debug, Clone, Copy)]
pub struct ScoreCode {
    /// Code system.
    pub system: &'static str,
    /// Code.
    pub code: &'static str,
    /// Display text.
    pub display: &'static str,
}

/// A named range of scores, both ends included, in whole points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band {
    /// Lowest score.
    pub from: i64,
    /// Highest score.
    pub to: i64,
    /// Its name in the source.
    pub name: &'static str,
}

/// Where an instrument's facts come from.
#[derive(Debug, Clone, Copy)]
pub struct Provenance {
    /// Sources of items, formula and missing rule.
    pub source: &'static str,
    /// Source of the bands; empty if there are none.
    pub bands: &'static str,
    /// The form's licence.
    pub licence: &'static str,
    /// When this was collected.
    pub as_of: &'static str,
}

/// An instrument. Every item is required: none of the four has a verified rule for a missing answer.
#[derive(Debug)]
pub struct Instrument {
    /// Name.
    pub id: InstrumentId,
    /// Name as people write it.
    pub name: &'static str,
    /// LOINC code of the panel, by which a Questionnaire or a canonical URL that ends in it is recognised.
    pub panel: Option<&'static str>,
    /// Code of the score.
    pub score: ScoreCode,
    /// Items in the form's order.
    pub items: &'static [Item],
    /// Highest answer of every item; the lowest is 0.
    pub item_max: u8,
    /// Values of LOINC answer codes.
    pub answers: &'static [(&'static str, u8)],
    /// Formula.
    pub formula: Formula,
    /// The rule for missing answers, as the Observation states it.
    pub missing_rule: &'static str,
    /// Which way is better.
    pub direction: Direction,
    /// Lowest and highest score.
    pub range: (Milli, Milli),
    /// Bands; empty if the source names none. A score may lie in no band.
    pub bands: &'static [Band],
    /// Where all this comes from.
    pub provenance: Provenance,
}

impl Instrument {
    /// The instrument of this name.
    #[must_use]
    pub fn of(id: InstrumentId) -> &'static Self {
        match id {
            InstrumentId::Phq9 => &PHQ_9,
            InstrumentId::Gad7 => &GAD_7,
            InstrumentId::KoosJr => &KOOS_JR,
            InstrumentId::Nprs => &NPRS,
        }
    }

    /// The band of a score.
    #[must_use]
    pub fn band(&self, score: Milli) -> Option<&'static Band> {
        self.bands.iter().find(|band| (band.from * 1000..=band.to * 1000).contains(&score.0))
    }
}

/// Every instrument that is scored.
pub static INSTRUMENTS: [&Instrument; 4] = [&PHQ_9, &GAD_7, &KOOS_JR, &NPRS];

const fn item(link_ids: &'static [&'static str]) -> Item {
    Item { link_ids, red_flag: None }
}

const fn band(from: i64, to: i64, name: &'static str) -> Band {
    Band { from, to, name }
}

const AS_OF: &str = "2026-11";

/// The answers of the published PHQ-9 and GAD-7 forms, with the ordinals of US Core's.
const HOW_OFTEN: &[(&str, u8)] = &[("LA6568-5", 0), ("LA6569-3", 1), ("LA6570-1", 2), ("LA6571-9", 3)];

static PHQ_9: Instrument = Instrument {
    id: InstrumentId::Phq9,
    name: "PHQ-9",
    panel: Some("44249-1"),
    score: ScoreCode {
        system: crate::ids::LOINC,
        code: "44261-6",
        display: "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]",
    },
    items: &[
        item(&["44250-9"]),
        item(&["44255-8"]),
        item(&["44259-0"]),
        item(&["44254-1"]),
        item(&["44251-7"]),
        item(&["44258-2"]),
        item(&["44252-5"]),
        item(&["44253-3"]),
        Item { link_ids: &["44260-8"], red_flag: Some("phq-9-item-9") },
    ],
    item_max: 3,
    answers: HOW_OFTEN,
    formula: Formula::Sum,
    missing_rule: "All 9 items are required; with one missing there is no score (no proration).",
    direction: Direction::LowerIsBetter,
    range: (Milli(0), Milli(27_000)),
    bands: &[
        band(0, 4, "minimal"),
        band(5, 9, "mild"),
        band(10, 14, "moderate"),
        band(15, 19, "moderately severe"),
        band(20, 27, "severe"),
    ],
    provenance: Provenance {
        source: "US Core Questionnaire phq-9-example; awell-score@c37843e phq_9",
        bands: "awell-score@c37843e phq_9",
        licence: "(c) Pfizer; no permission needed to reproduce, translate, display or distribute",
        as_of: AS_OF,
    },
};

static GAD_7: Instrument = Instrument {
    id: InstrumentId::Gad7,
    name: "GAD-7",
    panel: Some("69737-5"),
    score: ScoreCode {
        system: crate::ids::LOINC,
        code: "70274-6",
        display: "Generalized anxiety disorder 7 item (GAD-7) total score [Reported.PHQ]",
    },
    items: &[
        item(&["69725-0"]),
        item(&["68509-9"]),
        item(&["69733-4"]),
        item(&["69734-2"]),
        item(&["69735-9"]),
        item(&["69689-8"]),
        item(&["69736-7"]),
    ],
    item_max: 3,
    answers: HOW_OFTEN,
    formula: Formula::Sum,
    missing_rule: "All 7 items are required; with one missing there is no score (no proration).",
    direction: Direction::LowerIsBetter,
    range: (Milli(0), Milli(21_000)),
    bands: &[band(0, 4, "minimal"), band(5, 9, "mild"), band(10, 14, "moderate"), band(15, 21, "severe")],
    provenance: Provenance {
        source: "HL7 personal-health-record-format-ig Questionnaire gad7; awell-score@c37843e gad_7",
        bands: "awell-score@c37843e gad_7",
        licence: "(c) Pfizer; no permission needed to reproduce, translate, display or distribute",
        as_of: AS_OF,
    },
};

static KOOS_JR: Instrument = Instrument {
    id: InstrumentId::KoosJr,
    name: "KOOS-JR",
    panel: Some("82324-5"),
    score: ScoreCode { system: crate::ids::LOINC, code: "82332-8", display: "Total interval score [KOOSJR]" },
    items: &[
        item(&["82325-2"]),
        item(&["82326-0"]),
        item(&["82327-8"]),
        item(&["82328-6"]),
        item(&["82329-4"]),
        item(&["82330-2"]),
        item(&["82331-0"]),
    ],
    item_max: 4,
    // "Mild", "Moderate" and "Severe" with their weights from the CMS worked example; "None" is the scale's 0. The code of "Extreme" in the
    // answer list (LL4051-0) was not found in a source: it needs its weight in the form, or the clinic's own mapping.
    answers: &[("LA137-2", 0), ("LA6752-5", 1), ("LA6751-7", 2), ("LA6750-9", 3)],
    formula: Formula::Table(&listed::KOOS_JR),
    missing_rule: "All 7 items are required; with one missing there is no score.",
    direction: Direction::HigherIsBetter,
    range: (Milli(0), Milli(100_000)),
    bands: &[],
    provenance: Provenance {
        source: "HSS interval table of 2017/2022 in three concordant copies; CMS ACCESS guide 0.9.8, KOOSJRQuestionnaireExample and worked example",
        bands: "",
        licence: "(c) Hospital for Special Surgery; free use unaltered",
        as_of: AS_OF,
    },
};

static NPRS: Instrument = Instrument {
    id: InstrumentId::Nprs,
    name: "NPRS",
    panel: None,
    // No LOINC code of this scale is in the collected data.
    score: ScoreCode { system: crate::ids::SCORE_CODES, code: "nprs", display: "Numeric pain rating scale, 0 to 10" },
    items: &[item(&["nprs"])],
    item_max: 10,
    answers: &[],
    formula: Formula::Sum,
    missing_rule: "One item; without its answer there is no score.",
    direction: Direction::LowerIsBetter,
    range: (Milli(0), Milli(10_000)),
    bands: &[band(1, 3, "mild"), band(4, 6, "moderate"), band(7, 10, "severe")],
    provenance: Provenance {
        source: "CMS ACCESS guide, MSKReportDataBundleExample (0 to 10, the value is the score)",
        bands: "instruments.json 2026-11",
        licence: "public",
        as_of: AS_OF,
    },
};
