//! Compiled functions that are used again: a component that an author changed a line of has nearly all its functions from before, and one with an interpreter in it
//! has all of them.
//!
//! In memory and for one engine: nothing that was compiled is read from anywhere. Only for an author's code; a host compiles in a process that ends with each component.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use wasmtime::CacheStore;

/// What they may take, in bytes. An interpreter's are some ten million.
const MOST: usize = 128 << 20;

/// Machine code by what it was compiled from.
#[derive(Default)]
pub(crate) struct Functions(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    code: HashMap<Vec<u8>, Vec<u8>>,
    bytes: usize,
}

impl fmt::Debug for Functions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Functions")
    }
}

impl CacheStore for Functions {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).code.get(key).cloned().map(Cow::Owned)
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let size = key.len() + value.len();
        if kept.bytes + size > MOST {
            // What is asked for next is compiled once more.
            *kept = Kept::default();
        }
        kept.bytes += size;
        kept.code.insert(key.to_owned(), value);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_what_it_was_given_and_stays_within_its_bound() {
        let functions = Functions::default();
        assert_eq!(functions.get(b"a"), None);
        assert!(functions.insert(b"a", vec![1, 2]));
        assert_eq!(functions.get(b"a").as_deref(), Some([1, 2].as_slice()));
        for key in 0..3_u8 {
            functions.insert(&[key], vec![key; MOST / 2]);
            assert!(functions.0.lock().unwrap().bytes <= MOST);
        }
        assert_eq!(functions.get(&[2]).map(|code| code.len()), Some(MOST / 2));
    }
}
