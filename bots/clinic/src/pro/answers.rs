//! Finding an instrument's items in a response, and reading their answers.
//!
//! An item is recognised by its linkId (LOINC code, or what the clinic's [`Form`] says), or by the code that the Questionnaire gives it. An
//! answer may be a number, or a coding whose value comes from an extension, the instrument's LOINC answer codes, the Questionnaire's
//! options or the clinic's form; where two of these disagree, the answer cannot be read.

use super::Rules;
use super::instruments::{Instrument, InstrumentId, Milli};
use crate::fhir::{extension, list, text};
use crate::ids;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the items of a form are that does not say so itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// The instrument.
    pub instrument: InstrumentId,
    /// linkId to the item's number, from 1.
    #[serde(default)]
    pub items: BTreeMap<String, u8>,
    /// Answer code (without its system) to its value.
    #[serde(default)]
    pub answers: BTreeMap<String, u8>,
}

/// Why an answer cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unreadable {
    /// An answer without a value, with two, or not shaped like one.
    Malformed,
    /// A type of value that the item does not have, such as text.
    Type,
    /// A number that is not whole or not on the scale.
    OutOfRange,
    /// A code whose value nobody states.
    UnknownCode,
    /// Two statements of the code's value that differ.
    Contradiction,
    /// More than one answer to an item that takes one.
    Several,
    /// The form offers not to answer (a code of data-absent-reason, such as `asked-declined`), and that was chosen.
    Declined,
}

/// What stands at an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Unanswered,
    /// Every answer given, in the order found. One is the rule.
    Given(Vec<Result<u8, Unreadable>>),
}

impl Answer {
    /// The one value for the score.
    pub(crate) fn single(&self) -> Option<Result<u8, Unreadable>> {
        match self {
            Self::Unanswered => None,
            Self::Given(answers) => match answers.as_slice() {
                [one] => Some(*one),
                _ => Some(Err(Unreadable::Several)),
            },
        }
    }
}

/// An instrument's items as one response answers them.
pub(crate) struct Sheet {
    pub(crate) instrument: &'static Instrument,
    pub(crate) answers: Vec<Answer>,
    /// The total that the form states.
    pub(crate) stated: Option<Milli>,
    /// The response says that it is this instrument, but has answers at items that nobody can place.
    pub(crate) unplaced: bool,
}

struct Found<'a> {
    link_id: &'a str,
    codes: Vec<&'a str>,
    answers: &'a [Value],
    malformed: bool,
}

