//! Compiled code in memory: that of the bots that ran last.
//!
//! A clinic network has many bots, most of which rest most of the time, and machine code is several times the size of a component. So where there is a
//! cache on disk, code is loaded when a bot runs and let go when others want the place; loading takes a fraction of a millisecond. Code that a run
//! uses stays until that run is over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hob_model::Digest;

/// What was used last, up to a number of bytes.
#[derive(Debug)]
pub(crate) struct Loaded<T> {
    most: usize,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    uses: u64,
    bytes: usize,
    entries: BTreeMap<Digest, Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    code: Arc<T>,
    bytes: usize,
    used: u64,
}

impl<T> Loaded<T> {
    /// Nothing yet, and at most so many bytes of code, however large the last one is.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, state: Mutex::new(State { uses: 0, bytes: 0, entries: BTreeMap::new() }) }
    }

    pub(crate) fn get(&self, name: &Digest) -> Option<Arc<T>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.uses += 1;
        let used = state.uses;
        let entry = state.entries.get_mut(name)?;
        entry.used = used;
        Some(Arc::clone(&entry.code))
    }

    pub(crate) fn put(&self, name: Digest, code: T, bytes: usize) -> Arc<T> {
        let code = Arc::new(code);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.uses += 1;
        let entry = Entry { code: Arc::clone(&code), bytes, used: state.uses };
        let was = state.entries.insert(name, entry).map_or(0, |was| was.bytes);
        state.bytes = state.bytes + bytes - was;
        while state.bytes > self.most
            && state.entries.len() > 1
            && let Some(oldest) = state.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(name, _)| *name)
        {
            state.bytes -= state.entries.remove(&oldest).map_or(0, |entry| entry.bytes);
        }
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let name = |text: &str| Digest::of(text.as_bytes());
        let loaded = Loaded::new(10);
        loaded.put(name("a"), "a", 4);
        loaded.put(name("b"), "b", 4);
        assert!(loaded.get(&name("a")).is_some());
        loaded.put(name("c"), "c", 4);
        assert!(loaded.get(&name("b")).is_none() && loaded.get(&name("a")).is_some() && loaded.get(&name("c")).is_some());
        // The same again takes its own place, and one that is too large has all to itself.
        loaded.put(name("a"), "a", 5);
        assert!(loaded.get(&name("c")).is_some());
        loaded.put(name("d"), "d", 20);
        assert!(loaded.get(&name("d")).is_some() && loaded.get(&name("a")).is_none() && loaded.get(&name("c")).is_none());
    }
}
