//! The real host on a store, a network and a FHIR server in memory, driven by seeds.
//!
//! [`world`] plays one seed and judges it; [`ledger`] is the store; [`points`] are where a host can be stopped; [`mutation`] is what can be made wrong
//! on purpose, to prove that it would be seen.

pub mod ledger;
pub mod mutation;
pub mod points;
pub mod world;
