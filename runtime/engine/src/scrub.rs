//! Texts without the values of secrets: in their place stands a mark.
//!
//! A value is found as it is, percent-encoded, escaped as in JSON, in base64, and in base64 behind a user's name (Basic credentials), each in whatever choice
//! the encoder had: which characters it encodes, in which case, with padding or without. What somebody encodes twice, reverses or hashes is not found again.

use std::borrow::Cow;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use hob_model::{Effects, Failure, Said, Text};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// Values to be hidden, each with its mark.
#[derive(Clone, Default)]
pub struct Scrub(Vec<Hidden>);

#[derive(Clone)]
struct Hidden {
    mark: String,
    value: String,
    /// What is found only as it is.
    encoded: Vec<String>,
}

impl Scrub {
    /// Hides a value from now on; an empty one cannot be.
    pub fn hide(&mut self, mark: &str, value: &str) {
        self.hide_in(mark, value, &[]);
    }

    /// The same for texts of lines, such as a log: of a value of several lines each is hidden that is more than punctuation.
    pub(crate) fn hide_lines(&mut self, mark: &str, value: &str) {
        self.hide(mark, value);
        value.lines().filter(|line| (8..value.len()).contains(&line.len())).for_each(|line| self.hide(mark, line));
    }

    /// The same, also where it was put into these texts before they went out in base64.
    pub fn hide_in(&mut self, mark: &str, value: &str, around: &[String]) {
        let known = around.is_empty() && self.0.iter().any(|hidden| hidden.mark == mark && hidden.value == value);
        if value.is_empty() || known {
            return;
        }
        let texts = around.iter().map(String::as_str).chain([value]);
        let encoded = texts.flat_map(|text| [BASE64_NOPAD.encode(text.as_bytes()), BASE64URL_NOPAD.encode(text.as_bytes())]);
        self.0.push(Hidden { mark: mark.to_owned(), value: value.to_owned(), encoded: encoded.collect() });
    }

    /// Takes a mark itself for what it stands for: a repeat is shown the mark and not the value. In base64 it is left, as the journal has it there.
    pub(crate) fn repeat(&mut self, mark: &str) {
        if !self.0.iter().any(|hidden| hidden.mark == mark && hidden.value == mark) {
            self.0.push(Hidden { mark: mark.to_owned(), value: mark.to_owned(), encoded: Vec::new() });
        }
    }

