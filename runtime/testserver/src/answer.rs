//! Answers, before they become HTTP.

use bytes::Bytes;
use hob_model::Timestamp;
use http::header::{CONTENT_TYPE, DATE, ETAG, HeaderValue, LAST_MODIFIED, LOCATION};
use http::{Response, StatusCode};

use crate::refusal::Refusal;

/// What is answered.
#[derive(Debug)]
pub(crate) struct Answer(Response<Bytes>);

impl Answer {
    /// 200 with a body of FHIR JSON.
    pub(crate) fn json(body: Bytes) -> Self {
        let mut response = Response::new(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/fhir+json; charset=utf-8"));
        Self(response)
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self(Response::new(Bytes::new())).with_status(status)
    }

    pub(crate) fn refused(refusal: &Refusal) -> Self {
        Self::json(refusal.outcome()).with_status(refusal.status)
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        *self.0.status_mut() = status;
        self
    }

    pub(crate) fn with_etag(mut self, version: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(&format!("W/\"{version}\"")) {
            self.0.headers_mut().insert(ETAG, value);
        }
        self
    }

    pub(crate) fn with_location(mut self, url: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(url) {
            self.0.headers_mut().insert(LOCATION, value);
        }
        self
    }

    pub(crate) fn with_last_modified(mut self, at: Timestamp) -> Self {
        if let Ok(value) = HeaderValue::from_str(&http_date(at)) {
            self.0.headers_mut().insert(LAST_MODIFIED, value);
        }
        self
    }

    /// The same with this body, or with none.
    pub(crate) fn with_body(mut self, body: Option<Bytes>) -> Self {
        match body {
            Some(body) => *self.0.body_mut() = body,
            None => {
                self.0.headers_mut().remove(CONTENT_TYPE);
                *self.0.body_mut() = Bytes::new();
            }
        }
        self
    }

    pub(crate) fn response(&self) -> &Response<Bytes> {
        &self.0
    }

    pub(crate) fn into_response(mut self, date: HeaderValue) -> Response<Bytes> {
        self.0.headers_mut().insert(DATE, date);
        self.0
    }
}

fn http_date(at: Timestamp) -> String {
    at.to_utc().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The `Date` header, made once a second.
#[derive(Debug, Default)]
pub(crate) struct Dater(Option<(i64, HeaderValue)>);

impl Dater {
    pub(crate) fn at(&mut self, now: Timestamp) -> HeaderValue {
        let second = now.micros().div_euclid(1_000_000);
        match &self.0 {
            Some((known, value)) if *known == second => value.clone(),
            _ => {
                let value =
                    HeaderValue::from_str(&http_date(now)).unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
                self.0 = Some((second, value.clone()));
                value
            }
        }
    }
}
