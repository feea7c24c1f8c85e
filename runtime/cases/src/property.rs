//! Properties: what must hold for many variations of a case.

use schemars::JsonSchema;
use serde::Deserialize;

/// Variations of a case. The seed is printed, so that they can be played again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Property {
    /// What is varied, and with it what must hold.
    pub vary: Vec<Vary>,
    /// How many variations of each kind that has many.
    #[serde(default = "fifty")]
    pub runs: u32,
    /// Which variations; others each time unless said.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// What is varied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Vary {
    /// The given resources come in other orders (versions of one resource stay in theirs): the same is expected.
    GivenOrder,
    /// What the bot wrote is on the server, and the event comes again: nothing is written any more.
    Again,
    /// Elements of the event's resource or payload are missing, or are something else: the bot answers, or refuses the event, and never traps or goes over a
    /// limit.
    Fields,
}

impl Vary {
    /// The word in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GivenOrder => "given-order",
            Self::Again => "again",
            Self::Fields => "fields",
        }
    }
}

const fn fifty() -> u32 {
    50
}