    /// Whether nothing is hidden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text without the values.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            // Only whole characters were taken out of it.
            Cow::Owned(clean) => Cow::Owned(String::from_utf8_lossy(&clean).into_owned()),
        }
    }

    /// The bytes without the values. Where one value is a part of another, the longer one is found.
    #[must_use]
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if self.is_empty() {
            return Cow::Borrowed(bytes);
        }
        let begins = self.begins();
        let mut clean = Vec::new();
        let (mut at, mut kept) = (0, 0);
        while at < bytes.len() {
            let found = if begins[usize::from(bytes[at])] { self.longest(&bytes[at..]) } else { None };
            let Some((length, mark)) = found else {
                at += 1;
                continue;
            };
            clean.extend_from_slice(&bytes[kept..at]);
            clean.extend_from_slice(mark.as_bytes());
            at += length;
            kept = at;
        }
        if kept == 0 {
            return Cow::Borrowed(bytes);
        }
        clean.extend_from_slice(&bytes[kept..]);
        Cow::Owned(clean)
    }

    /// A value as JSON, without the values in any of its strings and keys; a number that is one becomes its mark.
    pub(crate) fn raw_json(&self, value: &impl Serialize) -> serde_json::Result<Box<RawValue>> {
        to_raw_value(&self.json(serde_json::to_value(value)?))
    }

    fn json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text).into_owned()),
            Value::Array(items) => items.into_iter().map(|item| self.json(item)).collect(),
            Value::Object(members) => {
                members.into_iter().map(|(key, value)| (self.text(&key).into_owned(), self.json(value))).collect()
            }
            Value::Number(number) => match self.text(&number.to_string()) {
                Cow::Borrowed(_) => Value::Number(number),
                Cow::Owned(clean) => Value::String(clean),
            },
            Value::Null | Value::Bool(_) => value,
        }
    }

    /// Effects as JSON, without the values.
    pub(crate) fn effects(&self, effects: &Effects) -> serde_json::Result<Vec<u8>> {
        if self.is_empty() {
            return serde_json::to_vec(effects);
        }
        let mut clean = effects.clone();
        for item in &mut clean.outbox {
            item.body = self.bytes(&item.body).into_owned();
        }
        serde_json::to_vec(&self.json(serde_json::to_value(&clean)?))
    }

    /// What a source said, without the values. What stands in a call has none.
    pub(crate) fn said(&self, said: Vec<Said>) -> Vec<Said> {
        if self.is_empty() {
            return said;
        }
        let text = |text: Text| match text {
            Text::Own(json) => Text::Own(self.raw_json(&json).unwrap_or_else(|_| RawValue::NULL.to_owned())),
            within @ Text::In { .. } => within,
        };
        let clean = |said: Said| match said {
            Said::One { version, resource } => Said::One { version, resource: text(resource) },
            Said::Many { bundle, next } => {
                Said::Many { bundle: text(bundle), next: next.map(|next| self.text(&next).into_owned()) }
            }
            Said::Error { code, status, message, outcome } => Said::Error {
                code,
                status,
                message: self.text(&message).into_owned(),
                outcome: outcome.map(|outcome| self.json(outcome)),
            },
            Said::Nothing => Said::Nothing,
        };
        said.into_iter().map(clean).collect()
    }

    /// A failure whose words say nothing of the values.
    pub(crate) fn failure(&self, failure: Failure) -> Failure {
        Failure { code: self.text(&failure.code).into_owned(), message: self.text(&failure.message).into_owned(), ..failure }
    }

    /// By byte: whether a value, in one of its forms, can begin with it.
    fn begins(&self) -> [bool; 256] {
        let mut begins = [false; 256];
        for hidden in &self.0 {
            for text in hidden.encoded.iter().chain([&hidden.value]) {
                if let Some(first) = text.bytes().next() {
                    begins[usize::from(first)] = true;
                }
            }
            for escape in [b'%', b'\\', b'+'] {
                begins[usize::from(escape)] = true;
            }
        }
        begins
    }

    fn longest(&self, at: &[u8]) -> Option<(usize, &str)> {
        let found = self.0.iter().filter_map(|hidden| Some((hidden.at(at)?, hidden.mark.as_str())));
        found.max_by_key(|(length, _)| *length)
    }
}

impl Hidden {
    /// How many bytes the value takes at the begin of `at`, where it stands there.
    fn at(&self, at: &[u8]) -> Option<usize> {
        let whole = |text: &str| at.starts_with(text.as_bytes()).then_some(text.len());
        let as_is = whole(&self.value);
        let encoded = self.encoded.iter().filter_map(|text| whole(text)).max();
        [as_is, encoded, self.percent(at), self.json(at)].into_iter().flatten().max()
    }

    fn percent(&self, at: &[u8]) -> Option<usize> {
        let mut rest = at;
        for byte in self.value.bytes() {
            rest = match rest {
                [b'%', high, low, rest @ ..] if hex(&[*high, *low]) == Some(u16::from(byte)) => rest,
                [b'+', rest @ ..] if byte == b' ' => rest,
                [plain, rest @ ..] if *plain == byte && byte != b'%' => rest,
                _ => return None,
            };
        }
        Some(at.len() - rest.len())
    }

    fn json(&self, at: &[u8]) -> Option<usize> {
        let mut rest = at;
        for letter in self.value.chars() {
            rest = escaped(letter, rest)?;
        }
        Some(at.len() - rest.len())
    }
}

/// What follows `letter` where the text begins with it, escaped or not (RFC 8259, 7).
fn escaped(letter: char, text: &[u8]) -> Option<&[u8]> {
    let mut plain = [0; 4];
    let plain = letter.encode_utf8(&mut plain).as_bytes();
    if !matches!(letter, '"' | '\\')
        && let Some(rest) = text.strip_prefix(plain)
    {
        return Some(rest);
    }
    let mut rest = text.strip_prefix(b"\\")?;
    if let [short, after @ ..] = rest {
        let meant = match short {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            other => char::from(*other),
        };
        if meant == letter && (matches!(letter, '"' | '\\' | '/') || letter.is_control()) {
            return Some(after);
        }
    }
    let mut units = [0; 2];
    let units = letter.encode_utf16(&mut units);
    for (index, unit) in units.iter().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix(b"\\")?;
        }
        let (digits, after) = rest.strip_prefix(b"u")?.split_at_checked(4)?;
        if hex(digits) != Some(*unit) {
            return None;
        }
        rest = after;
    }
    Some(rest)
}

