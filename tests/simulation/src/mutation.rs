//! What can be made wrong on purpose, to prove that the simulation would see it.

use std::fmt;
use std::str::FromStr;

use crate::ledger::Mutation;

/// One mistake, in the ledger or in what stands around the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// Of the ledger.
    Ledger(Mutation),
    /// Transactions go out without the condition on their fence.
    NoFence,
    /// Versions are taken in the order in which their notifications come: the server keeps no history that tells another.
    OrderByArrival,
    /// A sweep begins exactly where the last one ended.
    NoOverlap,
}

impl Mutant {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Mutation::ALL.into_iter().map(Self::Ledger).chain([Self::NoFence, Self::OrderByArrival, Self::NoOverlap])
    }

    pub(crate) fn of_ledger(self) -> Option<Mutation> {
        match self {
            Self::Ledger(mutation) => Some(mutation),
            Self::NoFence | Self::OrderByArrival | Self::NoOverlap => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ledger(mutation) => mutation.as_str(),
            Self::NoFence => "no-fence",
            Self::OrderByArrival => "order-by-arrival",
            Self::NoOverlap => "no-overlap",
        }
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Mutant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::all().find(|mutant| mutant.name() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::all().map(Self::name).collect();
            format!("no such mutant: {}", known.join(", "))
        })
    }
}
