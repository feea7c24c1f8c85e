//! The admin API over HTTP: one request, one answer, or one error that says what to do.

use std::path::PathBuf;
use std::time::Duration;

use hob_model::{BaseUrl, TenantId};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::error::CliError;
use crate::exit_code;
use crate::output::Output;

/// How long a host may take for a call that only looks.
const QUICK: Duration = Duration::from_secs(30);
/// How long for a call that waits for a compiler or a FHIR server.
const SLOW: Duration = Duration::from_secs(600);

/// Where the admin token is found.
#[derive(Debug)]
pub(crate) enum TokenPlace {
    Env(String),
    File(PathBuf),
}

/// A host's admin API.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    host: BaseUrl,
    tenant: TenantId,
    token: String,
}

impl Client {
    pub(crate) fn new(host: BaseUrl, tenant: TenantId, token: &TokenPlace, out: &Output) -> Result<Self, CliError> {
        let token = read_token(token)?;
        let local = is_local(&host);
        if !local && host.as_str().starts_with("http://") {
            out.note("warning: the admin token goes unencrypted to a host that is not this machine; give an https URL");
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("hob/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(5))
            // A redirect would carry the token to where nobody sent it.
            .redirect(reqwest::redirect::Policy::none());
        if local {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| {
            let help = "check HTTPS_PROXY and the machine's TLS certificates";
            CliError::new(exit_code::CONFIG, "http-client", format!("no HTTP client: {}", words(error)), help)
        })?;
        Ok(Self { http, host, tenant, token })
    }

    pub(crate) const fn host(&self) -> &BaseUrl {
        &self.host
    }

    pub(crate) const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// A call under the tenant, such as `bots`; ids in `path` are of types that need no escaping.
    pub(crate) fn call(&self, method: Method, path: &str) -> Call<'_> {
        self.call_root(method, &format!("/v1/tenants/{}/{path}", self.tenant))
    }

    /// A call of the host itself, such as `/ready`.
    pub(crate) fn call_root(&self, method: Method, path: &str) -> Call<'_> {
        let place = format!("{method} {}{path}", self.host);
        let request = self.http.request(method, format!("{}{path}", self.host)).bearer_auth(&self.token);
        Call { client: self, request: request.timeout(QUICK), place }
    }
}

/// One call, being put together.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    client: &'a Client,
    request: reqwest::RequestBuilder,
    place: String,
}

impl Call<'_> {
    /// A query parameter, where it has a value.
    pub(crate) fn query(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.request = self.request.query(&[(name, value.to_string())]);
        }
        self
    }

    /// A JSON body.
    pub(crate) fn body(mut self, body: &Value) -> Self {
        self.request = self.request.json(body);
        self
    }

    /// A body of any type.
    pub(crate) fn payload(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.request = self.request.header(reqwest::header::CONTENT_TYPE, content_type).body(body);
        self
    }

    /// The host will wait this long before it answers.
    pub(crate) fn waits(mut self, span: Duration) -> Self {
        self.request = self.request.timeout(span + QUICK);
        self
    }

    /// A call that compiles, or asks a FHIR server.
    pub(crate) fn slow(mut self) -> Self {
        self.request = self.request.timeout(SLOW);
        self
    }

    /// A call that lasts for as long as there is work, and tells of it.
    pub(crate) fn endless(mut self) -> Self {
        self.request = self.request.timeout(Duration::from_secs(30 * 86_400));
        self
    }

    /// The answer as JSON; `null` where it has no body.
    pub(crate) async fn json(self) -> Result<Value, CliError> {
        let answer = self.send().await?;
        let place = answer.place;
        let bytes = answer.response.bytes().await.map_err(|error| broken(error, &place))?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|_| not_ours(&place))
    }

    /// The answer, once its status says that it is one.
    pub(crate) async fn send(self) -> Result<Answer, CliError> {
        let Self { client, request, place } = self;
        let response = request.send().await.map_err(|error| unreachable(error, client.host(), &place))?;
        let status = response.status();
        if status.is_success() {
            return Ok(Answer { response, place });
        }
        let body = response.bytes().await.unwrap_or_default();
        Err(refused(status, &serde_json::from_slice(&body).unwrap_or(Value::Null), &place))
    }
}

/// A good answer whose body is still to come.
#[derive(Debug)]
pub(crate) struct Answer {
    response: reqwest::Response,
    place: String,
}

impl Answer {
    /// A header of it.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.response.headers().get(name)?.to_str().ok().map(str::to_owned)
    }

    /// The next piece of a body that is no text; `None` at its end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Vec<u8>>, CliError> {
        let piece = self.response.chunk().await.map_err(|error| broken(error, &self.place))?;
        Ok(piece.map(|piece| piece.to_vec()))
    }

    /// Gives each line of NDJSON to `each`, as it comes.
    pub(crate) async fn lines(mut self, mut each: impl FnMut(Value) -> Result<(), CliError>) -> Result<(), CliError> {
        /// The longest line that a host writes is a capability report.
        const LONGEST: usize = 1 << 20;
        let mut rest: Vec<u8> = Vec::new();
        let take = |line: &[u8], each: &mut dyn FnMut(Value) -> Result<(), CliError>| {
            if line.trim_ascii().is_empty() {
                return Ok(());
            }
            each(serde_json::from_slice(line).map_err(|_| not_ours(&self.place))?)
        };
        while let Some(chunk) = self.response.chunk().await.map_err(|error| broken(error, &self.place))? {
            rest.extend_from_slice(&chunk);
            while let Some(end) = rest.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                take(&line, &mut each)?;
            }
            if rest.len() > LONGEST {
                return Err(not_ours(&self.place));
            }
        }
        take(&rest, &mut each)
    }
}

