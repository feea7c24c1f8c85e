//! Numbers and quantities as ranges, by <https://hl7.org/fhir/R4/search.html#number>.
//!
//! Decimal arithmetic, since precision counts here: `5.40` is 5.395 to 5.405, and binary fractions would blur the edges.
//! A resource's number that 28 digits cannot hold has no value for a search. Units compare as written.

use std::str::FromStr;

use rust_decimal::Decimal;
use serde_json::Value;

use crate::element::{ElementType, string};
use crate::prefix::Prefix;

/// A number in criteria, without unit.
pub(crate) struct NumberValue {
    prefix: Prefix,
    value: Decimal,
    /// Half of what the last digit leaves open.
    half: Decimal,
}

/// A number with a unit in criteria: `number|system|code`, `number||code` or only the number.
pub(crate) struct QuantityValue {
    number: NumberValue,
    system: Option<Box<str>>,
    code: Option<Box<str>>,
}

/// A resource's value: a point, or what a Range or a comparator leaves open. A missing side is open for ever.
#[derive(Debug, Clone, Copy, Default)]
struct Interval {
    low: Option<Decimal>,
    high: Option<Decimal>,
    /// The sides do not belong to it (`<5`, `>5`).
    exclusive: bool,
}

impl Interval {
    fn point(value: Decimal) -> Self {
        Self { low: Some(value), high: Some(value), exclusive: false }
    }
}

impl NumberValue {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (prefix, number) = Prefix::split(text);
        parse_precise(number)
            .map(|(value, half)| Self { prefix, value, half })
            .ok_or_else(|| "it needs a number of at most 28 digits, after an optional prefix such as ge".into())
    }

    pub(crate) fn matches(&self, element: &Value, kind: &ElementType) -> bool {
        let target = match kind {
            ElementType::Number => decimal(element).map(Interval::point),
            ElementType::Range => range(element),
            _ => None,
        };
        target.is_some_and(|target| self.compare(target))
    }

    fn compare(&self, target: Interval) -> bool {
        let Interval { low, high, exclusive } = target;
        let value = self.value;
        let above = |bound: Decimal| high.is_none_or(|high| high > bound);
        let below = |bound: Decimal| low.is_none_or(|low| low < bound);
        let equal = || {
            let (Some(from), Some(to)) = (value.checked_sub(self.half), value.checked_add(self.half)) else {
                return false;
            };
            low.is_some_and(|low| low >= from) && high.is_some_and(|high| high < to || (exclusive && high == to))
        };
        match self.prefix {
            Prefix::Equal => equal(),
            Prefix::NotEqual => !equal(),
            Prefix::Greater => above(value),
            Prefix::Less => below(value),
            Prefix::GreaterOrEqual => above(value) || (!exclusive && high == Some(value)),
            Prefix::LessOrEqual => below(value) || (!exclusive && low == Some(value)),
            Prefix::StartsAfter => low.is_some_and(|low| low > value || (exclusive && low == value)),
            Prefix::EndsBefore => high.is_some_and(|high| high < value || (exclusive && high == value)),
            Prefix::Approximately => {
                let tenth = value.abs().checked_mul(Decimal::new(1, 1)).unwrap_or_default();
                let (Some(from), Some(to)) = (value.checked_sub(tenth), value.checked_add(tenth)) else {
                    return false;
                };
                low.is_none_or(|low| low <= to) && high.is_none_or(|high| high >= from)
            }
        }
    }
}

impl QuantityValue {
    /// `parts` are the pieces between the bars.
    pub(crate) fn parse(parts: &[String]) -> Result<Self, String> {
        let (number, system, code) = match parts {
            [number] => (number, "", ""),
            [number, system, code] => (number, system.as_str(), code.as_str()),
            _ => return Err("it needs number, number|system|code or number||code".into()),
        };
        let some = |text: &str| (!text.is_empty()).then(|| text.into());
        Ok(Self { number: NumberValue::parse(number)?, system: some(system), code: some(code) })
    }

