//! The one unsafe call of Hob: loading machine code that was compiled earlier.
//!
//! `Component::deserialize` maps the bytes as executable code, so bytes of another origin would run with all of the host's rights.
//! The argument why that cannot happen:
//! - The only argument is [`Authentic`], which only the cache makes, and only where the file's HMAC-SHA256 is right under a key that
//!   this host made itself and that only its user can read. Whoever can forge that can already act as this user.
//! - The HMAC covers the name of the entry, which is a digest of the component's bytes and of the engine's version and settings, so
//!   a genuine file of another component, engine or setting is refused too.
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
    // SAFETY: `compiled` came out of `Component::serialize` of this host, unchanged; see the module's text.
    unsafe { Component::deserialize(engine, compiled.bytes()) }
}
