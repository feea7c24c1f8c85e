//! A backup becomes a data folder again.

use std::path::{Path, PathBuf};

use hob_ledger::LedgerError;
use hob_ledger::sqlite;
pub use hob_ledger::{RestoreFrom, Restored};

use crate::config::Config;
use crate::host::{HOST_ID, LEDGER};
use crate::master_key::{self, KeyError};

/// Why a backup is not restored. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A ledger is there already.
    #[error("there is a ledger in {0} already")]
    Occupied(PathBuf),
    /// A file cannot be written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// There is no master key.
    #[error("master-key: {0}")]
    Key(#[from] KeyError),
    /// The backup cannot be used, or a host works there.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Makes the data folder that `config` names of the backup `file`. With `aside`, a ledger that is there is moved aside, not removed.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(config: &Config, file: &Path, from: RestoreFrom, aside: bool) -> Result<Restored, RestoreError> {
    let data = &config.data;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| RestoreError::File { path, error }
    };
    std::fs::create_dir_all(data).map_err(failed(data))?;
    let ledger = data.join(LEDGER);
    let key = master_key::restoring(config)?;
    if ledger.exists() && !aside {
        return Err(RestoreError::Occupied(data.clone()));
    }
    // Nobody may be at work there, nor begin before this has ended.
    let _lock = sqlite::lock(&ledger)?;
    // Whole beside the old one first; the old one is moved only when the new one can take its place.
    let draft = data.join("restored.db");
    if draft.exists() {
        // Of a restore that was cut off.
        std::fs::remove_file(&draft).map_err(failed(&draft))?;
    }
    let restored = sqlite::restore(file, &draft, key, from)?;
    if ledger.exists() {
        move_aside(data)?;
    }
    let named = data.join(HOST_ID);
    std::fs::write(&named, &restored.manifest.host_id).map_err(failed(&named))?;
    std::fs::rename(&draft, &ledger).map_err(failed(&ledger))?;
    std::fs::File::open(data).and_then(|folder| folder.sync_all()).map_err(failed(data))?;
    drop(std::fs::remove_file(data.join("restored.db.lock")));
    Ok(restored)
}

/// Moves a ledger and its side files to the first free name.
fn move_aside(data: &Path) -> Result<(), RestoreError> {
    let name =
        (1_u32..).map(|n| format!("{LEDGER}.before-restore-{n}")).find(|name| !data.join(name).exists()).unwrap_or_default();
    for suffix in ["", "-wal", "-shm"] {
        let (old, new) = (data.join(format!("{LEDGER}{suffix}")), data.join(format!("{name}{suffix}")));
        if old.exists() {
            std::fs::rename(&old, &new).map_err(|error| RestoreError::File { path: new, error })?;
        }
    }
    Ok(())
}