    pub(crate) fn matches(&self, element: &Value, kind: &ElementType) -> bool {
        let target = match kind {
            ElementType::Quantity if self.unit_matches(element) => quantity(element),
            ElementType::Money if self.currency_matches(element) => element.get("value").and_then(decimal).map(Interval::point),
            ElementType::Range if ["low", "high"].iter().any(|side| element.get(side).is_some_and(|q| self.unit_matches(q))) => {
                range(element)
            }
            _ => None,
        };
        target.is_some_and(|target| self.number.compare(target))
    }

    fn unit_matches(&self, quantity: &Value) -> bool {
        let code = |key| self.code.as_deref().is_none_or(|code| string(quantity, key) == Some(code));
        match self.system.as_deref() {
            Some(system) => string(quantity, "system") == Some(system) && code("code"),
            // Without a system the code may be the unit as people write it.
            None => code("code") || code("unit"),
        }
    }

    fn currency_matches(&self, money: &Value) -> bool {
        self.system.as_deref().is_none_or(|system| system == "urn:iso:std:iso:4217")
            && self.code.as_deref().is_none_or(|code| string(money, "currency") == Some(code))
    }
}

fn quantity(element: &Value) -> Option<Interval> {
    let value = element.get("value").and_then(decimal)?;
    Some(match string(element, "comparator") {
        None => Interval::point(value),
        Some("<") => Interval { high: Some(value), exclusive: true, ..Interval::default() },
        Some("<=") => Interval { high: Some(value), ..Interval::default() },
        Some(">") => Interval { low: Some(value), exclusive: true, ..Interval::default() },
        Some(">=") => Interval { low: Some(value), ..Interval::default() },
        Some(_) => return None,
    })
}

fn range(element: &Value) -> Option<Interval> {
    let side = |key: &str| element.get(key).and_then(|q| decimal(q.get("value")?));
    let (low, high) = (side("low"), side("high"));
    (low.is_some() || high.is_some()).then_some(Interval { low, high, exclusive: false })
}

pub(crate) fn decimal(element: &Value) -> Option<Decimal> {
    let Value::Number(number) = element else {
        return None;
    };
    let text = number.to_string();
    if text.contains(['e', 'E']) { Decimal::from_scientific(&text).ok() } else { Decimal::from_str_exact(&text).ok() }
}

