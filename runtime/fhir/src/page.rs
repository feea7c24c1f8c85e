//! Bundles of a search or a history: their entries, and links that lead nowhere but to the source.

use std::fmt;

use hob_model::{BaseUrl, Interaction, Reference, Timestamp, VersionId};
use serde_json::Value;
use url::Url;

use crate::{FhirError, FhirErrorKind, Versioned};

/// A server's link to a further page, checked to lie below the source's base URL. Not printed: it may hold search values.
#[derive(Clone, PartialEq, Eq)]
pub struct PageLink(Url);

impl PageLink {
    /// Checks `link` against `base`: same scheme, host and port, and a path at or below it. A relative link is taken from the base.
    ///
    /// # Errors
    /// [`FhirErrorKind::Refused`] for a link that leads elsewhere: following it would hand credentials and patient data to
    /// whoever the answer names.
    pub fn new(base: &BaseUrl, link: &str) -> Result<Self, FhirError> {
        const WHAT: &str = "next page";
        let root = Url::parse(&format!("{base}/"))
            .map_err(|_| FhirError::new(FhirErrorKind::Refused, WHAT, "the source's base URL cannot be parsed"))?;
        let url = root.join(link).map_err(|_| FhirError::protocol(WHAT, "the server's link is not a URL"))?;
        let below = url.path().starts_with(root.path()) || url.path() == root.path().trim_end_matches('/');
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if url.origin() == root.origin() && url.origin().is_tuple() && below && plain {
            Ok(Self(url))
        } else {
            Err(FhirError::new(FhirErrorKind::Refused, WHAT, "the server's link leads outside the source's base URL"))
        }
    }

    /// The whole URL, to be kept and given to [`crate::Client::link`] later. Holds search values: not for logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for PageLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageLink(…)")
    }
}

/// One page of a search or a history.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The Bundle, as it came.
    pub bundle: Value,
    /// The page after it.
    pub next: Option<PageLink>,
    /// The server's clock at the answer (`Date`), in whole seconds.
    pub date: Option<Timestamp>,
}

/// One version in a history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// Of what.
    pub reference: Reference,
    /// Which version; a delete has one too.
    pub version: VersionId,
    /// How it came to be.
    pub interaction: Interaction,
    /// When, by the server's clock. HAPI does not say it of deletes.
    pub last_updated: Option<Timestamp>,
    /// The content; none for a delete.
    pub resource: Option<Value>,
}

impl Page {
    pub(crate) fn new(base: &BaseUrl, bundle: Value, date: Option<Timestamp>, what: &str) -> Result<Self, FhirError> {
        if bundle["resourceType"] != "Bundle" {
            return Err(FhirError::protocol(what, "the answer is not a Bundle"));
        }
        let next = link(&bundle, "next").map(|link| PageLink::new(base, link)).transpose()?;
        Ok(Self { bundle, next, date })
    }

    /// How many there are on all pages, as the server says.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.bundle["total"].as_u64()
    }

    fn entries(&self) -> impl Iterator<Item = &Value> {
        self.bundle["entry"].as_array().into_iter().flatten()
    }

    /// What a search found on this page: neither what `_include` brought along nor the server's remarks.
    ///
    /// # Errors
    /// [`FhirErrorKind::Protocol`] where an entry lacks type, id or version.
    pub fn matches(&self) -> Result<Vec<Versioned>, FhirError> {
        self.entries()
            .filter(|entry| !matches!(entry["search"]["mode"].as_str(), Some("include" | "outcome")))
            .map(|entry| Versioned::of(entry["resource"].clone(), None, self.date, "search"))
            .collect()
    }

    /// The versions on this page of a history, newest first, as the server gives them (R4 `http.html#history`).
    ///
    /// # Errors
    /// [`FhirErrorKind::Protocol`] where an entry does not say which version of what it is.
    pub fn history(&self) -> Result<Vec<HistoryEntry>, FhirError> {
        self.entries().map(history_entry).collect()
    }
}

pub(crate) fn link<'a>(bundle: &'a Value, relation: &str) -> Option<&'a str> {
    let links = bundle["link"].as_array()?;
    links.iter().find(|link| link["relation"] == relation)?["url"].as_str()
}

