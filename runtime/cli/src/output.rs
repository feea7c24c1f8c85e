//! Where text goes: data to stdout, everything else to stderr.
//!
//! What a bot logged or a server answered may hold escape sequences: control characters are shown and never sent to the terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use serde_json::Value;

use crate::error::CliError;

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Paint {
    #[default]
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

impl Paint {
    /// `text` in this look, or as it is where `on` is false. The escapes are those of ECMA-48.
    pub(crate) fn on(self, text: &str, on: bool) -> Cow<'_, str> {
        let code = match self {
            Self::Plain => return text.into(),
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
        };
        if on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m").into() } else { text.into() }
    }
}

/// The two streams and how to write to them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    color_out: bool,
    color_err: bool,
}

impl Output {
    pub(crate) fn new(json: bool, color: Color) -> Self {
        let plain =
            std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) || std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        let on = |terminal: bool| match color {
            Color::Auto => terminal && !plain,
            Color::Always => true,
            Color::Never => false,
        };
        Self { json, color_out: on(std::io::stdout().is_terminal()), color_err: on(std::io::stderr().is_terminal()) }
    }

    /// Whether data is to be JSON.
    pub(crate) const fn json(&self) -> bool {
        self.json
    }

    /// Whether stdout takes colours.
    pub(crate) const fn color(&self) -> bool {
        self.color_out
    }

    /// One line of data, or several.
    pub(crate) fn line(&self, text: &str) -> Result<(), CliError> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", shown(text, self.color_out)).map_err(|error| CliError::output(&error))
    }

    /// Bytes as they are, for payloads that go to a file or a pipe.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| CliError::output(&error))
    }

    /// One JSON document.
    pub(crate) fn document(&self, value: &Value) -> Result<(), CliError> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{value:#}").map_err(|error| CliError::output(&error))
    }

    /// One JSON object of a stream, on a line of its own, seen at once.
    pub(crate) fn object(&self, value: &Value) -> Result<(), CliError> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{value}").and_then(|()| stdout.flush()).map_err(|error| CliError::output(&error))
    }

    /// Something for the person at the keyboard: progress, a next step.
    pub(crate) fn note(&self, text: &str) {
        // Nobody is there to be told where stderr is closed.
        let _ = writeln!(std::io::stderr().lock(), "{}", shown(text, false));
    }

    /// A next step, marked as one.
    pub(crate) fn next(&self, text: &str) {
        if !self.json {
            self.note(&format!("next: {text}"));
        }
    }

    /// A failure.
    pub(crate) fn error(&self, error: &CliError) {
        if error.exit == crate::exit_code::OK {
            return;
        }
        let text = if self.json { error.json().to_string() } else { self.render(error) };
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    fn render(&self, error: &CliError) -> String {
        let mut text =
            format!("{}: {}", Paint::Red.on(&format!("error[{}]", error.code), self.color_err), shown(&error.message, false));
        if let Some(at) = &error.at {
            let _ = write!(text, "\n   at: {}", shown(at, false));
        }
        let _ = write!(text, "\n help: {}", shown(&error.help, false));
        text
    }
}

/// `text` with control characters made visible; line ends and tabs stay, and with `color` our own escapes.
fn shown(text: &str, color: bool) -> Cow<'_, str> {
    let harmless = |c: char| !c.is_control() || c == '\n' || c == '\t' || (color && c == '\x1b');
    if text.chars().all(harmless) {
        return text.into();
    }
    text.chars()
        .fold(String::with_capacity(text.len() + 16), |mut out, c| {
            if harmless(c) {
                out.push(c);
            } else {
                out.extend(c.escape_unicode());
            }
            out
        })
        .into()
}

/// `text` from outside, on one line: for cells and log lines. Nothing in it can steer a terminal.
pub(crate) fn inline(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        text.chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
            .collect::<String>()
            .into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_steers_the_terminal() {
        assert_eq!(shown("a\x1b[2Jb\tc\nd\r", false), "a\\u{1b}[2Jb\tc\nd\\u{d}");
        assert_eq!(inline("a\x1b[2Jb\tc\nd"), "a\\u{1b}[2Jb\\tc\\nd");
        assert_eq!(inline("Müller"), "Müller");
    }

    #[test]
    fn colour_is_only_where_asked() {
        assert_eq!(Paint::Red.on("x", false), "x");
        assert_eq!(Paint::Red.on("x", true), "\x1b[31mx\x1b[0m");
        assert_eq!(Paint::Red.on("", true), "");
    }
}
