//! SMART App Launch 2.0 scopes, the `system/` and `patient/` kinds: what a bot may do at its source.
//!
//! Grammar: `LEVEL/Type.cruds?search`, the interactions in that order and at least one of them
//! (<https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html>). Where SMART's patient is the one in whose context an app was launched, a
//! bot's is the one whose resource it is run on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ResourceType;

/// Which of create, read, update, delete and search a scope gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "five independent letters of the SMART grammar")]
pub struct Interactions {
    /// `c`: create.
    pub create: bool,
    /// `r`: read, vread and instance history.
    pub read: bool,
    /// `u`: update and patch.
    pub update: bool,
    /// `d`: delete.
    pub delete: bool,
    /// `s`: search and type history.
    pub search: bool,
}

/// Whose resources a scope covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeLevel {
    /// `system/`: everybody's.
    System,
    /// `patient/`: those in the compartment of the patient whom the event's resource is about, and nothing for an event without one.
    Patient,
}

/// One scope of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope {
    /// Whose resources it covers.
    pub level: ScopeLevel,
    /// The type that it covers; `None` is every type (`*`).
    pub resource_type: Option<ResourceType>,
    /// What it allows.
    pub interactions: Interactions,
    /// Search parameters that a resource must match, as written after the question mark.
    pub search: Option<String>,
}

/// Why a text is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Not of the form at all.
    #[error("`{0}` is not a SMART v2 scope: write system/Type.cruds, such as system/Task.ru")]
    Form(String),
    /// A `user/` scope: a bot has no user.
    #[error("`{0}`: a bot acts for no user: write system/…, or patient/… for the patient whom the event is about")]
    Level(String),
    /// Letters that are unknown, doubled or out of order.
    #[error("`{0}`: after the dot give some of c, r, u, d, s, once each and in this order")]
    Letters(String),
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let (path, search) = match text.split_once('?') {
            Some((path, search)) if !search.is_empty() => (path, Some(search.to_owned())),
            Some(_) => return Err(ScopeError::Form(text.to_owned())),
            None => (text, None),
        };
        let (level, rest) = path.split_once('/').ok_or_else(|| ScopeError::Form(text.to_owned()))?;
        let level = match level {
            "system" => ScopeLevel::System,
            "patient" => ScopeLevel::Patient,
            "user" => return Err(ScopeError::Level(text.to_owned())),
            _ => return Err(ScopeError::Form(text.to_owned())),
        };
        let (kind, letters) = rest.split_once('.').ok_or_else(|| ScopeError::Form(text.to_owned()))?;
        let resource_type = match kind {
            "*" => None,
            kind => Some(ResourceType::new(kind).map_err(|_| ScopeError::Form(text.to_owned()))?),
        };
        let interactions = letters.parse().map_err(|()| ScopeError::Letters(text.to_owned()))?;
        Ok(Self { level, resource_type, interactions, search })
    }
}

impl FromStr for Interactions {
    type Err = ();

    fn from_str(letters: &str) -> Result<Self, ()> {
        let mut rest = letters;
        let mut take = |letter: char| match rest.strip_prefix(letter) {
            Some(after) => {
                rest = after;
                true
            }
            None => false,
        };
        let found = Self { create: take('c'), read: take('r'), update: take('u'), delete: take('d'), search: take('s') };
        if letters.is_empty() || !rest.is_empty() { Err(()) } else { Ok(found) }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.resource_type.as_ref().map_or("*", ResourceType::as_str);
        let level = match self.level {
            ScopeLevel::System => "system",
            ScopeLevel::Patient => "patient",
        };
        write!(f, "{level}/{kind}.")?;
        let it = self.interactions;
        for (on, letter) in [(it.create, "c"), (it.read, "r"), (it.update, "u"), (it.delete, "d"), (it.search, "s")] {
            if on {
                f.write_str(letter)?;
            }
        }
        match &self.search {
            Some(search) => write!(f, "?{search}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = ScopeError;
    fn try_from(text: String) -> Result<Self, ScopeError> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> String {
        scope.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_smart_allows_and_nothing_else() {
        for good in ["system/Task.cru", "system/*.rs", "system/Observation.cruds?category=survey", "patient/Observation.rs"] {
            assert_eq!(good.parse::<Scope>().unwrap().to_string(), good);
        }
        for bad in [
            "Task.r",
            "system/Task",
            "system/Task.",
            "system/Task.rc",
            "system/Task.rr",
            "system/Task.x",
            "system/task.r",
            "system/Task.r?",
        ] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
        assert!(matches!("user/Task.r".parse::<Scope>(), Err(ScopeError::Level(_))));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = text.parse::<Scope>();
        }
    }
}
