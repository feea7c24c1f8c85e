//! The text of a search: pairs, percent-encoding, and FHIR's own escapes.
//!
//! Order matters: a comma written `%2C` is a comma, so decoding comes first; `\,` is one that does not separate, so what is
//! split stays escaped until its last split.

use percent_encoding::percent_decode_str;

use crate::error::CriteriaError;

/// One `name=value` of a query, decoded but with FHIR's escapes still in the value.
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Where the name begins, in bytes of the given text.
    pub(crate) position: usize,
    /// Where the value begins.
    pub(crate) value_position: usize,
}

/// The pairs of a query; `offset` is where it begins in the given text.
pub(crate) fn pairs(query: &str, offset: usize) -> Result<Vec<Pair>, CriteriaError> {
    let mut out = Vec::new();
    let mut position = offset;
    for piece in query.split('&') {
        let here = position;
        position += piece.len() + 1;
        if piece.is_empty() {
            continue;
        }
        let malformed = |position, why| CriteriaError::Malformed { position, why };
        let (name, value) = piece.split_once('=').ok_or(malformed(here, "a parameter is written name=value"))?;
        if name.is_empty() {
            return Err(malformed(here, "there is no parameter name before the ="));
        }
        let value_position = here + name.len() + 1;
        out.push(Pair { name: decode(name, here)?, value: decode(value, value_position)?, position: here, value_position });
    }
    Ok(out)
}

fn decode(text: &str, position: usize) -> Result<String, CriteriaError> {
    let malformed = |at, why| CriteriaError::Malformed { position: position + at, why };
    for (at, _) in text.match_indices('%') {
        let hex = text.as_bytes().get(at + 1..at + 3);
        if !hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
            return Err(malformed(at, "a % begins two hexadecimal digits; a % itself is written %25"));
        }
    }
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| malformed(0, "what is percent-encoded here is not UTF-8"))
}

/// Splits where the separator is not escaped; the pieces stay escaped.
pub(crate) fn split(text: &str, separator: char) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == separator {
            out.push(text.get(start..at).unwrap_or_default());
            start = at + c.len_utf8();
        }
    }
    out.push(text.get(start..).unwrap_or_default());
    out
}

/// Takes the escapes `\,`, `\|`, `\$` and `\\` away; another backslash stands for itself.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        let escapes = c == '\\' && matches!(letters.peek(), Some(',' | '|' | '$' | '\\'));
        out.extend(if escapes { letters.next() } else { Some(c) });
    }
    out
}

/// The pieces between unescaped bars, without escapes.
pub(crate) fn bars(text: &str) -> Vec<String> {
    split(text, '|').into_iter().map(unescape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decoding_comes_before_splitting_and_unescaping_last() {
        let pairs = pairs("a=x%2Cy&b=%C3%A9+z&&c=", 5).unwrap();
        let seen: Vec<_> = pairs.iter().map(|p| (p.name.as_str(), p.value.as_str(), p.position, p.value_position)).collect();
        assert_eq!(seen, [("a", "x,y", 5, 7), ("b", "é z", 13, 15), ("c", "", 25, 27)]);
        assert_eq!(split(r"a\,b,c\\,d", ','), [r"a\,b", r"c\\", "d"]);
        assert_eq!(unescape(r"a\,b\|\$\\\x\"), r"a,b|$\\x\");
        assert_eq!(bars(r"s|a\|b"), ["s", "a|b"]);
    }

    #[test]
    fn bad_encoding_is_found_where_it_is() {
        for (text, position) in [("a=%zz", 2), ("a=b%4", 3), ("a=%ff", 2), ("x&a", 0), ("a=1&=2", 4)] {
            match pairs(text, 0) {
                Err(CriteriaError::Malformed { position: at, .. }) => {
                    assert_eq!(at, position, "{text}")
                }
                _ => panic!("{text}"),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(parts in proptest::collection::vec("\\PC{0,8}", 1..5)) {
            let escape = |part: &String| part.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|").replace('$', "\\$");
            let joined = parts.iter().map(escape).collect::<Vec<_>>().join(",");
            let back: Vec<String> = split(&joined, ',').into_iter().map(unescape).collect();
            prop_assert_eq!(back, parts);
        }
    }
}
