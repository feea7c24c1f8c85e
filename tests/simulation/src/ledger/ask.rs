//! Requests in the midst of a run.

use bytes::Bytes;
use hob_ledger::{AskKey, Asked, LedgerError, Result, RunKey};

use super::Mutation;
use super::state::State;

impl State {
    pub(super) fn ask(&mut self, key: &AskKey) -> Result<Asked> {
        self.open_run(&key.run)?;
        if self.mutations.has(Mutation::AskEachTime) {
            self.asks.remove(key);
        }
        match self.asks.get(key) {
            Some(Some(answer)) => Ok(Asked::Before(answer.clone())),
            Some(None) => Ok(Asked::Unknown),
            None => {
                self.asks.insert(key.clone(), None);
                Ok(Asked::Now)
            }
        }
    }

    pub(super) fn answered(&mut self, key: &AskKey, answer: Bytes) -> Result<()> {
        let kept = self.asks.get_mut(key).ok_or(LedgerError::NotFound { what: "request" })?;
        kept.get_or_insert(answer);
        Ok(())
    }

    pub(super) fn unasked(&mut self, key: &AskKey) {
        if self.asks.get(key) == Some(&None) {
            self.asks.remove(key);
        }
    }

    pub(super) fn forget_unanswered(&mut self, run: &RunKey) {
        self.asks.retain(|key, answer| key.run != *run || answer.is_some());
    }
}
