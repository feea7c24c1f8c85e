//! A checked base URL, so that joining a path to it cannot go elsewhere.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::BadId;

/// An `http` or `https` URL without query, fragment, credentials or trailing slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Checks `text`, drops trailing slashes and keeps it.
    ///
    /// # Errors
    /// [`BadId`] where it is no such URL.
    pub fn new(text: &str) -> Result<Self, BadId> {
        let bad = BadId { kind: "base URL", rule: "http(s)://host[:port][/path] without query, fragment or credentials" };
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(bad.clone())?;
        let plain = !rest.is_empty()
            && !rest.starts_with('/')
            && rest.bytes().all(|b| b.is_ascii_graphic() && !b"?#@\"<>\\".contains(&b));
        if plain { Ok(Self(text.trim_end_matches('/').to_owned())) } else { Err(bad) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        Self::new(&text)
    }
}

impl From<BaseUrl> for String {
    fn from(url: BaseUrl) -> String {
        url.0
    }
}
