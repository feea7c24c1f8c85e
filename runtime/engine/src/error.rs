//! Why an engine does not start or a component is refused.

use std::path::PathBuf;

use crate::CompileLimit;

/// What [`Engine::new`](crate::Engine::new) and [`Engine::prepare`](crate::Engine::prepare) can fail with. None of it holds
/// patient data: no event has been seen yet.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The sandbox cannot be set up on this machine.
    #[error("the WebAssembly engine does not start: {0}")]
    Start(String),
    /// The bytes are no component that this engine can compile.
    #[error("not a WebAssembly component that can be run: {0}")]
    Compile(String),
    /// The component has more of something than any bot needs.
    #[error("the component has {count} {what}; at most {most} are compiled")]
    TooMuch {
        /// What, in the plural.
        what: &'static str,
        /// How much.
        count: u64,
        /// The most.
        most: u64,
    },
    /// The compiler went over a limit and was ended.
    #[error(
        "the compiler went over its limit of {most} {unit} of {what}: the component is built to be slow, or too large for this host"
    )]
    CompileLimit {
        /// Which.
        limit: CompileLimit,
        /// Of what.
        what: &'static str,
        /// How much it is.
        most: u64,
        /// In what.
        unit: &'static str,
    },
    /// The compiler's process did not do its work.
    #[error("the compiler's process: {0}")]
    Compiler(String),
    /// A core module was given where a component is wanted.
    #[error("this is a core WebAssembly module, not a component: build for wasm32-wasip2")]
    CoreModule,
    /// The component wants something that a bot does not get.
    #[error("the component imports `{import}`, which a bot does not get{hint}")]
    Import {
        /// The import's name, such as `wasi:http/outgoing-handler@0.2.0`.
        import: String,
        /// What to do instead; begins with a colon, or is empty.
        hint: &'static str,
    },
    /// The component lacks what the contract wants.
    #[error("the component does not export `{export}` as hob:bot@0.1 has it: {why}")]
    Export {
        /// The export's name.
        export: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A limit of the manifest is beyond what this host gives.
    #[error("`limits.{key}` is {wanted}; this host gives at most {most}")]
    Limit {
        /// The manifest's key below `limits`.
        key: &'static str,
        /// What the manifest says.
        wanted: u64,
        /// What the host allows.
        most: u64,
    },
    /// A scope whose search part cannot be judged by the host.
    #[error("scope `{scope}`: {why}")]
    Scope {
        /// The scope, as the manifest has it.
        scope: String,
        /// What is wrong with its search part.
        why: String,
    },
    /// The folder of compiled components cannot be used.
    #[error("the cache of compiled components, {path}: {source}")]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl EngineError {
    /// Its code in docs/errors.md, for whoever deploys.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooMuch { .. } => "component-size",
            Self::CompileLimit { limit: CompileLimit::Cpu, .. } => "compile-cpu",
            Self::CompileLimit { limit: CompileLimit::Wall, .. } => "compile-wall",
            Self::CompileLimit { limit: CompileLimit::Memory, .. } => "compile-memory",
            Self::CompileLimit { limit: CompileLimit::Output, .. } => "compile-output",
            Self::Compiler(_) => "compile-failed",
            _ => "component",
        }
    }
}
