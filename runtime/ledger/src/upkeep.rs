//! Looking after a store that keeps its own files: space, keys, backups, checks. A ledger without files has none of it.

use std::path::Path;

use async_trait::async_trait;
use hob_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Epoch, MasterKey, MasterKeyId, Result};

/// What [`crate::Ledger::upkeep`] gives. Errors are those of the ledger.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Bytes in use and bytes that are free within the file.
    async fn space(&self) -> Result<Space>;

    /// Gives free space back to the file system, `pages` pages at most, in one commit. A repeat gives back more.
    async fn give_back(&self, epoch: Epoch, pages: u32) -> Result<Space>;

    /// The keys by their names, and how far a rotation has come.
    async fn keys(&self) -> Result<KeyReport>;

    /// New data keys for one tenant or for all: new values are under them from the commit on; [`Upkeep::reseal`] brings the older ones
    /// along. A repeat makes newer keys. `NotFound` where the tenant has none.
    async fn rotate_keys(&self, epoch: Epoch, tenant: Option<&TenantId>, at: Timestamp) -> Result<()>;

    /// Puts the data keys under another master key, in one commit: after a crash all are under the one or all under the other. A repeat
    /// does nothing more.
    async fn rotate_master(&self, epoch: Epoch, to: MasterKey) -> Result<()>;

    /// Writes a stretch of values of older keys anew, `rows` rows at most. Goes on where it was, also after a crash. `true` where more is
    /// left; after the last the older keys are gone.
    async fn reseal(&self, epoch: Epoch, rows: usize) -> Result<bool>;

    /// Writes all that is committed now to the file `to`, which must not exist, while the ledger goes on. Whole and on disk, or not there.
    async fn backup(&self, to: &Path, note: BackupNote) -> Result<Manifest>;

    /// Looks for what should not be: `thorough` also compares every index with its table.
    async fn check(&self, now: Timestamp, thorough: bool) -> Result<Vec<Finding>>;
}

/// The size of a ledger's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that hold something.
    pub used: u64,
    /// Bytes that were freed and not given back.
    pub free: u64,
}

/// The keys, by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReport {
    /// The master key.
    pub master: MasterKeyId,
    /// Data keys, by tenant.
    pub tenants: Vec<TenantKeyInfo>,
    /// The share of what was to be written anew after a rotation that is done, from 0 to 99; `None` where none is under way.
    pub resealed_percent: Option<u8>,
}

/// The data keys of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantKeyInfo {
    /// The clinic.
    pub tenant: TenantId,
    /// The generation that new values are under.
    pub generation: u32,
    /// Generations that are kept for older values.
    pub older: Vec<u32>,
    /// When it was made; `None` for the first, which is made with the tenant's first value.
    pub created: Option<Timestamp>,
}

/// What a backup is told of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupNote {
    /// What the host calls itself towards FHIR servers.
    pub host_id: String,
    /// When.
    pub made: Timestamp,
}

/// What a backup says of itself. It holds no key, and no patient data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What the host calls itself towards FHIR servers: its fences bear this name.
    pub host_id: String,
    /// When it was made.
    pub made: Timestamp,
    /// The schema.
    pub schema: u32,
    /// The epoch that held the ledger.
    pub epoch: u64,
    /// The name of the master key that it needs.
    pub master_key: String,
    /// The data keys that it holds, wrapped.
    pub data_keys: Vec<TenantKeyInfo>,
}

/// Where a restored ledger goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreFrom {
    /// At this instant: what was open in the backup, or happened since, is not run. It can be retried one by one.
    Now(Timestamp),
    /// Where the backup was: what was run since is run again, with its effects.
    Backup,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// What the backup said of itself.
    pub manifest: Manifest,
    /// Open runs that are now dead letters, due timers among them.
    pub runs: usize,
    /// Notifications that waited and are now dead letters.
    pub notifications: usize,
    /// Outbox requests that waited, or were being sent, and are now dead letters.
    pub requests: usize,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Somebody should look.
    Warn,
    /// A promise is broken, or about to be.
    Fail,
}

/// What one check found. No patient data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was checked, such as `ledger-integrity`.
    pub check: String,
    /// How it is.
    pub level: Level,
    /// What was seen.
    pub detail: String,
    /// What to do; empty where nothing is.
    pub help: String,
}

impl Finding {
    /// A finding.
    #[must_use]
    pub fn new(check: &str, level: Level, detail: impl Into<String>, help: &str) -> Self {
        let help = if level == Level::Ok { String::new() } else { help.to_owned() };
        Self { check: check.to_owned(), level, detail: detail.into(), help }
    }
}