fn read_token(place: &TokenPlace) -> Result<String, CliError> {
    let missing = |message: String| {
        let help = "set HOB_ADMIN_TOKEN, or say where it is with --token-env NAME or --token-file PATH; it is what `admin-token` in hob.toml names";
        CliError::new(exit_code::CONFIG, "no-token", message, help)
    };
    let token = match place {
        TokenPlace::Env(name) => {
            std::env::var(name).map_err(|_| missing(format!("no admin token: the environment has no `{name}`")))?
        }
        TokenPlace::File(path) => std::fs::read_to_string(path).map_err(|error| CliError::unreadable(path, &error))?,
    };
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(missing("the admin token is empty, or has characters that no token has".to_owned()));
    }
    Ok(token.to_owned())
}

fn is_local(host: &BaseUrl) -> bool {
    let authority = host.as_str().split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let name = authority
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(authority, |(name, _)| name);
    let name = name.trim_matches(['[', ']']);
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What reqwest says and why, without the URL: a query may hold what is nobody's business.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let text = cause.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

fn unreachable(error: reqwest::Error, host: &BaseUrl, place: &str) -> CliError {
    if error.is_timeout() && !error.is_connect() {
        let help = "see `hob status` and the host's log; the call may have taken effect";
        return CliError::new(exit_code::UNAVAILABLE, "host-slow", "the host did not answer in time", help).at(place);
    }
    if error.is_connect() {
        let help = "start a host with `hob serve`, or name a running one with --host URL (or HOB_HOST): its `admin` address";
        return CliError::new(exit_code::UNAVAILABLE, "host-unreachable", format!("no host answers: {}", words(error)), help)
            .at(host);
    }
    broken(error, place)
}

fn broken(error: reqwest::Error, place: &str) -> CliError {
    let help = "see the host's log; the call may have taken effect";
    CliError::new(exit_code::UNAVAILABLE, "host-broken-off", format!("the answer broke off: {}", words(error)), help).at(place)
}

fn not_ours(place: &str) -> CliError {
    let help = "--host must name the `admin` address of a host (not `listen`), of the same version as this hob: see `hob --version` and `hob status --json`";
    CliError::new(exit_code::PROTOCOL, "answer-unknown", "the answer is not one of Hob's admin API", help).at(place)
}

/// An answer that has another shape than docs/admin-api.md says.
pub(crate) fn unknown_shape(error: &serde_json::Error) -> CliError {
    // serde's text may quote the value, which may be a patient's: only what it says of keys is shown.
    let text = error.to_string();
    let what = if text.starts_with("missing field") { text } else { "a value is of another type".to_owned() };
    let message = format!("the answer has an unknown shape: {what}");
    CliError::new(
        exit_code::PROTOCOL,
        "answer-unknown",
        message,
        "use the hob of the host's version, or --json, which shows the answer as it is",
    )
}

/// An answer of the right shape whose content makes no sense.
pub(crate) fn unanswerable(what: &str) -> CliError {
    let help = "use the hob of the host's version, or --json, which shows the answer as it is";
    CliError::new(exit_code::PROTOCOL, "answer-unknown", format!("the answer cannot be used: {what}"), help)
}

/// The error that a body tells, as docs/admin-api.md has it.
pub(crate) fn told(body: &Value) -> Option<CliError> {
    let text = |key: &str| body.get("error")?.get(key)?.as_str();
    let help = text("help").filter(|help| !help.is_empty()).unwrap_or("see the host's log");
    Some(CliError::new(exit_code::FAILURE, text("code")?, text("message")?, help))
}

fn refused(status: StatusCode, body: &Value, place: &str) -> CliError {
    let exit = match status.as_u16() {
        401 | 403 => exit_code::DENIED,
        404 => exit_code::NOT_FOUND,
        429 | 502..=504 => exit_code::UNAVAILABLE,
        _ => exit_code::FAILURE,
    };
    if exit == exit_code::DENIED {
        let help =
            "give the token that `admin-token` in the host's hob.toml names, by HOB_ADMIN_TOKEN, --token-env or --token-file";
        return CliError::new(exit, "denied", "the host refused the admin token", help).at(place);
    }
    match told(body) {
        Some(error) => CliError { exit, ..error }.at(place),
        None if status.is_server_error() => {
            let help = "see the host's log; `hob status` says whether it is ready";
            CliError::new(exit_code::UNAVAILABLE, "host-failed", format!("the host answered {status}"), help).at(place)
        }
        None => CliError { message: format!("the answer {status} is not one of Hob's admin API"), ..not_ours(place) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_local() {
        for host in ["http://127.0.0.1:8401", "http://localhost", "http://[::1]:8401/x", "http://127.1.2.3"] {
            assert!(is_local(&BaseUrl::new(host).unwrap()), "{host}");
        }
        for host in ["http://10.0.0.1:8401", "http://localhost.example.org", "http://127.0.0.1.example.org:1", "https://hob:8401"]
        {
            assert!(!is_local(&BaseUrl::new(host).unwrap()), "{host}");
        }
    }
}
