//! What a case is: something done to the host, and what must come of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hob_engine::RunOutput;
use hob_model::FailureKind;
use serde_json::Value;

use crate::core;
use crate::server::Server;

/// One case.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) act: Act,
    pub(crate) expect: Expect,
    /// In a process of its own, since a host that fails to refuse it might not live.
    pub(crate) apart: bool,
}

/// What is done.
pub(crate) enum Act {
    /// A release is made of these bytes, and run where it is not refused.
    Bytes { component: Box<dyn Fn() -> Vec<u8> + Send + Sync>, manifest: String },
    /// The actor does these steps.
    Script { steps: Value, manifest: String, server: Arc<Server> },
    /// Something of its own, which says itself what came of it.
    Scene(fn() -> Scene),
}

/// What a scene answers: how it ended, in a few words, or what was wrong.
pub(crate) type Scene = Pin<Box<dyn Future<Output = Result<String, String>>>>;

/// What must come of it.
#[derive(Clone)]
pub(crate) enum Expect {
    /// No release is made: the variant of the error, and words of its message.
    Refused(&'static str, Vec<String>),
    /// The attempt fails with this code; words of its message.
    Fails(&'static str, FailureKind, Vec<String>),
    /// The attempt ends well, and this holds of what it left.
    Harmless(fn(&RunOutput) -> Result<(), String>),
    /// Nothing but what holds of every case: it ends in time, and harms nobody.
    Ends,
}

/// A case on `components/NAME.wat`, with what the manifest says beside its name and triggers.
pub(crate) fn wat(name: &'static str, manifest: &str) -> Asked {
    bytes(name, manifest, || core::component(name))
}

/// A case on bytes.
pub(crate) fn bytes(name: &str, manifest: &str, component: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Asked {
    Asked { name: name.to_owned(), act: Act::Bytes { component: Box::new(component), manifest: manifest.to_owned() } }
}

/// A case on the actor.
pub(crate) fn script(name: &str, manifest: &str, server: Server, steps: Value) -> Asked {
    Asked { name: name.to_owned(), act: Act::Script { steps, manifest: manifest.to_owned(), server: Arc::new(server) } }
}

/// A case that says itself whether it went well.
pub(crate) fn scene(name: &str, play: fn() -> Scene) -> Case {
    Asked { name: name.to_owned(), act: Act::Scene(play) }.ends()
}

/// A case of which it is not yet said what must come of it.
pub(crate) struct Asked {
    name: String,
    act: Act,
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Asked {
    fn must(self, expect: Expect) -> Case {
        Case { name: self.name, act: self.act, expect, apart: false }
    }

    /// No release can be made of it.
    pub(crate) fn refused(self, variant: &'static str, words: &[&str]) -> Case {
        self.must(Expect::Refused(variant, owned(words)))
    }

    /// It goes over `limits.KEY`.
    pub(crate) fn over(self, key: &str) -> Case {
        let code = match key {
            "cpu-ms" => "limit-cpu",
            "wall-ms" => "limit-wall",
            "memory-mib" => "limit-memory",
            "host-calls" => "limit-host-calls",
            "writes" => "limit-writes",
            "output-kib" => "limit-output",
            other => panic!("no limit {other}"),
        };
        self.must(Expect::Fails(code, FailureKind::Retry, vec![format!("limits.{key}")]))
    }

    /// It goes deeper than any bot may.
    pub(crate) fn exhausts(self) -> Case {
        self.must(Expect::Fails("limit-stack", FailureKind::Retry, owned(&["call stack exhausted"])))
    }

    /// It holds more than any bot may.
    pub(crate) fn clutches(self) -> Case {
        self.must(Expect::Fails("limit-handles", FailureKind::Retry, owned(&["handles"])))
    }

    /// It crashes, and the message says how.
    pub(crate) fn traps(self, words: &[&str]) -> Case {
        self.must(Expect::Fails("trap", FailureKind::Retry, owned(words)))
    }

    /// It asks for what the scopes do not give; the message names the one that is missing.
    pub(crate) fn denied(self, scope: &str) -> Case {
        self.must(Expect::Fails("scope", FailureKind::Fatal, vec![format!("needs {scope}"), "`scopes`".to_owned()]))
    }

    /// It does no harm.
    pub(crate) fn harmless(self, check: fn(&RunOutput) -> Result<(), String>) -> Case {
        self.must(Expect::Harmless(check))
    }

    /// It ends, however.
    pub(crate) fn ends(self) -> Case {
        self.must(Expect::Ends)
    }
}

impl Case {
    /// In a process of its own.
    pub(crate) fn apart(self) -> Self {
        Self { apart: true, ..self }
    }
}

/// Nothing was staged, and the bot answered.
pub(crate) fn nothing(output: &RunOutput) -> Result<(), String> {
    let effects = &output.effects;
    if effects.writes.is_empty() && effects.timers.is_empty() && effects.outbox.is_empty() {
        Ok(())
    } else {
        Err(format!("it staged something: {effects:?}"))
    }
}
