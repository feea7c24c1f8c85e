//! Requests to somebody outside whose answer the run needs.
//!
//! Each is asked once for the run: an attempt that asks what an earlier one asked is given the same answer. The same is what has the same method, URL
//! and body, in its place among equals: put nothing random and no time into them; headers do not count. What nobody has to wait for goes to the
//! outbox instead ([`crate::Outbox`]): it is sent after the commit, and again until it is answered.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Host};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// An HTTP method.
    pub method: String,
    /// Allowed by an `[[http]]` rule of the manifest.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A POST of JSON.
    pub(crate) fn post_json(url: &str, body: &Value) -> Self {
        Self {
            method: "POST".to_owned(),
            url: url.to_owned(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }
}

/// What the receiver said, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the status is of the 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// Rejects with `json` where it is none, or of another shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct HttpError {
    /// `not-allowed` by the manifest; `refused`: it can never be sent; `too-large`: the answer is; `later`: it was not done; `unknown`: nobody knows,
    /// and it may be sent again; or a later word.
    pub code: String,
    /// What was wrong.
    pub message: String,
    /// How long the receiver asked to be left alone.
    pub retry_after: Option<Duration>,
}

/// With `?`: what another attempt can cure is a retry, the rest a reject.
impl From<HttpError> for Error {
    fn from(error: HttpError) -> Self {
        let code = format!("http-{}", error.code);
        let failed = match error.code.as_str() {
            "not-allowed" | "refused" | "too-large" => Self::reject(code, error.message),
            _ => Self::retry(code, error.message),
        };
        Self { retry_after: error.retry_after, ..failed }
    }
}

/// Requests to somebody outside whose answer the run needs.
#[derive(Clone, Copy)]
pub struct Http<'a>(pub(crate) &'a dyn Host);

impl Http<'_> {
    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    /// [`HttpError`]; an answer with any status is none.
    pub fn send(self, request: &Request) -> Result<Response, HttpError> {
        self.0.ask(request)
    }

    /// GETs.
    ///
    /// # Errors
    /// As for [`Http::send`].
    pub fn get(self, url: &str) -> Result<Response, HttpError> {
        self.send(&Request { method: "GET".to_owned(), url: url.to_owned(), headers: Vec::new(), body: Vec::new() })
    }

    /// POSTs JSON.
    ///
    /// # Errors
    /// As for [`Http::send`].
    pub fn post_json(self, url: &str, body: &Value) -> Result<Response, HttpError> {
        self.send(&Request::post_json(url, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn what_another_attempt_can_cure_is_a_retry() {
        for (code, kind) in
            [("later", Kind::Retry), ("unknown", Kind::Retry), ("not-allowed", Kind::Reject), ("refused", Kind::Reject)]
        {
            let wait = Some(Duration::from_secs(7));
            let error = Error::from(HttpError { code: code.to_owned(), message: "no".to_owned(), retry_after: wait });
            assert_eq!((error.kind, error.code, error.retry_after), (kind, format!("http-{code}"), wait));
        }
    }
}
