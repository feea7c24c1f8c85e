//! Counters of the ledger, each a type of its own. All count from 1 and are never given twice.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Before the first.
            pub const ZERO: Self = Self(0);

            /// The counter that shows `count`, such as a cursor that a caller gives back.
            #[must_use]
            pub const fn new(count: u64) -> Self {
                Self(count)
            }

            /// The count.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter!(
    /// The lease under which a host writes. A higher one ends all lower ones.
    Epoch
);
counter!(
    /// The place of a notification in the order of acceptance.
    NotificationSeq
);
counter!(
    /// The place of a run in the order in which the ledger took runs. Kept for the run's whole life, retries included.
    RunSeq
);
counter!(
    /// The place of a request in the order in which the outbox took requests.
    OutboxSeq
);
counter!(
    /// The place of a log line in the order in which the ledger took lines.
    LogSeq
);
