//! Locks by key: one task at a time for each resource, without a lock for each resource there ever was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// A set of locks, one for each key in use.
#[derive(Debug)]
pub(crate) struct Keyed<K: Ord + Clone> {
    locks: Arc<Mutex<BTreeMap<K, Arc<tokio::sync::Mutex<()>>>>>,
}

impl<K: Ord + Clone> Default for Keyed<K> {
    fn default() -> Self {
        Self { locks: Arc::default() }
    }
}

/// Holds the lock of one key; gives it back, and forgets an idle key, when dropped.
pub(crate) struct KeyGuard<K: Ord + Clone> {
    locks: Arc<Mutex<BTreeMap<K, Arc<tokio::sync::Mutex<()>>>>>,
    key: K,
    guard: Option<OwnedMutexGuard<()>>,
}

impl<K: Ord + Clone> Keyed<K> {
    /// Waits for the lock of `key`; waiters are served in the order in which they came.
    pub(crate) async fn lock(&self, key: K) -> KeyGuard<K> {
        let lock = Arc::clone(self.locks.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default());
        let guard = lock.lock_owned().await;
        KeyGuard { locks: Arc::clone(&self.locks), key, guard: Some(guard) }
    }
}

impl<K: Ord + Clone> Drop for KeyGuard<K> {
    fn drop(&mut self) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        self.guard = None;
        // The map alone holds it: nobody waits.
        if locks.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_for_a_key_and_idle_keys_are_forgotten() {
        let keyed = Keyed::default();
        let first = keyed.lock("a").await;
        let _other = keyed.lock("b").await;
        let mut second = Box::pin(keyed.lock("a"));
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        let second = second.await;
        assert_eq!(keyed.locks.lock().unwrap().len(), 2);
        drop(second);
        assert_eq!(keyed.locks.lock().unwrap().len(), 1);
    }
}
