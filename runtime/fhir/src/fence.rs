//! The fence: what makes a run's transaction succeed at most once.
//!
//! # What it is
//! A **slot** is a `Basic` resource, made beforehand. A transaction that uses it holds `PUT Basic/<slot>` with `If-Match: W/"n"`, where n is the
//! slot's version when the transaction was made, and content that names run and attempt. It succeeds only while the slot is at n, and makes it
//! n+1. A slot serves one run at a time and then the next, so what stays on the server is bounded by how many commit at once. It needs nothing
//! but If-Match in atomic transactions, so it is the same on all servers. (`If-Match: W/"0"` on a new id, which HAPI takes for create-once, is
//! refused elsewhere, needs client ids, and leaves one resource a run.)
//!
//! # Why it cannot succeed twice
//! The server moves a resource from n to n+1 once. Two transactions with the same If-Match on the slot cannot both commit, and a transaction
//! is all or nothing. Window by window:
//!
//! - **The answer is lost.** The bytes are in the ledger. Sent again, they meet n+1 and fail whole. The version after n names who moved it: if it
//!   is this run and attempt, it happened, and [`crate::commit::find_out`] reads the ids of what it created from the slot itself.
//! - **An earlier send is still on its way** (in a proxy, a queue, a stalled thread) when the host gives the attempt up or makes another. The
//!   host first **burns** the slot: moves it to n+1 by itself, with content `void`. Either the burn wins, and the earlier send can only meet n+1 and fail,
//!   however late it comes; or the burn is refused, and then the earlier send had happened, or somebody else moved the slot, which stops it as well.
//!   A refusal of one copy of a request says nothing of other copies, so every refusal is followed by a burn.
//! - **Somebody edits or deletes what the run made** before the repeat. The fence does not look at what was made, so their work stands and
//!   the repeat still fails. (A conditional create would make it a second time.)
//! - **Somebody edits or deletes the slot.** Then it is no longer at n: nothing that named n can succeed. The version after n tells what
//!   happened, also under a delete, which is a version of its own. Only an expunge, history and all, takes the proof away: then
//!   [`crate::commit::find_out`] says so instead of guessing.
//! - **The host dies** between any two of these steps. The ledger takes slot, n and the bytes in one write before anything is sent, so the next host
//!   finds nothing sent, or is in one of the windows above.
//! - **Two attempts mean to use one slot.** That write gives the slot to one run and refuses another's, and refuses an n that is no longer the
//!   slot's. Were it wrong, it would still be two transactions with the same If-Match: one of them fails.
//! - **Two hosts use one slot** (a restored backup, a zombie). One of them moves it; the other's transaction fails, and reading shows another run.
//!
//! # What the slot says
//! The urns of the creates stand in it as `valueUri`. R4 has the server put the real reference into elements of type uri too (`http.html#trules`), so
//! after the commit the slot holds the ids that the server gave. A uri is no reference: it does not block deletes where referential
//! integrity is on (seen on HAPI 8.8).

use std::fmt;
use std::str::FromStr;

use hob_model::{BadId, Reference, RunId, VersionId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::page::of_resource;
use crate::{Client, FhirError, FhirErrorKind};

/// `identifier.system` of a slot's name.
pub const SLOT: &str = "urn:hob:fence:slot";
/// `identifier.system` of who moved a slot last: `run_…/attempt`, or `void`.
pub const MOVED_BY: &str = "urn:hob:fence:moved-by";
/// URL of the extension that holds what a create became.
pub const CREATED: &str = "urn:hob:fence:created";

/// What a slot is called: unique to one ledger, so that no two hosts share it by mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SlotName(String);

impl SlotName {
    /// Checks `text` and keeps it.
    ///
    /// # Errors
    /// [`BadId`] where it is not 1 to 128 of A-Z, a-z, 0-9, `-`, `.` and `_`: it stands in a search as it is.
    pub fn new(text: impl Into<String>) -> Result<Self, BadId> {
        let text = text.into();
        let plain = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if plain { Ok(Self(text)) } else { Err(BadId { kind: "slot", rule: "1 to 128 of A-Z, a-z, 0-9, -, . and _" }) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SlotName {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        Self::new(text)
    }
}

impl TryFrom<String> for SlotName {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        Self::new(text)
    }
}

impl From<SlotName> for String {
    fn from(name: SlotName) -> String {
        name.0
    }
}

/// A slot, and the version at which the next transaction expects it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Its name.
    pub name: SlotName,
    /// The `Basic`.
    pub reference: Reference,
    /// The version that was seen last.
    pub version: VersionId,
}

/// A slot in the hands of one attempt of one run. In the ledger before the transaction is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceUse {
    /// The slot, at the version that the transaction expects.
    pub slot: Slot,
    /// Whose.
    pub run: RunId,
    /// Which attempt, counted from 1: no two transactions of a run have the same.
    pub attempt: u32,
}

