//! The one unsafe call of Hob: loading machine code that was compiled earlier.
//!
//! `Component::deserialize` maps the bytes as executable code, so bytes of another origin would run with all of the host's rights.
//! The argument why that cannot happen:
//! - The only argument is [`Authentic`], which only the cache makes, of two things: a file, or what a compiler's process answered.
//! - A file is taken only where its HMAC-SHA256 is right under a key that this host made itself and that only its user can read. Whoever can forge that can
//!   already act as this user.
//! - The HMAC covers the name of the entry, which is a digest of the component's bytes and of the engine's version and settings, so
//!   a genuine file of another component, engine or setting is refused too.
//! - A compiler's process is a program of the host's own, started by it (a host names its own executable). Its answer comes through a pipe whose other end
//!   only that process holds; it counts only as one whole frame with the right length and digest, from a process that then ended well. So it is what that
//!   program wrote, and nothing that was cut short. The program runs the same compiler with the same settings as this process would, so its code is
//!   trusted as much as in-process compilation's: a component that breaks the compiler itself, to make it write other code, breaks out either way. The process is
//!   there for limits and crashes; what keeps the code honest is the compiler.
//! - The bytes are held in memory, not mapped from the file: they cannot change after the check.
//! - wasmtime checks its own version and settings once more.

#![allow(unsafe_code, reason = "deserialize is unsafe by nature; the module's text argues why this use holds")]

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::cache::Authentic;

/// Loads a compiled component.
///
/// # Errors
/// wasmtime's, where version or settings differ; the caller compiles anew.
pub(crate) fn load(engine: &Engine, compiled: &Authentic) -> wasmtime::Result<Component> {
    // SAFETY: `compiled` came out of this host's compiler, unchanged; see the module's text.
    unsafe { Component::deserialize(engine, compiled.bytes()) }
}
