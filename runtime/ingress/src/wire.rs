//! A captured HTTP request.

use std::fmt;

use bytes::Bytes;
use hob_model::VersionId;

use crate::{Focus, ParseError};

/// One HTTP request to an endpoint, as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct WireRequest {
    /// In capitals, as HTTP has it.
    pub method: String,
    /// What follows the endpoint in the path: nothing, or `/Patient/1`. Without query.
    pub path_rest: String,
    /// Names and values in the order of the wire; names in any case, and maybe several times.
    pub headers: Vec<(String, String)>,
    /// The raw bytes, not compressed.
    pub body: Bytes,
}

impl WireRequest {
    /// The first value of the header `name`, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Every value of the header `name`.
    pub(crate) fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The version that `If-Match: W/"…"` names.
    pub(crate) fn if_match(&self) -> Option<VersionId> {
        etag(self.header("if-match")?)
    }

    /// The resource that the path names, `None` where nothing follows the endpoint.
    ///
    /// # Errors
    /// [`ParseError::Path`] where something else follows.
    pub(crate) fn target(&self) -> Result<Option<(Focus, Option<VersionId>)>, ParseError> {
        let rest = self.path_rest.trim_matches('/');
        if rest.is_empty() {
            return Ok(None);
        }
        let segments = rest.split('/').count();
        if !(segments == 2 || segments == 4) {
            return Err(ParseError::Path);
        }
        match Focus::parse(rest) {
            Some((focus @ Focus::Literal { .. }, version)) => Ok(Some((focus, version))),
            _ => Err(ParseError::Path),
        }
    }
}

impl fmt::Debug for WireRequest {
    /// Says the method and how much there is: path, headers and body hold patient data and secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, headers, body) = (&self.method, self.headers.len(), self.body.len());
        write!(f, "WireRequest({method:?}, {headers} headers, {body} bytes)")
    }
}

/// The version in an entity tag: `W/"3"`, `"3"`, or HAPI's bare `3`.
pub(crate) fn etag(text: &str) -> Option<VersionId> {
    let text = text.trim();
    let text = text.strip_prefix("W/").unwrap_or(text);
    VersionId::new(text.trim_matches('"')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> WireRequest {
        WireRequest {
            method: "PUT".into(),
            path_rest: path.into(),
            headers: vec![("if-MATCH".into(), "W/\"7\"".into())],
            body: Bytes::new(),
        }
    }

    #[test]
    fn a_path_names_a_resource_or_nothing() {
        let named = |path: &str| request(path).target().map(|found| found.map(|(focus, _)| focus.to_string()));
        assert_eq!(named(""), Ok(None));
        assert_eq!(named("/"), Ok(None));
        assert_eq!(named("/Patient/a.b-1"), Ok(Some("Patient/a.b-1".into())));
        for bad in ["/Patient", "/patient/1", "/a/Patient/1", "/Patient/1/2", "/Patient/../1", "/Patient/%20"] {
            assert_eq!(named(bad), Err(ParseError::Path), "{bad}");
        }
        assert_eq!(request("/Task/1/_history/3").target().unwrap().unwrap().1.unwrap().as_str(), "3");
    }

    #[test]
    fn debug_output_tells_nothing() {
        let printed = format!("{:?}", request("/Patient/secret"));
        assert_eq!(printed, "WireRequest(\"PUT\", 1 headers, 0 bytes)");
    }

    #[test]
    fn header_names_have_no_case() {
        assert_eq!(request("").if_match().unwrap().as_str(), "7");
        assert_eq!(etag("1").unwrap().as_str(), "1");
        assert_eq!(etag("W/\"\""), None);
    }
}
