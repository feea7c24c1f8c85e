//! Names and ids, each a type of its own: mixing two does not compile, and a value that exists is valid.
//!
//! Run and event ids are digests of what makes them unique (tenant, bot, change), so a repeat of the same change finds the
//! same row instead of making a second one. They print with their kind (`run_…`, `evt_…`).

use std::fmt;
use std::str::FromStr;

use data_encoding::Specification;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A text that is not a valid id of its kind. Bears the kind and the rule, not the text: an id may be patient data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: {rule}")]
pub struct BadId {
    /// What was being parsed, such as `tenant`.
    pub kind: &'static str,
    /// What a valid one looks like.
    pub rule: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and keeps it.
            ///
            /// # Errors
            /// [`BadId`] where the text breaks the rule of its kind.
            pub fn new(text: impl Into<String>) -> Result<Self, BadId> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err(BadId { kind: $kind, rule: $rule }) }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

fn slug(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

text_id!(
    /// A clinic: the owner of sources, bots, secrets and keys. Part of every key and path.
    TenantId, "tenant", "1 to 63 of a-z, 0-9 and inner -", slug
);
text_id!(
    /// A FHIR server that Hob knows, by the name its tenant gave it.
    SourceId, "source", "1 to 63 of a-z, 0-9 and inner -", slug
);
text_id!(
    /// A bot, by the name in its manifest.
    BotName, "bot", "1 to 63 of a-z, 0-9 and inner -", slug
);
text_id!(
    /// A subscription of a source, as the last segment of the endpoint's path names it.
    SubscriptionKey, "subscription", "1 to 127 of A-Z, a-z, 0-9, -, . and _",
    |t| (1..=127).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
);
text_id!(
    /// A FHIR resource type such as `Task`. Its spelling is checked, not whether R4 defines it.
    ResourceType, "resource type", "a capital and 1 to 63 more letters",
    |t| (2..=64).contains(&t.len()) && t.as_bytes()[0].is_ascii_uppercase() && t.bytes().all(|b| b.is_ascii_alphabetic())
);
text_id!(
    /// A resource's logical id (R4 datatype `id`).
    ResourceId, "resource id", "1 to 64 of A-Z, a-z, 0-9, - and .",
    |t| (1..=64).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
);
text_id!(
    /// A `meta.versionId`. Opaque: integers on most servers, UUIDs on Medplum; see [`VersionId::number`].
    VersionId, "version id", "1 to 128 printable ASCII characters without quote, slash and space",
    |t| (1..=128).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'/')
);
text_id!(
    /// The queue of one bot's runs that share an ordering key. Holds an id of a resource: never log it.
    LaneKey, "lane", "1 to 512 characters without control characters",
    |t| (1..=512).contains(&t.len()) && !t.chars().any(char::is_control)
);

impl VersionId {
    /// The version as a count, where the server uses plain positive integers.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        let digits = self.0.bytes().all(|b| b.is_ascii_digit()) && !self.0.starts_with('0');
        if digits { self.0.parse().ok() } else { None }
    }
}

/// A reference to a resource on the event's own source: `Type/id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    /// The type.
    pub resource_type: ResourceType,
    /// The logical id.
    pub id: ResourceId,
}

impl FromStr for Reference {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = BadId { kind: "reference", rule: "Type/id" };
        let (resource_type, id) = text.split_once('/').ok_or(bad)?;
        Ok(Self { resource_type: resource_type.parse()?, id: id.parse()? })
    }
}

impl TryFrom<String> for Reference {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> String {
        reference.to_string()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.resource_type, self.id)
    }
}

/// A SHA-256 digest, printed `sha256:<hex>`: names a release, a compiled component, a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of `parts`, each with its length before it, so that no two lists of parts give the same bytes.
    #[must_use]
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The hexadecimal digits alone, for file names.
    #[must_use]
    pub fn hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl FromStr for Digest {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = || BadId { kind: "digest", rule: "sha256: and 64 hexadecimal digits" };
        let hex = text.strip_prefix("sha256:").ok_or_else(bad)?;
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).map_err(|_| bad())?;
        Ok(Self(bytes.try_into().map_err(|_| bad())?))
    }
}

