//! Sending a plan, and finding out what became of one that was sent.
//!
//! [`commit`] may be called with the same plan as often as it takes: see [`crate::fence`] for why at most one send succeeds.

use std::collections::BTreeMap;

use hob_model::{Effects, Interaction, Reference, VersionId, Write};

use crate::answer::{self, Reading};
use crate::fence::{self, Burn, Slot};
use crate::plan::CommitPlan;
use crate::{Client, FhirError, FhirErrorKind, recover};

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
    let error = match client.transaction(plan.bytes.clone()).await {
        Ok(bundle) => match answer::read(plan, &bundle) {
            Reading::Whole { written, fence } => {
                let slot = Slot { version: fence, ..plan.fence.slot.clone() };
                return CommitOutcome::Committed(Committed::new(plan, written, Some(slot), false));
            }
            Reading::Part { applied, failed } => {
                return CommitOutcome::NotAtomic { applied, failed };
            }
            Reading::Unclear(why) => FhirError::protocol("transaction", format_args!("the answer is no use: {why}")),
        },
        Err(error) => error,
    };
    match error.kind {
        FhirErrorKind::Unreachable | FhirErrorKind::TooMany | FhirErrorKind::Unauthorized => CommitOutcome::NotSent { error },
        // It was answered, but not so that it helps: the server knows.
        FhirErrorKind::Protocol => match find_out(client, plan).await {
            Ok(Finding::Happened(committed)) => CommitOutcome::Committed(committed),
            _ => CommitOutcome::Unknown { error },
        },
        FhirErrorKind::Lost | FhirErrorKind::Unavailable | FhirErrorKind::SearchIgnored => CommitOutcome::Unknown { error },
        FhirErrorKind::Conflict | FhirErrorKind::NotFound | FhirErrorKind::Gone => match burn(client, plan).await {
            Ok(Finding::Happened(committed)) => CommitOutcome::Committed(committed),
            Ok(Finding::Never { slot }) => CommitOutcome::Conflict { error, slot },
            Ok(Finding::NotYet) | Err(_) => CommitOutcome::Unknown { error },
        },
        FhirErrorKind::Invalid | FhirErrorKind::Forbidden | FhirErrorKind::Refused => match burn(client, plan).await {
            Ok(Finding::Happened(committed)) => CommitOutcome::Committed(committed),
            Ok(Finding::Never { slot }) => CommitOutcome::Refused { error, slot },
            Ok(Finding::NotYet) | Err(_) => CommitOutcome::Unknown { error },
        },
    }
}

/// Reads the slot, and what was written, to say whether `plan` happened. Changes nothing.
///
/// # Errors
/// [`FhirErrorKind::Gone`] where the slot was expunged, so that nobody can know; any other.
pub async fn find_out(client: &Client, plan: &CommitPlan) -> Result<Finding, FhirError> {
    recover::find_out(client, plan).await
}

/// Makes sure that `plan` either has happened or never will: moves its slot by itself, which stops every send that is still on its way.
/// Never answers [`Finding::NotYet`]. May be repeated.
///
/// # Errors
/// As for [`find_out`]; then nothing is certain, and it is to be repeated.
pub async fn burn(client: &Client, plan: &CommitPlan) -> Result<Finding, FhirError> {
    match fence::burn(client, &plan.fence).await? {
        Burn::Void(slot) => Ok(Finding::Never { slot: Some(slot) }),
        Burn::Moved => match recover::find_out(client, plan).await? {
            // Refused though nobody moved it: such as writers that collide in the same instant.
            Finding::NotYet => Err(FhirError::new(
                FhirErrorKind::Conflict,
                "void a fence",
                "the server refused to move it, though it is where it was",
            )),
            found => Ok(found),
        },
    }
}

/// Looks, just before a send, at what the transaction itself cannot check. `None` where all is as it was.
///
/// - A conditional create whose search finds something by now: the server would answer 200 with what it found, and the rest would commit.
/// - A delete whose target has moved on: HAPI takes `If-Match` on a delete and does not look at it.
///
/// Between this look and the commit others may write, so the host holds its own lock over both; writers outside Hob it cannot hold.
///
/// # Errors
/// Any.
pub async fn precheck(client: &Client, effects: &Effects) -> Result<Option<Stale>, FhirError> {
    for (effect, write) in effects.writes.iter().enumerate() {
        match write {
            Write::Create { resource_type, if_none_exist: Some(query), .. } => {
                if !client.search(resource_type, query).await?.matches()?.is_empty() {
                    return Ok(Some(Stale::Exists { effect }));
                }
            }
            Write::Delete { target, read } => match client.read(target).await {
                Ok(found) if found.version == *read => {}
                Ok(_) => return Ok(Some(Stale::Changed { effect })),
                Err(e) if matches!(e.kind, FhirErrorKind::Gone | FhirErrorKind::NotFound) => {
                    return Ok(Some(Stale::Changed { effect }));
                }
                Err(e) => return Err(e),
            },
            Write::Create { .. } | Write::Update { .. } => {}
        }
    }
    Ok(None)
}

impl Committed {
    /// Deletes that took away a version which the run had not read, where version ids count: HAPI lets them pass in the short gap after
    /// [`precheck`]. They cannot be undone here, but whoever runs the source should know.
    #[must_use]
    pub fn overtook(&self, plan: &CommitPlan) -> Vec<usize> {
        let pairs = plan.writes.iter().zip(&self.written).filter(|(planned, _)| planned.interaction == Interaction::Delete);
        let number = |version: &Option<VersionId>| version.as_ref().and_then(VersionId::number);
        pairs
            .filter(|(planned, written)| match (number(&planned.read), number(&written.version)) {
                (Some(read), Some(made)) => made != read + 1,
                _ => false,
            })
            .map(|(_, written)| written.effect)
            .collect()
    }

    pub(crate) fn new(plan: &CommitPlan, written: Vec<Written>, slot: Option<Slot>, recovered: bool) -> Self {
        let named = plan.writes.iter().zip(&written);
        let urns = named.filter_map(|(planned, written)| Some((planned.urn.clone()?, written.reference.clone()?))).collect();
        Self { written, urns, slot, recovered }
    }
}
