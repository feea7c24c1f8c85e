//! Why a request is no notification that Hob knows.
//!
//! An error goes to the operator's screen and to the log, so it says what, where and what to do, and never what the
//! content was: pointers are made of member names of the formats and of indices.

/// Why [`parse`](crate::parse) refused a request. The host keeps such a request as an ingress dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not POST, PUT, DELETE, or OPTIONS of the CloudEvents handshake.
    #[error("the method is none that a server notifies with: expected POST, PUT or DELETE")]
    Method,
    /// The path after the endpoint does not name a resource.
    #[error("the path after the endpoint names no resource: expected nothing or /Type/id")]
    Path,
    /// The body is not JSON, or is nested too deeply.
    #[error("the body is not JSON that can be read: {what} at line {line}, column {column}")]
    Json {
        /// Which kind of error.
        what: &'static str,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// The body is not XML, or uses what a resource has no need of (DTD, entities, deep nesting).
    #[error("the body is not XML that can be read: {what} at byte {at}")]
    Xml {
        /// What is wrong.
        what: &'static str,
        /// Offset in the body.
        at: u64,
    },
    /// A JSON object or array with nothing in it.
    #[error("the body holds nothing: expected a resource or a notification")]
    Empty,
    /// The body is JSON but no notification.
    #[error("the body is no notification: {what}, at `{at}`")]
    Shape {
        /// A JSON pointer; empty for the whole body.
        at: String,
        /// What is wrong there.
        what: &'static str,
    },
    /// A form that is known and is not meant for a rest-hook.
    #[error("{what}")]
    Unsupported {
        /// What it is and what to send instead.
        what: &'static str,
    },
    /// More events or entries than a notification may have.
    #[error("`{at}` has {found} items and may have {limit}: lower the subscription's max-count")]
    TooMany {
        /// A JSON pointer.
        at: String,
        /// How many there may be.
        limit: usize,
        /// How many there are.
        found: usize,
    },
    /// A reference, URL or id that is too long.
    #[error("the text at `{at}` is longer than {limit} bytes")]
    TooLong {
        /// A JSON pointer.
        at: String,
        /// How long it may be, in bytes.
        limit: usize,
    },
}

impl ParseError {
    /// The stable code that `hob dead` shows and the documentation lists.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Method => "notification-method",
            Self::Path => "notification-path",
            Self::Json { .. } => "notification-json",
            Self::Xml { .. } => "notification-xml",
            Self::Empty => "notification-empty",
            Self::Shape { .. } => "notification-shape",
            Self::Unsupported { .. } => "notification-unsupported",
            Self::TooMany { .. } => "notification-too-many",
            Self::TooLong { .. } => "notification-too-long",
        }
    }

    pub(crate) fn shape(at: impl Into<String>, what: &'static str) -> Self {
        Self::Shape { at: at.into(), what }
    }
}

impl From<serde_json::Error> for ParseError {
    /// Keeps the place and the category: serde's own text may quote what it read.
    fn from(error: serde_json::Error) -> Self {
        let what = match error.classify() {
            serde_json::error::Category::Eof => "it ends too early",
            // A `Value` takes every data, so all that is left is a syntax error or too deep a nesting.
            _ => "bad syntax or nested too deeply",
        };
        Self::Json { what, line: error.line(), column: error.column() }
    }
}
