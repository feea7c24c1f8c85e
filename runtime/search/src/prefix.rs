//! The comparison prefixes of numbers, dates and quantities.

/// How a value compares, by <https://hl7.org/fhir/R4/search.html#prefix>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefix {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    StartsAfter,
    EndsBefore,
    Approximately,
}

impl Prefix {
    /// Splits a prefix off; without one it is equality.
    pub(crate) fn split(text: &str) -> (Self, &str) {
        let known = [
            ("eq", Self::Equal),
            ("ne", Self::NotEqual),
            ("gt", Self::Greater),
            ("lt", Self::Less),
            ("ge", Self::GreaterOrEqual),
            ("le", Self::LessOrEqual),
            ("sa", Self::StartsAfter),
            ("eb", Self::EndsBefore),
            ("ap", Self::Approximately),
        ];
        known.into_iter().find_map(|(letters, prefix)| Some((prefix, text.strip_prefix(letters)?))).unwrap_or((Self::Equal, text))
    }
}