/// The items of a response, and what helps to understand them.
pub(crate) struct Reader<'a> {
    canonical: &'a str,
    panels: Vec<&'a str>,
    form: Option<&'a Form>,
    found: Vec<Found<'a>>,
    /// Every LOINC code of an item of the Questionnaire.
    known: Vec<&'a str>,
    options: Vec<(&'a str, &'a Value)>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(response: &'a Value, questionnaire: Option<&'a Value>, rules: &'a Rules) -> Self {
        let canonical = text(response, "questionnaire").unwrap_or("").split('|').next().unwrap_or("");
        let mut codes_of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut options = Vec::new();
        if let Some(questionnaire) = questionnaire {
            walk(questionnaire, &mut |item| {
                if let Some(link_id) = text(item, "linkId") {
                    codes_of.entry(link_id).or_default().extend(loinc_codes(item));
                    options.extend(list(item, "answerOption").iter().map(|option| (link_id, option)));
                }
            });
        }
        let mut found = Vec::new();
        walk(response, &mut |item| {
            let link_id = text(item, "linkId").unwrap_or("");
            let answer = item.get("answer");
            found.push(Found {
                link_id,
                codes: codes_of.get(link_id).cloned().unwrap_or_default(),
                answers: answer.and_then(Value::as_array).map_or(&[], Vec::as_slice),
                malformed: answer.is_some_and(|a| !a.is_array() && !a.is_null()),
            });
        });
        Self {
            canonical,
            panels: questionnaire.map(|q| loinc_codes(q).collect()).unwrap_or_default(),
            form: rules.forms.get(canonical),
            found,
            known: codes_of.into_values().flatten().collect(),
            options,
        }
    }

    /// This instrument's sheet, if the response says that it is one or has one of its items.
    pub(crate) fn sheet(&self, instrument: &'static Instrument) -> Option<Sheet> {
        let form = self.form.filter(|form| form.instrument == instrument.id);
        let named = form.is_some()
            || instrument.panel.is_some_and(|panel| self.panels.contains(&panel) || last_segment(self.canonical) == panel);
        let place = |found: &Found<'_>| -> Option<usize> {
            if let Some(number) = form.and_then(|form| form.items.get(found.link_id)) {
                return usize::from(*number).checked_sub(1).filter(|index| *index < instrument.items.len());
            }
            let link_id = last_segment(found.link_id);
            instrument
                .items
                .iter()
                .position(|item| item.link_ids.contains(&link_id) || found.codes.iter().any(|c| item.link_ids.contains(c)))
        };
        let mut answers = vec![Vec::new(); instrument.items.len()];
        let (mut placed, mut unplaced, mut stated) = (false, false, None);
        for found in &self.found {
            if let Some(index) = place(found) {
                placed = true;
                if let Some(at) = answers.get_mut(index) {
                    at.extend(found.answers.iter().map(|answer| self.value(answer, found.link_id, instrument, form)));
                    if found.malformed {
                        at.push(Err(Unreadable::Malformed));
                    }
                }
            } else if last_segment(found.link_id) == instrument.score.code || found.codes.contains(&instrument.score.code) {
                stated = found
                    .answers
                    .first()
                    .and_then(|a| a.get("valueDecimal").or_else(|| a.get("valueInteger")))
                    .and_then(Milli::from_json);
            } else if found.codes.is_empty() && !is_loinc(last_segment(found.link_id)) {
                // An item with another code is certainly another item; without one it may be any.
                unplaced |= found.malformed || !found.answers.is_empty();
            }
        }
        let answers = answers.into_iter().map(|given| if given.is_empty() { Answer::Unanswered } else { Answer::Given(given) });
        // Where form or Questionnaire say which item the red flag is, its absence means that it was not answered.
        let findable = (1u8..).zip(instrument.items).filter(|(_, item)| item.red_flag.is_some()).all(|(number, item)| {
            form.is_some_and(|form| form.items.values().any(|n| *n == number))
                || item.link_ids.iter().any(|code| self.known.contains(code))
        });
        (named || placed).then(|| Sheet {
            instrument,
            answers: answers.collect(),
            stated,
            unplaced: named && unplaced && !findable,
        })
    }

    fn value(&self, answer: &Value, link_id: &str, instrument: &Instrument, form: Option<&Form>) -> Result<u8, Unreadable> {
        let object = answer.as_object().ok_or(Unreadable::Malformed)?;
        let mut values = object.iter().filter(|(key, _)| key.starts_with("value"));
        let (Some((key, value)), None) = (values.next(), values.next()) else {
            return Err(Unreadable::Malformed);
        };
        let on_scale = |number: &Value| {
            let whole = Milli::from_json(number).filter(|m| m.0 % 1000 == 0).map(|m| m.0 / 1000);
            whole.and_then(|w| u8::try_from(w).ok()).filter(|w| *w <= instrument.item_max).ok_or(Unreadable::OutOfRange)
        };
        match key.as_str() {
            "valueInteger" | "valueDecimal" => on_scale(value),
            "valueCoding" => {
                let mut stated = Vec::new();
                for url in [ids::ORDINAL_VALUE, ids::ITEM_WEIGHT] {
                    for element in [value, answer] {
                        stated
                            .extend(extension(element, url).map(|e| weight(e).ok_or(Unreadable::Malformed).and_then(&on_scale)));
                    }
                }
                let (system, code) = (text(value, "system"), text(value, "code"));
                if system == Some(DATA_ABSENT) {
                    return Err(Unreadable::Declined);
                }
                if let Some(code) = code {
                    if matches!(system, Some(ids::LOINC) | None) {
                        stated.extend(instrument.answers.iter().filter(|(known, _)| *known == code).map(|(_, v)| Ok(*v)));
                    }
                    stated.extend(form.and_then(|f| f.answers.get(code)).map(|v| on_scale(&Value::from(*v))));
                    for (of, option) in &self.options {
                        let coding = option.get("valueCoding").unwrap_or(&Value::Null);
                        if *of == link_id && text(coding, "code") == Some(code) && text(coding, "system") == system {
                            for (url, element) in [
                                (ids::ORDINAL_VALUE, *option),
                                (ids::ITEM_WEIGHT, *option),
                                (ids::ORDINAL_VALUE, coding),
                                (ids::ITEM_WEIGHT, coding),
                            ] {
                                stated.extend(extension(element, url).and_then(weight).map(&on_scale));
                            }
                        }
                    }
                }
                match stated.split_first() {
                    None => Err(Unreadable::UnknownCode),
                    Some((first, rest)) if rest.iter().all(|other| other == first) => *first,
                    Some(_) => Err(Unreadable::Contradiction),
                }
            }
            _ => Err(Unreadable::Type),
        }
    }
}

/// Its codes say why there is no answer.
const DATA_ABSENT: &str = "http://terminology.hl7.org/CodeSystem/data-absent-reason";

fn weight(extension: &Value) -> Option<&Value> {
    extension.get("valueDecimal").or_else(|| extension.get("valueInteger"))
}

/// Shaped like a LOINC code: digits, a hyphen, the check digit.
fn is_loinc(text: &str) -> bool {
    text.split_once('-').is_some_and(|(number, check)| {
        number.len() >= 3
            && number.bytes().all(|b| b.is_ascii_digit())
            && check.len() == 1
            && check.bytes().all(|b| b.is_ascii_digit())
    })
}

fn last_segment(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

fn loinc_codes(element: &Value) -> impl Iterator<Item = &str> {
    list(element, "code").iter().filter(|c| text(c, "system") == Some(ids::LOINC)).filter_map(|c| text(c, "code"))
}

/// Visits every item, in groups and below answers too, in document order.
fn walk<'a>(root: &'a Value, visit: &mut dyn FnMut(&'a Value)) {
    // A list of what is still to do instead of recursion: depth is the sender's choice.
    let mut waiting: Vec<&'a Value> = list(root, "item").iter().rev().collect();
    while let Some(item) = waiting.pop() {
        visit(item);
        for answer in list(item, "answer").iter().rev() {
            waiting.extend(list(answer, "item").iter().rev());
        }
        waiting.extend(list(item, "item").iter().rev());
    }
}
