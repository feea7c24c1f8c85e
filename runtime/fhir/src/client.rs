//! One FHIR interaction at a time (R4 `http.html`), on one source.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use hob_model::{BaseUrl, Clock, Reference, ResourceType, Timestamp, VersionId};
use http::header::IF_MATCH;
use http::{HeaderName, Method};
use serde_json::Value;
use url::Url;

use crate::http::{Answer, Call, Http};
use crate::page::{etag_version, last_reference, of_resource, url_version};
use crate::{ClientConfig, Credentials, FhirError, FhirErrorKind, Network, Page, PageLink, Transport, search};

/// One version of one resource, as the server has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned {
    /// The content, with `resourceType`, `id` and `meta.versionId`.
    pub resource: Value,
    /// `meta.versionId`, else the ETag.
    pub version: VersionId,
    /// `meta.lastUpdated`, by the server's clock.
    pub last_updated: Option<Timestamp>,
    /// The server's clock at the answer (`Date`), in whole seconds.
    pub date: Option<Timestamp>,
}

impl Versioned {
    /// Type and id.
    ///
    /// # Errors
    /// [`FhirErrorKind::Protocol`] where the content has none.
    pub fn reference(&self) -> Result<Reference, FhirError> {
        of_resource(&self.resource).ok_or_else(|| FhirError::protocol("resource", "it lacks type and id"))
    }

    pub(crate) fn of(resource: Value, etag: Option<&str>, date: Option<Timestamp>, what: &str) -> Result<Self, FhirError> {
        if of_resource(&resource).is_none() {
            return Err(FhirError::protocol(what, "a resource in the answer lacks type and id"));
        }
        let version = resource["meta"]["versionId"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .or_else(|| etag_version(etag?))
            .ok_or_else(|| FhirError::protocol(what, "a resource in the answer lacks meta.versionId"))?;
        let last_updated = resource["meta"]["lastUpdated"].as_str().and_then(Timestamp::parse);
        Ok(Self { resource, version, last_updated, date })
    }
}

/// What a single write left on the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Of what.
    pub reference: Reference,
    /// The version, where the server said it.
    pub version: Option<VersionId>,
    /// When, by the server's clock, where it said it.
    pub last_updated: Option<Timestamp>,
    /// False where it was there before: an update, or a conditional create that found a match.
    pub created: bool,
    /// The content, where the server sent it back.
    pub resource: Option<Value>,
}

struct Inner {
    base: BaseUrl,
    root: Url,
    http: Http,
}

