//! Ids, events, changes, runs, effects and manifests: data without I/O.