/// Finds the slot of this name or makes it. Conditional, so that a crash after the create leaves nothing that is not found again.
///
/// # Errors
/// Any; [`FhirErrorKind::Conflict`] where several slots have the name.
pub async fn ensure(client: &Client, name: &SlotName) -> Result<Slot, FhirError> {
    let stored = client.create(&content(name, None, &[]), Some(&format!("identifier={SLOT}%7C{name}"))).await?;
    let version = match stored.version {
        Some(version) => version,
        None => client.read(&stored.reference).await?.version,
    };
    Ok(Slot { name: name.clone(), reference: stored.reference, version })
}

/// Whether `burn` moved the slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Burn {
    /// It did: nothing that named the version before can succeed any more.
    Void(Slot),
    /// Somebody had moved it before.
    Moved,
}

/// Moves the slot by itself.
pub(crate) async fn burn(client: &Client, fence: &FenceUse) -> Result<Burn, FhirError> {
    let mut void = content(&fence.slot.name, Some("void"), &[]);
    void["id"] = json!(fence.slot.reference.id.as_str());
    // Two voids in a row must differ, or the second makes no version on servers that skip equal content, and so moves nothing.
    void["extension"] = json!([{"url": VOIDED, "valueString": format!("{} at {}", moved_by(fence), fence.slot.version)}]);
    match client.update(&void, Some(&fence.slot.version)).await {
        // An update of what is there cannot create. The server did not know the slot, so nobody can say any more what moved it.
        Ok(stored) if stored.created => Err(expunged()),
        Ok(stored) => {
            let version = match stored.version {
                Some(version) => version,
                None => client.read(&fence.slot.reference).await?.version,
            };
            if version == fence.slot.version {
                return Err(FhirError::protocol("void a fence", "the server changed it without a new version"));
            }
            Ok(Burn::Void(Slot { version, ..fence.slot.clone() }))
        }
        Err(e) if matches!(e.kind, FhirErrorKind::Conflict | FhirErrorKind::Gone) => Ok(Burn::Moved),
        Err(e) => Err(e),
    }
}

/// Nobody can know whether a transaction behind a slot happened whose history is gone.
pub(crate) fn expunged() -> FhirError {
    FhirError::new(
        FhirErrorKind::Gone,
        "read a fence",
        "its history was expunged from the server, so nobody can tell what it let through",
    )
}

const VOIDED: &str = "urn:hob:fence:voided";

/// The slot's content in a transaction.
pub(crate) fn moved(fence: &FenceUse, urns: &[&str]) -> Value {
    let mut basic = content(&fence.slot.name, Some(&moved_by(fence)), urns);
    basic["id"] = json!(fence.slot.reference.id.as_str());
    basic
}

fn moved_by(fence: &FenceUse) -> String {
    format!("{}/{}", fence.run, fence.attempt)
}

fn content(name: &SlotName, moved_by: Option<&str>, created: &[&str]) -> Value {
    let mut identifiers = vec![json!({"system": SLOT, "value": name.as_str()})];
    identifiers.extend(moved_by.map(|text| json!({"system": MOVED_BY, "value": text})));
    let mut basic = json!({"resourceType": "Basic"});
    if !created.is_empty() {
        basic["extension"] = created.iter().map(|urn| json!({"url": CREATED, "valueUri": urn})).collect();
    }
    basic["identifier"] = Value::Array(identifiers);
    basic["code"] =
        json!({"coding": [{"system": "urn:hob:basic", "code": "fence"}], "text": "Hob: lets a transaction succeed once"});
    basic
}

fn identifier<'a>(basic: &'a Value, system: &str) -> Option<&'a str> {
    let identifiers = basic["identifier"].as_array()?;
    identifiers.iter().find(|identifier| identifier["system"] == system)?["value"].as_str()
}

/// Whether this version of the slot was made by this attempt of this run.
pub(crate) fn names(basic: &Value, fence: &FenceUse) -> bool {
    identifier(basic, MOVED_BY) == Some(moved_by(fence).as_str())
}

/// The use that the content of a transaction's last entry speaks of.
pub(crate) fn use_of(basic: &Value, version: VersionId) -> Option<FenceUse> {
    let name = identifier(basic, SLOT)?.parse().ok()?;
    let (run, attempt) = identifier(basic, MOVED_BY)?.split_once('/')?;
    let slot = Slot { name, reference: of_resource(basic)?, version };
    Some(FenceUse { slot, run: run.parse().ok()?, attempt: attempt.parse().ok()? })
}

/// What the creates became, in the order of the effects; `None` where the server left the urn as it was.
pub(crate) fn created(basic: &Value) -> Vec<Option<Reference>> {
    let extensions = basic["extension"].as_array().into_iter().flatten();
    extensions
        .filter(|extension| extension["url"] == CREATED)
        .map(|extension| crate::page::last_reference(extension["valueUri"].as_str()?))
        .collect()
}