impl TryFrom<String> for Digest {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

/// 128 bits of a digest, printed in the alphabet that FHIR ids, URLs and double clicks all take.
fn printed(bytes: &[u8; 16]) -> String {
    alphabet().encode(bytes)
}

fn alphabet() -> &'static data_encoding::Encoding {
    static ALPHABET: std::sync::OnceLock<data_encoding::Encoding> = std::sync::OnceLock::new();
    ALPHABET.get_or_init(|| {
        let mut spec = Specification::new();
        spec.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
        // The alphabet is a constant of 32 distinct ASCII characters; a bad one falls back to the standard's.
        spec.encoding().unwrap_or(data_encoding::BASE32HEX_NOPAD)
    })
}

macro_rules! digest_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 16]);

        impl $name {
            /// The id of what `parts` say, the same for the same parts.
            #[must_use]
            pub fn of_parts(parts: &[&[u8]]) -> Self {
                let digest = Digest::of_parts(parts);
                let mut id = [0; 16];
                id.copy_from_slice(&digest.as_bytes()[..16]);
                Self(id)
            }

            /// The printed form without its prefix: a valid part of a FHIR id.
            #[must_use]
            pub fn bare(&self) -> String {
                printed(&self.0)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                alphabet().encode_display(&self.0).fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                let bad = || BadId { kind: $kind, rule: concat!($prefix, " and 26 letters or digits") };
                let bare = text.strip_prefix($prefix).ok_or_else(bad)?;
                let bytes = alphabet().decode(bare.as_bytes()).map_err(|_| bad())?;
                Ok(Self(bytes.try_into().map_err(|_| bad())?))
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                let mut text = $prefix.to_owned();
                alphabet().encode_append(&id.0, &mut text);
                text
            }
        }
    };
}

digest_id!(
    /// One event handled by one bot. Made of tenant, bot and event, so a second run of the same event cannot exist.
    RunId, "run", "run_"
);
digest_id!(
    /// What a bot is run on. Made of what makes the event unique (for a change: source, type, id and version).
    EventId, "event", "evt_"
);

impl RunId {
    /// The run of `event` by `bot`: whatever release, subscription or redelivery brought it.
    #[must_use]
    pub fn new(tenant: &TenantId, bot: &BotName, event: EventId) -> Self {
        Self::of_parts(&[tenant.as_str().as_bytes(), bot.as_str().as_bytes(), event.as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_hold_their_rules() {
        assert!(TenantId::new("north-clinic").is_ok());
        for bad in ["", "-a", "a-", "A", "a b", &"x".repeat(64)] {
            assert!(TenantId::new(bad).is_err(), "{bad:?}");
        }
        assert!(ResourceType::new("Task").is_ok());
        assert!(ResourceType::new("task").is_err());
        assert_eq!(VersionId::new("12").unwrap().number(), Some(12));
        assert_eq!(VersionId::new("012").unwrap().number(), None);
        assert_eq!("Task/a/b".parse::<Reference>().unwrap_err().kind, "resource id");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(Digest::of_parts(&[b"ab", b"c"]), Digest::of_parts(&[b"a", b"bc"]));
    }

    proptest! {
        #[test]
        fn printed_ids_parse_back(bytes in any::<[u8; 16]>()) {
            let run = RunId(bytes);
            prop_assert_eq!(run.to_string().parse::<RunId>(), Ok(run));
            prop_assert!(run.to_string().parse::<EventId>().is_err());
            prop_assert!(ResourceId::new(run.bare()).is_ok());
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = text.parse::<RunId>();
            let _ = text.parse::<Digest>();
            let _ = text.parse::<Reference>();
            let _ = VersionId::new(text);
        }
    }
}
