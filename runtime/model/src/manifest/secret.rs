//! `[secrets]`: where the host finds each, and what it may be used for beside the requests whose `[[http]]` rule lists it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SecretRef;

/// One secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Raw", into = "Raw")]
#[schemars(with = "Raw")]
pub struct SecretSpec {
    /// `env` or `file`: where the host finds it.
    pub from: SecretRef,
    /// `sign`: how the bot may have bytes signed with it. One key serves one algorithm.
    pub sign: Option<SignAlgorithm>,
    /// `expose`: whether the bot may have the value itself.
    pub expose: bool,
}

/// How bytes are signed. The words are the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignAlgorithm {
    /// HMAC with SHA-256 (RFC 2104); the key is the secret's text.
    HmacSha256,
    /// HMAC with SHA-512.
    HmacSha512,
    /// ECDSA on P-256 with SHA-256, `r` and `s` as JWS has them (RFC 7518, 3.4); the secret is a private key in PEM, PKCS#8.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, 3.3); the secret is a private key in PEM, PKCS#8.
    Rs256,
}

impl SignAlgorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::HmacSha256, Self::HmacSha512, Self::Es256, Self::Rs256];

    /// The word that the manifest and the contract have for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha512 => "hmac-sha512",
            Self::Es256 => "es256",
            Self::Rs256 => "rs256",
        }
    }
}

/// A secret, as TOML and JSON have it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["env"] }, { "required": ["file"] }]))]
struct Raw {
    /// The variable of the host's environment that holds it: `HOB_SECRET_TENANT__NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    env: Option<String>,
    /// The file that holds it, below the host's folder of the tenant's secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    file: Option<String>,
    /// How the bot may have bytes signed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SignAlgorithm")]
    sign: Option<SignAlgorithm>,
    /// Whether the bot may have the value itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    expose: bool,
}

impl TryFrom<Raw> for SecretSpec {
    type Error = &'static str;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        let from = match (raw.env, raw.file) {
            (Some(name), None) => SecretRef::Env(name),
            (None, Some(path)) => SecretRef::File(path),
            _ => return Err("give one of env and file"),
        };
        Ok(Self { from, sign: raw.sign, expose: raw.expose })
    }
}

impl From<SecretSpec> for Raw {
    fn from(spec: SecretSpec) -> Self {
        let (env, file) = match spec.from {
            SecretRef::Env(name) => (Some(name), None),
            SecretRef::File(path) => (None, Some(path)),
        };
        Self { env, file, sign: spec.sign, expose: spec.expose }
    }
}
