//! What the engine needs to know before it starts.

use std::path::PathBuf;

use hob_model::Limits;

use crate::Compiler;

/// Sizes and places. The defaults serve one host with a few gigabytes of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// Where compiled components are kept between starts; `None` compiles anew each time. Only this host's user may be able to
    /// write there: the key that authenticates the files lies beside them.
    pub cache_dir: Option<PathBuf>,
    /// Where components are compiled.
    pub compiler: Compiler,
    /// Compiled code in memory, in MiB, where it is kept in `cache_dir` too; what was not used for longest is loaded again when it is wanted.
    pub loaded_mib: usize,
    /// Runs at once. More wait for a slot; their wall clock starts when they get it.
    pub concurrent_runs: u32,
    /// The most that a manifest may ask for; one that asks for more is refused.
    pub most: Limits,
    /// How often a guest that burns CPU is interrupted so that others can run, in milliseconds.
    pub tick_ms: u64,
    /// Whom the compiled code is for.
    pub code: CodeFor,
    /// What a call beyond the scopes does.
    pub denial: Denial,
}

/// What a call beyond the scopes does. The attempt fails either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Denial {
    /// It ends the guest, which could go on and tell others.
    #[default]
    Ends,
    /// The guest is told, and may say where it asked: for an author, on a server of the author's own.
    IsTold,
}

/// Whom compiled code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CodeFor {
    /// Service: compiled once, run often.
    #[default]
    Service,
    /// Its author, who waits for the compiler after each change: compiled quickly, and a trap names file and line where the component has debug sections.
    Author,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            cache_dir: None,
            compiler: Compiler::InProcess,
            concurrent_runs: 128,
            loaded_mib: 512,
            most: Limits::most(),
            tick_ms: 5,
            code: CodeFor::Service,
            denial: Denial::Ends,
        }
    }
}
