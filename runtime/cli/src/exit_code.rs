//! The exit codes of `hob`, for scripts to rely on. docs/exit-codes.md is held to this table by a test.
//!
//! From 64 on they are those of BSD's sysexits, so that a supervisor knows them.

/// What was asked is done.
pub const OK: u8 = 0;
/// What was asked was tried and did not succeed: the host refused it, a run failed, a source is not usable.
pub const FAILURE: u8 = 1;
/// The command line is wrong: an unknown option, a missing argument, a value of the wrong form.
pub const USAGE: u8 = 2;
/// What was named does not exist: no such source, bot or run.
pub const NOT_FOUND: u8 = 3;
/// A configuration is wrong or incomplete: `hob.toml`, `bot.toml`, a setting, the admin token's place.
pub const CONFIG: u8 = 64;
/// The input is not what the command takes: a file that is no notification or no component.
pub const DATA: u8 = 65;
/// A file cannot be read or written.
pub const FILE: u8 = 66;
/// The host or the FHIR server cannot be reached, or is not ready; a tool that a bot is built with is not installed.
pub const UNAVAILABLE: u8 = 69;
/// What was waited for has not ended in the time that was given; it goes on.
pub const PENDING: u8 = 75;
/// The host gave an answer that this `hob` does not understand: other versions, or not a Hob host.
pub const PROTOCOL: u8 = 76;
/// The host refused the admin token.
pub const DENIED: u8 = 77;

/// Every exit code with its name and meaning, in order, as docs/exit-codes.md lists them.
pub const ALL: &[(u8, &str, &str)] = &[
    (OK, "OK", "what was asked is done"),
    (
        FAILURE,
        "FAILURE",
        "what was asked was tried and did not succeed: the host refused it, a run failed, a source is not usable",
    ),
    (USAGE, "USAGE", "the command line is wrong: an unknown option, a missing argument, a value of the wrong form"),
    (NOT_FOUND, "NOT_FOUND", "what was named does not exist: no such source, bot or run"),
    (CONFIG, "CONFIG", "a configuration is wrong or incomplete: `hob.toml`, `bot.toml`, a setting, the admin token's place"),
    (DATA, "DATA", "the input is not what the command takes: a file that is no notification or no component"),
    (FILE, "FILE", "a file cannot be read or written"),
    (
        UNAVAILABLE,
        "UNAVAILABLE",
        "the host or the FHIR server cannot be reached, or is not ready; a tool that a bot is built with is not installed",
    ),
    (PENDING, "PENDING", "what was waited for has not ended in the time that was given; it goes on"),
    (PROTOCOL, "PROTOCOL", "the host gave an answer that this `hob` does not understand: other versions, or not a Hob host"),
    (DENIED, "DENIED", "the host refused the admin token"),
];
