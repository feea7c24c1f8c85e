//! How requests prove who sends them: nothing, a fixed token, HTTP Basic, or OAuth 2.0 client credentials.
//!
//! A token is fetched by one request however many wait for it, and again a little before it runs out, so that no request is
//! sent with one that expires on its way.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hob_model::{Auth, Clock, SecretRef, Timestamp};
use http::Request;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::http::sent;
use crate::transport::{FORBIDDEN, NoAnswer, Transport};
use crate::{FhirError, FhirErrorKind};

/// A secret value; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `value`.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A source's [`Auth`] with the values of its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// None.
    None,
    /// A fixed bearer token.
    Bearer(Secret),
    /// HTTP Basic.
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// OAuth 2.0 client credentials (RFC 6749, 4.4), the secret by HTTP Basic (2.3.1).
    ClientCredentials {
        /// The token endpoint.
        token_url: String,
        /// The client's id.
        client_id: String,
        /// The client's secret.
        client_secret: Secret,
        /// Scopes to ask for.
        scope: Option<String>,
    },
}

impl Credentials {
    /// Fetches the secrets that `auth` names.
    ///
    /// # Errors
    /// Whatever `read` says of a secret that it cannot find.
    pub fn resolve<E>(auth: &Auth, mut read: impl FnMut(&SecretRef) -> Result<String, E>) -> Result<Self, E> {
        Ok(match auth {
            Auth::None => Self::None,
            Auth::Bearer { token } => Self::Bearer(Secret(read(token)?)),
            Auth::Basic { user, password } => Self::Basic { user: user.clone(), password: Secret(read(password)?) },
            Auth::ClientCredentials { token_url, client_id, client_secret, scope } => Self::ClientCredentials {
                token_url: token_url.clone(),
                client_id: client_id.clone(),
                client_secret: Secret(read(client_secret)?),
                scope: scope.clone(),
            },
        })
    }
}

/// A token is renewed this long before it ends; a token that lives shorter than twice this, at half its life.
const EARLY: Duration = Duration::from_secs(60);
/// What a token without `expires_in` is taken to live.
const UNSAID: Duration = Duration::from_secs(300);
/// A token's answer is small.
const MAX_TOKEN_ANSWER: usize = 64 * 1024;

struct Token {
    value: Secret,
    renew_at: Timestamp,
}

/// Gives the `Authorization` header of the moment.
pub(crate) struct Authorizer {
    credentials: Credentials,
    clock: Arc<dyn Clock>,
    /// For a whole exchange with the token endpoint.
    timeout: Duration,
    // Held while a token is fetched: whoever else needs one waits for that request instead of making its own.
    token: Mutex<Option<Token>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Authorizer {
    pub(crate) fn new(credentials: Credentials, clock: Arc<dyn Clock>, timeout: Duration) -> Self {
        Self { credentials, clock, timeout, token: Mutex::new(None) }
    }

    /// The header's value, or none.
    pub(crate) async fn header(&self, transport: &dyn Transport) -> Result<Option<Secret>, FhirError> {
        Ok(match &self.credentials {
            Credentials::None => None,
            Credentials::Bearer(token) => Some(bearer(token)),
            Credentials::Basic { user, password } => Some(basic(user, password)),
            Credentials::ClientCredentials { .. } => {
                let mut held = self.token.lock().await;
                if let Some(token) = held.as_ref().filter(|token| self.clock.now() < token.renew_at) {
                    return Ok(Some(bearer(&token.value)));
                }
                let token = self.fetch(transport).await?;
                let header = bearer(&token.value);
                *held = Some(token);
                Some(header)
            }
        })
    }

    /// Forgets the token that `rejected` was made of, if it still is the one held. False where there is nothing to renew.
    pub(crate) async fn renewable(&self, rejected: Option<&Secret>) -> bool {
        if !matches!(self.credentials, Credentials::ClientCredentials { .. }) {
            return false;
        }
        let mut held = self.token.lock().await;
        if held.as_ref().map(|token| bearer(&token.value)).as_ref() == rejected {
            *held = None;
        }
        true
    }

    async fn fetch(&self, transport: &dyn Transport) -> Result<Token, FhirError> {
        const WHAT: &str = "OAuth token request";
        let Credentials::ClientCredentials { token_url, client_id, client_secret, scope } = &self.credentials else {
            return Err(FhirError::new(FhirErrorKind::Unauthorized, WHAT, "no client credentials"));
        };
        let asked = self.clock.now();
        let authorization = basic(&form_encoded(client_id), &Secret(form_encoded(client_secret.reveal())));
        let request = Request::post(token_url)
            .header("authorization", authorization.reveal())
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(form(scope.as_deref())))
            .map_err(|_| FhirError::new(FhirErrorKind::Refused, WHAT, "not a request that can be sent"))?;
        let answer = match sent(transport, request, MAX_TOKEN_ANSWER, self.timeout).await {
            Ok(answer) => answer,
            // A token that was made and lost harms nobody: it is as if the endpoint could not be reached.
            Err(NoAnswer::NotSent(why) | NoAnswer::Unknown(why)) => {
                return Err(FhirError::new(FhirErrorKind::Unreachable, WHAT, why));
            }
            Err(NoAnswer::Forbidden) => return Err(FhirError::new(FhirErrorKind::Unreachable, WHAT, FORBIDDEN)),
        };
        let status = answer.status;
        if status != 200 {
            let mut error = FhirError::answered(WHAT, status, crate::http::retry_after(&answer.headers, self.clock.now()), None);
            // A wrong client id or secret is a 400 or 401 here (RFC 6749, 5.2).
            if status == 400 {
                error.kind = FhirErrorKind::Unauthorized;
            } else if error.kind == FhirErrorKind::Unavailable {
                // The FHIR request itself has not been sent yet.
                error.kind = FhirErrorKind::Unreachable;
            }
            return Err(error);
        }
        let parsed: TokenAnswer =
            serde_json::from_slice(&answer.body).map_err(|_| FhirError::protocol(WHAT, "the answer is not an RFC 6749 token"))?;
        let life = parsed.expires_in.map_or(UNSAID, Duration::from_secs);
        Ok(Token { value: Secret(parsed.access_token), renew_at: asked + life.saturating_sub(EARLY).max(life / 2) })
    }
}

fn form(scope: Option<&str>) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = scope {
        form.append_pair("scope", scope);
    }
    form.finish()
}

fn bearer(token: &Secret) -> Secret {
    Secret(format!("Bearer {}", token.reveal()))
}

fn basic(user: &str, password: &Secret) -> Secret {
    let pair = format!("{user}:{}", password.reveal());
    Secret(format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes())))
}

/// RFC 6749, 2.3.1: id and secret are form-encoded before they become user and password.
fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