fn hex(digits: &[u8]) -> Option<u16> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, BASE64URL};
    use proptest::prelude::*;

    use super::*;

    fn hiding(values: &[(&str, &str)]) -> Scrub {
        let mut scrub = Scrub::default();
        values.iter().for_each(|(mark, value)| scrub.hide(mark, value));
        scrub
    }

    #[test]
    fn the_longer_of_two_values_is_found_and_the_rest_is_left() {
        let scrub = hiding(&[("<short>", "ab"), ("<long>", "abcd"), ("<none>", "")]);
        for (given, told) in [
            (&b"xabcdabcdaby"[..], &b"x<long><long><short>y"[..]),
            (b"\xff\xfeab", b"\xff\xfe<short>"),
            (b"nothing", b"nothing"),
            (b"a", b"a"),
            (b"", b""),
        ] {
            assert_eq!(scrub.bytes(given), told);
        }
        assert!(matches!(scrub.text("nothing"), Cow::Borrowed(_)));
        assert!(!scrub.is_empty() && hiding(&[("<none>", "")]).is_empty());
    }

    #[test]
    fn json_stays_json() {
        let scrub = hiding(&[("<n>", "123"), ("<q>", "\"}"), ("<t>", "true")]);
        let given = serde_json::json!({"a": [91234, true, "x\"}y"], "true": 1.5});
        let told = scrub.raw_json(&given).unwrap();
        assert_eq!(told.get(), r#"{"a":["9<n>4",true,"x<q>y"],"<t>":1.5}"#);
    }

    #[test]
    fn a_value_is_found_in_each_of_its_encodings() {
        let value = "p@ss \"wörd\"/\\%2B+\n€😀";
        let mut scrub = Scrub::default();
        scrub.hide_in("<s>", value, &[format!("user:{value}")]);
        let percent = |keep: &dyn Fn(u8) -> bool, upper: bool| {
            let of = |b: u8| match (keep(b), upper) {
                (true, _) => char::from(b).to_string(),
                (false, true) => format!("%{b:02X}"),
                (false, false) => format!("%{b:02x}"),
            };
            value.bytes().map(of).collect::<String>()
        };
        let all_json: String = value.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        for spelled in [
            value.to_owned(),
            percent(&|b| b.is_ascii_alphanumeric(), true),
            percent(&|b| b.is_ascii_alphanumeric() || b"@/".contains(&b), false),
            percent(&|_| false, true),
            percent(&|b| b.is_ascii_alphanumeric(), true).replace("%20", "+"),
            serde_json::to_string(value).unwrap().trim_matches('"').to_owned(),
            serde_json::to_string(value).unwrap().replace('/', "\\/").trim_start_matches('"').trim_end_matches('"').to_owned(),
            all_json.clone(),
            all_json.to_lowercase(),
            BASE64.encode(value.as_bytes()).trim_end_matches('=').to_owned(),
            BASE64URL.encode(value.as_bytes()).trim_end_matches('=').to_owned(),
            BASE64.encode(format!("user:{value}").as_bytes()).trim_end_matches('=').to_owned(),
        ] {
            assert_eq!(scrub.text(&format!("before {spelled} after")), "before <s> after", "{spelled}");
        }
    }

    proptest! {
        #[test]
        fn no_value_is_left_in_any_text(value in "[a-z0-9\"\\\\%+/ é€😀\n]{4,12}", before in "[a-z ]{0,9}", after in "[a-z ]{0,9}") {
            let scrub = hiding(&[("<S>", &value)]);
            let json = serde_json::to_string(&value).unwrap();
            for form in [value.as_str(), &json[1..json.len() - 1]] {
                let clean = scrub.text(&format!("{before}{form}{after}")).into_owned();
                prop_assert!(!clean.contains(&value), "{clean}");
            }
        }

        #[test]
        fn any_bytes_are_taken(value in "[a-f%\\\\]{1,3}", bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
            let scrub = hiding(&[("<S>", &value)]);
            let clean = scrub.bytes(&bytes);
            prop_assert!(!clean.windows(value.len()).any(|part| part == value.as_bytes()));
        }
    }
}