/// A number and half of what its last digit leaves open. The specification's `1e2` is 95 to 105: with an exponent, one more
/// digit counts as given.
fn parse_precise(text: &str) -> Option<(Decimal, Decimal)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.parse::<i32>().ok()?)),
        None => (text, None),
    };
    let digits = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let value = Decimal::from_str(mantissa).ok()?;
    // rust_decimal rounds what it cannot hold.
    let places = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if usize::try_from(value.scale()).ok()? != places {
        return None;
    }
    let half = Decimal::try_new(5, value.scale() + 1).ok()?;
    let Some(exponent) = exponent else {
        return Some((value, half));
    };
    let shift = |number: Decimal, by: i32| {
        let power = (0..by.unsigned_abs()).try_fold(Decimal::ONE, |power, _| power.checked_mul(Decimal::TEN))?;
        if by < 0 { number.checked_div(power) } else { number.checked_mul(power) }
    };
    (exponent.abs() <= 28).then_some(())?;
    Some((shift(value, exponent)?, shift(half, exponent - 1)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn number(search: &str, target: &str) -> bool {
        let target: Value = serde_json::from_str(target).unwrap();
        NumberValue::parse(search).unwrap().matches(&target, &ElementType::Number)
    }

    fn quantity(search: &str, target: Value) -> bool {
        let parts: Vec<String> = search.split('|').map(str::to_owned).collect();
        QuantityValue::parse(&parts).unwrap().matches(&target, &ElementType::Quantity)
    }

    #[test]
    fn the_examples_of_the_specification() {
        assert!(number("100", "99.5") && number("100", "100.4999") && !number("100", "100.5"));
        assert!(number("100.00", "99.995") && number("100.00", "100.0049") && !number("100.00", "100.005"));
        assert!(number("1e2", "95") && number("1e2", "104.9") && !number("1e2", "105"));
        assert!(number("lt100", "99.99") && !number("lt100", "100"));
        assert!(number("le100", "100") && !number("le100", "100.1"));
        assert!(number("gt100", "100.01") && !number("gt100", "100"));
        assert!(number("ge100", "100") && !number("ge100", "99.9"));
        assert!(number("ne100", "100.5") && !number("ne100", "100"));
        assert!(number("ap100", "109") && !number("ap100", "111"));
        assert!(number("5.40", "5.395") && number("5.40", "5.4049") && !number("5.40", "5.405"));
        assert!(number("-5", "-5.5") && !number("-5", "-4.5"));
    }

    #[test]
    fn units() {
        let value = json!({"value": 5.4, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"});
        assert!(quantity("5.4", value.clone()));
        assert!(quantity("5.4|http://unitsofmeasure.org|mg", value.clone()));
        assert!(quantity("5.4||mg", value.clone()));
        assert!(!quantity("5.4||g", value.clone()));
        assert!(!quantity("5.4|http://other|mg", value));
        assert!(quantity("5.4||tablet", json!({"value": 5.4, "unit": "tablet"})));
        let parts = ["5.4".to_owned(), "mg".to_owned()];
        assert!(QuantityValue::parse(&parts).is_err());
    }

    #[test]
    fn comparators_leave_a_side_open() {
        let below_five = json!({"value": 5, "comparator": "<"});
        assert!(quantity("lt5", below_five.clone()) && quantity("eb5", below_five.clone()));
        assert!(!quantity("ge5", below_five.clone()) && !quantity("5", below_five));
        assert!(quantity("ge5", json!({"value": 5, "comparator": "<="})));
        assert!(quantity("gt100", json!({"value": 5, "comparator": ">"})));
    }

    #[test]
    fn ranges_and_money() {
        let search = |text: &str, value: Value, kind| {
            QuantityValue::parse(&text.split('|').map(str::to_owned).collect::<Vec<_>>()).unwrap().matches(&value, &kind)
        };
        let range = json!({"low": {"value": 40, "code": "a"}, "high": {"value": 50, "code": "a"}});
        assert!(search("gt45||a", range.clone(), ElementType::Range));
        assert!(!search("sa45", range.clone(), ElementType::Range));
        assert!(!search("gt45||kg", range, ElementType::Range));
        let money = json!({"value": 10, "currency": "USD"});
        assert!(search("10|urn:iso:std:iso:4217|USD", money.clone(), ElementType::Money));
        assert!(!search("10||EUR", money, ElementType::Money));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for bad in
            ["", "x", "1.", ".5", "1e", "1e99999999999", "1e300", "1_000", "0x1", "NaN", "99999999999999999999999999999999"]
        {
            assert!(NumberValue::parse(bad).is_err(), "{bad}");
        }
        assert!(!number("ne1", "1e300"), "a number that cannot be held has no value");
    }

    proptest! {
        #[test]
        fn equal_and_not_equal_divide_all_numbers(search in "-?[0-9]{1,4}(\\.[0-9]{1,3})?(e-?[0-9])?", target in -1e6f64..1e6) {
            let target = serde_json::to_string(&target).unwrap();
            prop_assert_ne!(number(&format!("eq{search}"), &target), number(&format!("ne{search}"), &target));
            prop_assert_ne!(number(&format!("gt{search}"), &target), number(&format!("le{search}"), &target));
            prop_assert_ne!(number(&format!("lt{search}"), &target), number(&format!("ge{search}"), &target));
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}|[-+0-9.eE]{0,40}", target in any::<f64>()) {
            if let Ok(value) = NumberValue::parse(&text) {
                value.matches(&json!(target), &ElementType::Number);
            }
        }
    }
}
