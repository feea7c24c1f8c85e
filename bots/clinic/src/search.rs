//! Search queries that find what the rules identify, encoded as FHIR and URLs want.

/// `identifier=system|value,system|value…`: the resources with any of these identifiers of one system.
#[must_use]
pub fn by_identifier(system: &str, values: &[&str]) -> String {
    let system = encoded(system);
    let mut query = String::from("identifier=");
    for (at, value) in values.iter().enumerate() {
        query.push_str(if at > 0 { "," } else { "" });
        query.push_str(&system);
        query.push_str("%7C");
        query.push_str(&encoded(value));
    }
    query
}

/// One value of a search parameter: FHIR's separators escaped (`\$`, `\,`, `\|`), then all percent-encoded that a query may not hold.
#[must_use]
pub fn encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if b"\\$,|".contains(&byte) {
            out.push_str("%5C");
        }
        if byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digit = |of: u8| char::from(b"0123456789ABCDEF"[usize::from(of)]);
            out.extend(['%', digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_do_not_become_syntax() {
        assert_eq!(by_identifier("https://a.b/c", &["r1:x", "r2"]), "identifier=https://a.b/c%7Cr1:x,https://a.b/c%7Cr2");
        assert_eq!(encoded("a,b|c&d=e f"), "a%5C%2Cb%5C%7Cc%26d%3De%20f");
    }
}
