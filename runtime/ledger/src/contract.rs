//! The suite that every [`crate::Ledger`] must pass.
