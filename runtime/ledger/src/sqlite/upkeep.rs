//! [`Upkeep`] for [`SqliteLedger`].

use std::path::Path;

use async_trait::async_trait;
use hob_model::{TenantId, Timestamp};
use rusqlite::Connection;

use super::fault::Res;
use super::{SqliteLedger, backup, check, keys};
use crate::{BackupNote, Epoch, Finding, KeyReport, LedgerError, Manifest, MasterKey, Result, Space, Upkeep};

#[async_trait]
impl Upkeep for SqliteLedger {
    async fn space(&self) -> Result<Space> {
        self.readers.read("space", |db| space(db)).await
    }

    async fn give_back(&self, epoch: Epoch, pages: u32) -> Result<Space> {
        self.write("give_back", Some(epoch), false, move |db| {
            // Each row of the pragma is a page given back: it does as much as it is stepped.
            let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
            let mut steps = statement.query([])?;
            while steps.next()?.is_some() {}
            space(db)
        })
        .await
    }

    async fn keys(&self) -> Result<KeyReport> {
        self.readers.read("keys", keys::report).await
    }

    async fn rotate_keys(&self, epoch: Epoch, tenant: Option<&TenantId>, at: Timestamp) -> Result<()> {
        let tenant = tenant.cloned();
        self.write("rotate_keys", Some(epoch), false, move |db| keys::rotate(db, tenant.as_ref(), at)).await
    }

    async fn rotate_master(&self, epoch: Epoch, to: MasterKey) -> Result<()> {
        let id = to.id().to_string();
        // Both are known until it is certain which of them the ledger is under: readers see the state before the commit and after it.
        self.masters.add_all([to]);
        let name = id.clone();
        let done = self.write("rotate_master", Some(epoch), false, move |db| keys::rotate_master(db, &name)).await;
        if done.is_ok() {
            self.masters.keep(&id);
        }
        done
    }

    async fn reseal(&self, epoch: Epoch, rows: usize) -> Result<bool> {
        self.write("reseal", Some(epoch), false, move |db| keys::reseal(db, rows)).await
    }

    async fn backup(&self, to: &Path, note: BackupNote) -> Result<Manifest> {
        let (path, to) = (self.path.clone(), to.to_owned());
        let vault = self.readers.vault();
        let done = tokio::task::spawn_blocking(move || backup::backup(&path, &to, &vault, note)).await;
        done.map_err(|_| LedgerError::Closed)?.map_err(|fault| fault.told("backup"))
    }

    async fn check(&self, now: Timestamp, thorough: bool) -> Result<Vec<Finding>> {
        self.readers.read("check", move |db| check::check(db, now, thorough)).await
    }
}

fn space(db: &Connection) -> Res<Space> {
    let number = |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (page, all, free) = (number("page_size")?, number("page_count")?, number("freelist_count")?);
    let bytes = |pages: i64| u64::try_from(pages.saturating_mul(page)).unwrap_or(0);
    Ok(Space { used: bytes(all - free), free: bytes(free) })
}