/// A FHIR R4 server. Cheap to clone; clones share connections and token.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.0.base).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server at `base`, over the network.
    ///
    /// # Errors
    /// [`FhirErrorKind::Refused`] where the base URL or the configuration cannot be used.
    pub fn at(base: &BaseUrl, credentials: Credentials, config: ClientConfig, clock: Arc<dyn Clock>) -> Result<Self, FhirError> {
        let network = Network::new(config.connect_timeout, &config.user_agent)?;
        Self::over(Arc::new(network), base, credentials, config, clock)
    }

    /// The same over another transport. `clock` is for the life of tokens only.
    ///
    /// # Errors
    /// [`FhirErrorKind::Refused`] where the base URL cannot be used.
    pub fn over(
        transport: Arc<dyn Transport>,
        base: &BaseUrl,
        credentials: Credentials,
        config: ClientConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, FhirError> {
        let root = Url::parse(&format!("{base}/"))
            .map_err(|_| FhirError::new(FhirErrorKind::Refused, "FHIR client", "the source's base URL cannot be parsed"))?;
        let http = Http::new(transport, credentials, config, clock);
        Ok(Self(Arc::new(Inner { base: base.clone(), root, http })))
    }

    /// The server's base URL.
    #[must_use]
    pub fn base(&self) -> &BaseUrl {
        &self.0.base
    }

    /// The time by the clock that the client was given.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.http.now()
    }

    /// The base with `segments` after it. `.` and `..` are valid R4 ids, but in a URL they name another resource, or a whole type.
    fn url(&self, segments: &[&str], query: Option<&str>) -> Result<Url, FhirError> {
        if segments.iter().any(|segment| matches!(*segment, "." | "..")) {
            return Err(FhirError::new(FhirErrorKind::Invalid, "request", "an id of dots alone cannot be part of a URL"));
        }
        let mut url = self.0.root.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url.set_query(query.filter(|query| !query.is_empty()));
        Ok(url)
    }

    fn call(&self, method: Method, what: String, url: Url) -> Call {
        Call { method, url, what, body: None, headers: Vec::new() }
    }

    async fn get(&self, what: String, url: Url) -> Result<(Value, Answer), FhirError> {
        let call = self.call(Method::GET, what, url);
        let answer = self.0.http.send_read(&call).await?;
        Ok((answer.json(&call.what)?, answer))
    }

    async fn page(&self, what: &str, url: Url, headers: Vec<(HeaderName, String)>) -> Result<Page, FhirError> {
        let call = Call { headers, ..self.call(Method::GET, what.to_owned(), url) };
        let answer = self.0.http.send_read(&call).await?;
        Page::new(&self.0.base, answer.json(what)?, answer.date(), what)
    }

    /// The current version.
    ///
    /// # Errors
    /// [`FhirErrorKind::Gone`] for a deleted resource, [`FhirErrorKind::NotFound`] for one that never was, and any other.
    pub async fn read(&self, reference: &Reference) -> Result<Versioned, FhirError> {
        let what = format!("read {}", reference.resource_type);
        let (resource, answer) = self.get(what.clone(), self.url(&parts(reference), None)?).await?;
        Versioned::of(resource, answer.header("etag"), answer.date(), &what)
    }

    /// One version.
    ///
    /// # Errors
    /// As for [`Client::read`]; a version that is a delete is [`FhirErrorKind::Gone`].
    pub async fn vread(&self, reference: &Reference, version: &VersionId) -> Result<Versioned, FhirError> {
        let what = format!("vread {}", reference.resource_type);
        let [resource_type, id] = parts(reference);
        let (resource, answer) =
            self.get(what.clone(), self.url(&[resource_type, id, "_history", version.as_str()], None)?).await?;
        Versioned::of(resource, answer.header("etag"), answer.date(), &what)
    }

    /// The first page of the instance's history, newest version first; `count` is a wish for the size of pages.
    ///
    /// # Errors
    /// As for [`Client::read`]; a deleted resource has a history.
    pub async fn history(&self, reference: &Reference, count: Option<u32>) -> Result<Page, FhirError> {
        let [resource_type, id] = parts(reference);
        let query = count.map(|count| format!("_count={count}"));
        let url = self.url(&[resource_type, id, "_history"], query.as_deref())?;
        self.page(&format!("history of {resource_type}"), url, Vec::new()).await
    }

    /// The first page of the history of a type since an instant by the server's clock, newest version first.
    ///
    /// # Errors
    /// Whatever the server refuses; many have no history of types.
    pub async fn type_history(
        &self,
        resource_type: &ResourceType,
        since: Option<Timestamp>,
        count: Option<u32>,
    ) -> Result<Page, FhirError> {
        // In a block of its own: a serializer is not Sync and must not live across the request.
        let query = {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            if let Some(since) = since {
                query.append_pair("_since", &since.to_string());
            }
            if let Some(count) = count {
                query.append_pair("_count", &count.to_string());
            }
            query.finish()
        };
        let url = self.url(&[resource_type.as_str(), "_history"], Some(&query))?;
        self.page(&format!("history of all {resource_type}"), url, Vec::new()).await
    }

    /// The first page of a search. `query` is what follows the question mark, percent-encoded.
    ///
    /// # Errors
    /// [`FhirErrorKind::SearchIgnored`] where the server would return more than was asked for; whatever it refuses.
    pub async fn search(&self, resource_type: &ResourceType, query: &str) -> Result<Page, FhirError> {
        search::check(resource_type, query)?;
        let url = self.url(&[resource_type.as_str()], Some(query))?;
        let headers = vec![(PREFER, "handling=strict".to_owned())];
        let page = self.page(&format!("search {resource_type}"), url, headers).await?;
        search::compare(resource_type, query, &page.bundle)?;
        Ok(page)
    }

    /// The first page of Patient/$everything. `query` is what follows the question mark, percent-encoded.
    ///
    /// # Errors
    /// As for [`Client::read`]; [`FhirErrorKind::Invalid`] or another where the server has no such operation.
    pub async fn everything(&self, patient: &Reference, query: &str) -> Result<Page, FhirError> {
        let [resource_type, id] = parts(patient);
        let url = self.url(&[resource_type, id, "$everything"], Some(query))?;
        self.page(&format!("{resource_type}/$everything"), url, Vec::new()).await
    }

    /// The page that `link` names.
    ///
    /// # Errors
    /// As for the first page.
    pub async fn more(&self, link: &PageLink) -> Result<Page, FhirError> {
        self.page("next page", link.url().clone(), Vec::new()).await
    }

    /// Checks a link that was kept as text.
    ///
    /// # Errors
    /// [`FhirErrorKind::Refused`] where it leads outside this source.
    pub fn link(&self, text: &str) -> Result<PageLink, FhirError> {
        PageLink::new(&self.0.base, text)
    }

    /// Creates, unless `if_none_exist` (a search without type and question mark) finds something. Sent once, never repeated.
    ///
    /// # Errors
    /// Any; after [`FhirErrorKind::Lost`] and [`FhirErrorKind::Unavailable`] it may have been done.
    pub async fn create(&self, resource: &Value, if_none_exist: Option<&str>) -> Result<Stored, FhirError> {
        let resource_type = type_of(resource)?;
        let what = format!("create {resource_type}");
        let headers = if_none_exist.map(|query| (IF_NONE_EXIST, query.to_owned()));
        self.write(Method::POST, what, self.url(&[resource_type.as_str()], None)?, Some(resource), headers).await
    }

    /// Makes a new version, or creates where the server takes ids from clients. Sent once, never repeated.
    ///
    /// # Errors
    /// [`FhirErrorKind::Conflict`] where it is not at `if_match`; else as for [`Client::create`].
    pub async fn update(&self, resource: &Value, if_match: Option<&VersionId>) -> Result<Stored, FhirError> {
        let reference = of_resource(resource)
            .ok_or_else(|| FhirError::new(FhirErrorKind::Invalid, "update", "the resource lacks type and id"))?;
        let what = format!("update {}", reference.resource_type);
        let headers = if_match.map(|version| (IF_MATCH, etag(version)));
        self.write(Method::PUT, what, self.url(&parts(&reference), None)?, Some(resource), headers).await
    }

    /// Deletes. What is deleted already is no error. HAPI does not look at `if_match` here.
    ///
    /// # Errors
    /// [`FhirErrorKind::Conflict`] where it is not at `if_match`, or others refer to it; else as for [`Client::create`].
    pub async fn delete(&self, reference: &Reference, if_match: Option<&VersionId>) -> Result<(), FhirError> {
        let mut call =
            self.call(Method::DELETE, format!("delete {}", reference.resource_type), self.url(&parts(reference), None)?);
        call.headers.extend(if_match.map(|version| (IF_MATCH, etag(version))));
        match self.0.http.send(&call).await {
            Err(e) if e.kind == FhirErrorKind::Gone || e.kind == FhirErrorKind::NotFound => Ok(()),
            other => other.map(drop),
        }
    }

    /// Sends a transaction or batch, once, and gives the Bundle that came back. See [`crate::commit`] for what it means.
    ///
    /// # Errors
    /// Any; after [`FhirErrorKind::Lost`], [`FhirErrorKind::Unavailable`] and [`FhirErrorKind::Protocol`] it may have been done.
    pub async fn transaction(&self, bytes: Bytes) -> Result<Value, FhirError> {
        let mut url = self.0.root.clone();
        // Without the trailing slash, which HAPI and others take for a path of its own.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
        }
        let call = Call { body: Some(bytes), ..self.call(Method::POST, "transaction".to_owned(), url) };
        self.0.http.send(&call).await?.json(&call.what)
    }

    /// The CapabilityStatement.
    ///
    /// # Errors
    /// Any.
    pub async fn capability_statement(&self) -> Result<Value, FhirError> {
        let (statement, _) = self.get("read the CapabilityStatement".to_owned(), self.url(&["metadata"], None)?).await?;
        if statement["resourceType"] == "CapabilityStatement" {
            Ok(statement)
        } else {
            Err(FhirError::protocol("read the CapabilityStatement", "the answer is another resource"))
        }
    }

    /// `$validate`: the server's OperationOutcome on `resource`. Its text may quote patient data.
    ///
    /// # Errors
    /// Any but the finding that the resource is invalid.
    pub async fn validate(&self, resource: &Value) -> Result<Value, FhirError> {
        let resource_type = type_of(resource)?;
        let mut call =
            self.call(Method::POST, format!("validate {resource_type}"), self.url(&[resource_type.as_str(), "$validate"], None)?);
        call.body = Some(Bytes::from(resource.to_string()));
        match self.0.http.send_read(&call).await {
            Ok(answer) => answer.json(&call.what),
            // Some servers answer 412 or 422 for an invalid resource, with the same OperationOutcome.
            Err(FhirError { outcome: Some(outcome), status: Some(400..=422), .. }) => Ok(outcome),
            Err(e) => Err(e),
        }
    }

    async fn write(
        &self,
        method: Method,
        what: String,
        url: Url,
        body: Option<&Value>,
        header: Option<(HeaderName, String)>,
    ) -> Result<Stored, FhirError> {
        let mut call = self.call(method, what, url);
        call.body = body.map(|body| Bytes::from(body.to_string()));
        call.headers.extend(header);
        let answer = self.0.http.send(&call).await?;
        let resource = serde_json::from_slice::<Value>(&answer.body).ok().filter(|value| of_resource(value).is_some());
        let location = answer.header("location").or(answer.header("content-location"));
        let reference = resource
            .as_ref()
            .and_then(of_resource)
            .or_else(|| last_reference(location?))
            .or_else(|| of_resource(body?))
            .ok_or_else(|| FhirError::protocol(&call.what, "the answer does not say what was written"))?;
        let meta = resource.as_ref().map(|resource| &resource["meta"]);
        Ok(Stored {
            reference,
            version: meta
                .and_then(|meta| meta["versionId"].as_str()?.parse().ok())
                .or_else(|| etag_version(answer.header("etag")?))
                .or_else(|| url_version(location?)),
            last_updated: meta.and_then(|meta| Timestamp::parse(meta["lastUpdated"].as_str()?)),
            created: answer.status == 201,
            resource,
        })
    }
}

const PREFER: HeaderName = HeaderName::from_static("prefer");
const IF_NONE_EXIST: HeaderName = HeaderName::from_static("if-none-exist");

fn parts(reference: &Reference) -> [&str; 2] {
    [reference.resource_type.as_str(), reference.id.as_str()]
}

fn type_of(resource: &Value) -> Result<ResourceType, FhirError> {
    resource["resourceType"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| FhirError::new(FhirErrorKind::Invalid, "write", "the resource lacks resourceType"))
}

/// A version as If-Match has it (R4: a weak ETag).
pub(crate) fn etag(version: &VersionId) -> String {
    format!("W/\"{version}\"")
}
