//! What runs ask outside in their midst.

use bytes::Bytes;
use hob_model::{Digest, RunId};

use crate::RunKey;

/// The code of a run that ended because nobody knows whether a request of it was done. Opened again, it asks anew.
pub const REQUEST_UNKNOWN: &str = "request-unknown";

/// A request that a run makes while it runs, and whose answer it waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskKey {
    /// Who asks.
    pub run: RunKey,
    /// Of what is asked and, among equals, which of them it is.
    pub ask: Digest,
}

impl AskKey {
    /// The `Idempotency-Key` under which it is sent, each time the same.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        let run: &RunId = &self.run.run;
        let nonce = Digest::of_parts(&[b"hob-ask", run.as_bytes(), self.ask.as_bytes()]).hex();
        nonce[..32].to_owned()
    }
}

/// What the ledger knows of a request when it is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Nobody has sent it. From now on the ledger takes it for sent.
    Now,
    /// Somebody was about to send it, and nothing says what became of it.
    Unknown,
    /// It was answered: the bytes that [`crate::Ledger::answered`] was given.
    Before(Bytes),
}
