//! The end of notifications that made no change (or several): many in one ledger write.
//!
//! Whoever comes while a write is under way leaves its notification for the next one, which whoever is first in turn makes for all.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hob_ledger::{NotificationSeq, Resolution, SeenEvent};
use hob_model::TenantId;
use tokio::sync::oneshot;

use super::Unresolved;
use crate::core::Core;
use crate::run::driver::persist;

struct One {
    tenant: TenantId,
    seq: NotificationSeq,
    seen: Vec<SeenEvent>,
    tell: oneshot::Sender<()>,
}

/// The notifications that wait for the next write.
#[derive(Default)]
pub(crate) struct Closing {
    waiting: Mutex<Vec<One>>,
    turn: tokio::sync::Mutex<()>,
}

impl Closing {
    /// Resolves a notification without changes. Comes back when that is on disk.
    pub(crate) async fn close(
        &self,
        core: &Core,
        tenant: TenantId,
        seq: NotificationSeq,
        seen: Vec<SeenEvent>,
    ) -> Result<(), Unresolved> {
        let (tell, told) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(One { tenant, seq, seen, tell });
        {
            let _turn = self.turn.lock().await;
            let all = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            let mut tenants: BTreeMap<TenantId, Vec<One>> = BTreeMap::new();
            for one in all {
                tenants.entry(one.tenant.clone()).or_default().push(one);
            }
            for (tenant, mut ones) in tenants {
                let seen = ones.iter_mut().flat_map(|one| std::mem::take(&mut one.seen)).collect();
                let notifications = ones.iter().map(|one| one.seq).collect();
                let resolution = Resolution { tenant, notifications, changes: Vec::new(), seen };
                if persist(core, "resolve", || core.ledger.resolve(core.epoch, resolution.clone())).await.is_some() {
                    for one in ones {
                        // Who went away does not need to know.
                        let _ = one.tell.send(());
                    }
                }
            }
        }
        // Dropped where the ledger refused.
        told.await.map_err(|_| Unresolved::Ledger)
    }
}
