//! What an event is about.

use std::fmt;

use hob_model::{BaseUrl, Reference, ResourceType, VersionId};
use serde::{Deserialize, Serialize};

/// What an event is about, as far as the notification says. Prints an id of a resource: never log it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "focus", rename_all = "lowercase")]
pub enum Focus {
    /// A resource, by type and id.
    Literal {
        /// Type and id.
        reference: Reference,
        /// The server that it names, where it was absolute. May differ from the source's own base in scheme or alias.
        base: Option<BaseUrl>,
    },
    /// A resource, by a business identifier only (athenahealth).
    Identifier {
        /// The identifier's system.
        system: Option<String>,
        /// The identifier's value.
        value: String,
        /// The type that the reference states.
        resource_type: Option<ResourceType>,
    },
    /// A URI that names no resource by type and id, such as `urn:uuid:…`; as sent.
    Other {
        /// The URI.
        uri: String,
    },
}

impl Focus {
    /// Reads a relative or absolute reference, and the version that it may name (R4 `Reference`, "Literal references").
    ///
    /// `None` where the text is empty or longer than [`MAX_TEXT`](crate::MAX_TEXT).
    #[must_use]
    pub fn parse(text: &str) -> Option<(Self, Option<VersionId>)> {
        let text = text.trim();
        if text.is_empty() || text.len() > crate::MAX_TEXT {
            return None;
        }
        Some(Self::literal(text).unwrap_or_else(|| (Self::Other { uri: text.to_owned() }, None)))
    }

    fn literal(text: &str) -> Option<(Self, Option<VersionId>)> {
        if text.contains(['?', '#']) {
            return None;
        }
        let (path, version) = match text.rsplit_once("/_history/") {
            Some((path, version)) => (path, Some(VersionId::new(version).ok()?)),
            None => (text, None),
        };
        let (rest, id) = path.rsplit_once('/')?;
        let (base, resource_type) = rest.rsplit_once('/').unwrap_or(("", rest));
        let reference = Reference { resource_type: resource_type.parse().ok()?, id: id.parse().ok()? };
        let base = if base.contains(':') {
            Some(BaseUrl::new(base).ok()?)
        } else if base.is_empty() {
            None
        } else {
            return None;
        };
        Some((Self::Literal { reference, base }, version))
    }

    /// Type and id, where the focus is literal.
    #[must_use]
    pub const fn reference(&self) -> Option<&Reference> {
        match self {
            Self::Literal { reference, .. } => Some(reference),
            Self::Identifier { .. } | Self::Other { .. } => None,
        }
    }

    pub(crate) const fn relative(reference: Reference) -> Self {
        Self::Literal { reference, base: None }
    }
}

impl fmt::Display for Focus {
    /// `Type/id`, absolute where it was sent so; `identifier:value`; or the URI.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal { reference, base: None } => write!(f, "{reference}"),
            Self::Literal { reference, base: Some(base) } => write!(f, "{base}/{reference}"),
            Self::Identifier { value, .. } => write!(f, "identifier:{value}"),
            Self::Other { uri } => f.write_str(uri),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literal_where_type_and_id_are_named() {
        for (text, printed, version) in [
            ("Patient/1", "Patient/1", None),
            ("/Patient/1", "Patient/1", None),
            ("Patient/1/_history/6", "Patient/1", Some("6")),
            ("http://e.org/fhir/Patient/1/_history/a-b", "http://e.org/fhir/Patient/1", Some("a-b")),
        ] {
            let (focus, found) = Focus::parse(text).unwrap();
            assert!(focus.reference().is_some(), "{text}");
            assert_eq!(focus.to_string(), printed);
            assert_eq!(found.as_ref().map(VersionId::as_str), version);
        }
    }

    #[test]
    fn anything_else_is_kept_as_sent() {
        for text in
            ["urn:uuid:4f1", "#p", "Patient?identifier=a|b", "1", "ftp://e.org/Patient/1", "x/Patient/1", "http://Patient/1"]
        {
            let (focus, version) = Focus::parse(text).unwrap();
            assert_eq!((focus, version), (Focus::Other { uri: text.into() }, None));
        }
        assert_eq!(Focus::parse("  "), None);
        assert_eq!(Focus::parse(&"x".repeat(3_000)), None);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = Focus::parse(&text);
        }
    }
}
