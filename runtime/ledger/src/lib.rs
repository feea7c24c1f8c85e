//! The durable store: what Hob has promised to keep, and the one place where it is kept.
//!
//! Goal: after a crash at any point the ledger alone says what is left to do. So the [`Ledger`] is narrow, each of its methods
//! is one transaction, and its documentation says what survives a crash after it. Every write but [`Ledger::accept`] names the
//! [`Epoch`] under which the host holds the lease; a host that lost it is told so and can change nothing.
//!
//! [`sqlite::SqliteLedger`] is the default, for one host. The module `contract` (feature `testing`) is the suite that it and every other ledger must pass.
//!
//! Trade-offs: the words of the store are types of their own here and not rows, which costs conversions and lets another store
//! take the place of SQLite. Time is never read: whoever calls says when.

mod ask;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
mod dead;
mod error;
mod fence;
mod intake;
mod ledger;
mod master_key;
mod observe;
mod outbox;
mod prune;
mod query;
mod registry;
mod resolve;
mod run;
mod schedule;
mod seq;
pub mod sqlite;
mod sweep;
mod upkeep;

pub use ask::{AskKey, Asked, REQUEST_UNKNOWN};
pub use dead::{DeadFilter, DeadKind, DeadRequest};
pub use error::{LedgerError, Result};
pub use fence::{Fence, FenceKey, FenceUse};
pub use intake::{DeadNotification, DeadReason, NewNotification, Receipt, StoredNotification, Verdict};
pub use ledger::Ledger;
pub use master_key::{BadMasterKey, MasterKey, MasterKeyId, MasterKeys};
pub use observe::{AHEAD, EXAMPLES, MISSED, Observation, Observations, Observed};
pub use outbox::{DueOutbox, OutboxKey, host_of};
pub use prune::{PruneCursor, PruneRules, Pruned};
pub use query::{LogFilter, LogRow, RunDetail, RunFilter, RunRow, Stats, StoredAttempt};
pub use registry::{Deployment, Release, Subscription, SubscriptionStatus};
pub use resolve::{NewEvent, NewRun, Opening, Queued, Resolution, ResolvedChange, ResourceMark, SeenEvent};
pub use run::{Finish, Next, OwnWrite, Recorded, RunHead, RunKey, RunRecord, Tried, Wrote};
pub use schedule::{CronKey, TimerKey};
pub use seq::{Epoch, LogSeq, NotificationSeq, OutboxSeq, RunSeq};
pub use sweep::SweepMark;
pub use upkeep::{BackupNote, Finding, KeyReport, Level, Manifest, RestoreFrom, Restored, Space, TenantKeyInfo, Upkeep};
