//! Commits that are under way, so that resolve can tell a bot's own write from somebody else's.
//!
//! A server may post the notification of a version before Hob has read the answer that names it. The loop guard hangs on that
//! answer, so a change waits for the commits that were under way when it came and that may have made it. Commits that begin later
//! cannot have: the change was there before them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hob_model::{Reference, ResourceType, SourceId, TenantId};
use tokio::sync::watch;

/// What a commit may be making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Some new resource of a type, its id not known yet.
    New(ResourceType),
    /// A version of this resource.
    Known(Reference),
}

impl Target {
    fn may_be(&self, resource: &Reference) -> bool {
        match self {
            Self::New(kind) => *kind == resource.resource_type,
            Self::Known(reference) => reference == resource,
        }
    }
}

#[derive(Debug)]
struct Commit {
    tenant: TenantId,
    source: SourceId,
    targets: Vec<Target>,
}

/// The commits under way.
#[derive(Debug, Clone)]
pub(crate) struct InFlight {
    state: Arc<Mutex<(u64, BTreeMap<u64, Commit>)>>,
    ended: Arc<watch::Sender<u64>>,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { state: Arc::default(), ended: Arc::new(watch::Sender::new(0)) }
    }
}

/// A commit is under way for as long as this lives.
pub(crate) struct Under {
    number: u64,
    all: InFlight,
}

impl InFlight {
    /// Says that a commit begins.
    pub(crate) fn begin(&self, tenant: &TenantId, source: &SourceId, targets: Vec<Target>) -> Under {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        let number = state.0;
        state.1.insert(number, Commit { tenant: tenant.clone(), source: source.clone(), targets });
        Under { number, all: self.clone() }
    }

    /// Waits until the commits that are under way now, and that may have made a version of `resource`, have ended.
    pub(crate) async fn settled(&self, tenant: &TenantId, source: &SourceId, resource: &Reference) {
        let mut ended = self.ended.subscribe();
        let waiting: Vec<u64> = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let of_it = |c: &Commit| c.tenant == *tenant && c.source == *source && c.targets.iter().any(|t| t.may_be(resource));
            state.1.iter().filter(|(_, commit)| of_it(commit)).map(|(number, _)| *number).collect()
        };
        loop {
            let still = {
                let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.iter().any(|number| state.1.contains_key(number))
            };
            if !still || ended.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        self.all.state.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&self.number);
        self.all.ended.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_what_may_have_made_it_and_for_nothing_else() {
        let all = InFlight::default();
        let (tenant, source) = ("t".parse().unwrap(), "s".parse().unwrap());
        let task: Reference = "Task/1".parse().unwrap();
        let other = all.begin(&tenant, &source, vec![Target::Known("Task/2".parse().unwrap())]);
        all.settled(&tenant, &source, &task).await;

        let made = all.begin(&tenant, &source, vec![Target::New("Task".parse().unwrap())]);
        let mut wait = Box::pin(all.settled(&tenant, &source, &task));
        assert!(futures::poll!(&mut wait).is_pending());
        let _later = all.begin(&tenant, &source, vec![Target::Known(task.clone())]);
        drop(made);
        wait.await;
        drop(other);
    }
}
