//! The WebAssembly sandbox: compile, pool, limits, host functions, journal.
