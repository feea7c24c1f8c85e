//! From a component to machine code: in this process, or in one of its own with limits.
//!
//! A component is anybody's bytes, and the compiler is large: what makes it work for minutes, take all memory or crash must not take the host along. So a host
//! has it run in a process of its own, which sets limits on itself and is killed where it does not answer. That does not make its output more trustworthy
//! than that of a compiler in this process; [`crate::precompiled`] says what it rests on.

mod child;
mod frame;
mod process;
mod structure;

use std::path::PathBuf;

use wasmtime::component::Component;

use crate::cache::Authentic;
use crate::{EngineError, precompiled};

pub use child::compile_stdin;
pub(crate) use process::Output;
pub(crate) use structure::check;

/// Where components are compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiler {
    /// In this process, without limits: for tests and small tools, on components of whoever runs them.
    InProcess,
    /// By this program, started with `compile-component` and numbers behind it, which it gives to [`compile_stdin`].
    Process(PathBuf, CompileLimits),
}

/// What one compilation may use in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// CPU time, in seconds.
    pub cpu_s: u64,
    /// From start to end, in seconds.
    pub wall_s: u64,
    /// Address space, in MiB.
    pub memory_mib: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { cpu_s: 120, wall_s: 300, memory_mib: 4_096 }
    }
}

/// Which limit ended a compilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompileLimit {
    /// CPU time.
    Cpu,
    /// Time from start to end.
    Wall,
    /// Memory.
    Memory,
    /// The size of the machine code.
    Output,
}

impl Compiler {
    /// Compiles a component whose structure was checked. Blocks for as long as that takes.
    pub(crate) fn compile(&self, engine: &wasmtime::Engine, component: &[u8]) -> Result<Component, EngineError> {
        match self {
            Self::InProcess => {
                Component::from_binary(engine, component).map_err(|error| EngineError::Compile(format!("{error:#}")))
            }
            Self::Process(program, limits) => {
                let authentic = Authentic::of_child(process::run(program, component, *limits)?);
                precompiled::load(engine, &authentic)
                    .map_err(|error| EngineError::Compiler(format!("what it made cannot be loaded: {error:#}")))
            }
        }
    }
}
