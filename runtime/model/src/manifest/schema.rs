//! The JSON Schema of `bot.toml`, made from the types that it is read into, for editors: `docs/bot.schema.json` is what it gives.
//!
//! It says of a manifest what can be said key by key. What two keys say together (a default of its setting's type, a secret that nothing uses), and what needs a parser of
//! its own (cron, time zones), the host's reader alone finds out; a test lists these.

use serde_json::Value;

use super::raw;

/// The schema.
#[must_use]
pub fn manifest_schema() -> Value {
    schemars::schema_for!(raw::Manifest).to_value()
}