fn history_entry(entry: &Value) -> Result<HistoryEntry, FhirError> {
    let lacks = |part| FhirError::protocol("history", format_args!("an entry lacks {part}"));
    let (request, response, resource) = (&entry["request"], &entry["response"], &entry["resource"]);
    // HAPI gives deletes no resource; their id is in the request's URL with the version, and in fullUrl without.
    let named = of_resource(resource)
        .or_else(|| last_reference(request["url"].as_str()?))
        .or_else(|| last_reference(entry["fullUrl"].as_str()?));
    let reference = named.ok_or_else(|| lacks("type and id"))?;
    let version = resource["meta"]["versionId"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .or_else(|| etag_version(response["etag"].as_str()?))
        .or_else(|| url_version(request["url"].as_str()?))
        .or_else(|| url_version(response["location"].as_str()?))
        .ok_or_else(|| lacks("a version"))?;
    let method = request["method"].as_str().unwrap_or_default();
    let created = method == "POST" || response["status"].as_str().is_some_and(|status| status.starts_with("201"));
    let interaction = if method == "DELETE" || !resource.is_object() {
        Interaction::Delete
    } else if created {
        Interaction::Create
    } else {
        Interaction::Update
    };
    let last_updated = resource["meta"]["lastUpdated"].as_str().or(response["lastModified"].as_str()).and_then(Timestamp::parse);
    let resource = if interaction == Interaction::Delete { None } else { Some(resource.clone()) };
    Ok(HistoryEntry { reference, version, interaction, last_updated, resource })
}

/// Type and id of a resource.
pub(crate) fn of_resource(resource: &Value) -> Option<Reference> {
    let resource_type = resource["resourceType"].as_str()?.parse().ok()?;
    Some(Reference { resource_type, id: resource["id"].as_str()?.parse().ok()? })
}

/// `Type/id` at the end of a URL, before `/_history/…`.
pub(crate) fn last_reference(url: &str) -> Option<Reference> {
    let path = url.split(['?', '#']).next()?;
    let path = path.split_once("/_history").map_or(path, |(before, _)| before);
    let mut segments = path.trim_end_matches('/').rsplit('/');
    let (id, resource_type) = (segments.next()?, segments.next()?);
    Some(Reference { resource_type: resource_type.parse().ok()?, id: id.parse().ok()? })
}

/// The version that a URL names after `/_history/`.
pub(crate) fn url_version(url: &str) -> Option<VersionId> {
    let (_, version) = url.split_once("/_history/")?;
    version.split(['?', '#', '/']).next()?.parse().ok()
}

/// The version in an ETag: `W/"3"`, and bare `3` as HAPI writes it in a transaction's answer.
pub(crate) fn etag_version(etag: &str) -> Option<VersionId> {
    etag.trim().trim_start_matches("W/").trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn links_stay_below_the_base() {
        let base = BaseUrl::new("https://fhir.example:8443/r4").unwrap();
        for good in [
            "https://fhir.example:8443/r4?_getpages=1",
            "https://fhir.example:8443/r4/Patient?page=2",
            "Patient?page=2",
            "https://fhir.example:8443/r4/Patient/_history?_offset=2",
        ] {
            assert!(PageLink::new(&base, good).is_ok(), "{good}");
        }
        for bad in [
            "http://fhir.example:8443/r4/Patient",
            "https://fhir.example/r4/Patient",
            "https://fhir.example:8443/r4x/Patient",
            "https://fhir.example:8443/r4/../admin",
            "https://fhir.example:8443/r4/%2e%2e/admin",
            "https://evil.example:8443/r4/Patient",
            "https://fhir.example:8443@evil.example/r4/Patient",
            "https://user:pw@fhir.example:8443/r4/Patient",
            "//evil.example/r4/Patient",
            "/admin",
            "file:///r4/Patient",
            "data:,x",
        ] {
            let error = PageLink::new(&base, bad).unwrap_err();
            assert_eq!(error.kind, FhirErrorKind::Refused, "{bad}");
            assert!(!error.to_string().contains("example"), "{error}");
        }
    }

    #[test]
    fn reads_a_history_as_hapi_writes_it() {
        let bundle = json!({"resourceType": "Bundle", "type": "history", "entry": [
            {"fullUrl": "http://h/fhir/Patient/1", "request": {"method": "DELETE", "url": "Patient/1/_history/3"},
             "response": {"status": "200 OK", "etag": "W/\"3\""}},
            {"fullUrl": "http://h/fhir/Patient/1",
             "resource": {"resourceType": "Patient", "id": "1", "meta": {"versionId": "2", "lastUpdated": "2026-11-22T05:35:26.149+00:00"}},
             "request": {"method": "PUT", "url": "Patient/1/_history/2"}, "response": {"status": "200 OK", "etag": "W/\"2\""}},
            {"fullUrl": "http://h/fhir/Patient/1",
             "resource": {"resourceType": "Patient", "id": "1", "meta": {"versionId": "1"}},
             "request": {"method": "PUT", "url": "Patient/1"}, "response": {"status": "201 Created", "etag": "W/\"1\""}}]});
        let base = BaseUrl::new("http://h/fhir").unwrap();
        let entries = Page::new(&base, bundle, None, "history").unwrap().history().unwrap();
        let seen: Vec<_> = entries.iter().map(|e| (e.version.as_str(), e.interaction, e.resource.is_some())).collect();
        assert_eq!(seen, [("3", Interaction::Delete, false), ("2", Interaction::Update, true), ("1", Interaction::Create, true)]);
        assert!(entries.iter().all(|entry| entry.reference.to_string() == "Patient/1"));
        assert_eq!(entries[1].last_updated, Timestamp::parse("2026-11-22T05:35:26.149Z"));
    }

    proptest! {
        #[test]
        fn an_accepted_link_has_the_base_before_it(link in "(https?:)?/{0,2}[a-z0-9./%@:?#_-]{0,40}") {
            let base = BaseUrl::new("http://a.b/fhir").unwrap();
            if let Ok(page) = PageLink::new(&base, &link) {
                prop_assert!(page.as_str() == "http://a.b/fhir" || page.as_str().starts_with("http://a.b/fhir/") || page.as_str().starts_with("http://a.b/fhir?"));
            }
        }

        #[test]
        fn reading_entries_never_panics(url in ".*", etag in ".*") {
            let _ = (last_reference(&url), url_version(&url), etag_version(&etag));
        }
    }
}
