//! Whether a request comes from the source that it claims.
//!
//! Locking: none; a [`Verifier`] is made once for each source and read by all.
//!
//! Secrets are compared in constant time: the path and the header by their digests, so that not even the length shows, and
//! HMAC by the library's own comparison. None of these protects against replay: the identity of changes does.
//! An outsider must not learn what was wrong, so the host answers every [`AuthError`] in the same way as an unknown source.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit, Mac};
use hob_model::Inbound;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::WireRequest;

/// Why a request is not authentic, or cannot be found to be. For the operator; the outsider gets no detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The request bears no credential of the kind that the source uses.
    #[error("the request has no credential of the kind that the source was added with")]
    Missing,
    /// It bears one, and it is wrong.
    #[error("the request's credential is wrong")]
    Wrong,
    /// The source's own secret is empty, which would let everybody in.
    #[error("the source's secret is empty: set it before notifications can be taken")]
    EmptySecret,
}

impl AuthError {
    /// The stable code for logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "auth-missing",
            Self::Wrong => "auth-wrong",
            Self::EmptySecret => "auth-empty-secret",
        }
    }
}

enum Check {
    Path { digest: [u8; 32] },
    Header { name: String, digest: [u8; 32] },
    Hmac { header: String, key: Hmac<Sha256> },
}

/// Knows how one source authenticates its notifications, its secret resolved.
pub struct Verifier(Check);

impl Verifier {
    /// For a source's `inbound`, whose secret has the value `secret`.
    ///
    /// # Errors
    /// [`AuthError::EmptySecret`].
    pub fn new(inbound: &Inbound, secret: &[u8]) -> Result<Self, AuthError> {
        if secret.is_empty() {
            return Err(AuthError::EmptySecret);
        }
        Ok(Self(match inbound {
            Inbound::Path { .. } => Check::Path { digest: digest(secret) },
            Inbound::Header { name, .. } => Check::Header { name: name.clone(), digest: digest(secret.trim_ascii()) },
            Inbound::Hmac { header, .. } => Check::Hmac { header: header.clone(), key: key(secret)? },
        }))
    }

    /// Whether the endpoint's path bears the secret, so that the host knows to take a segment for it.
    #[must_use]
    pub const fn in_path(&self) -> bool {
        matches!(self.0, Check::Path { .. })
    }

    /// Checks `request`; `path_secret` is the segment of the endpoint's path that bears the secret, where there is one.
    ///
    /// # Errors
    /// [`AuthError::Missing`], [`AuthError::Wrong`].
    pub fn verify(&self, request: &WireRequest, path_secret: Option<&str>) -> Result<(), AuthError> {
        match &self.0 {
            Check::Path { digest } => some(path_secret.map(|given| same(given, digest)).into_iter()),
            Check::Header { name, digest } => some(request.header_values(name).map(|given| same(given, digest))),
            Check::Hmac { header, key } => some(request.header_values(header).map(|given| signed(key, &request.body, given))),
        }
    }
}

impl fmt::Debug for Verifier {
    /// Says the kind alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Check::Path { .. } => "Verifier(path)",
            Check::Header { .. } => "Verifier(header)",
            Check::Hmac { .. } => "Verifier(hmac)",
        })
    }
}

/// Looks at all that was given, also after one fits.
fn some(given: impl Iterator<Item = Choice>) -> Result<(), AuthError> {
    let mut found = None;
    for fits in given {
        found = Some(found.unwrap_or_else(|| Choice::from(0)) | fits);
    }
    match found {
        None => Err(AuthError::Missing),
        Some(fits) if bool::from(fits) => Ok(()),
        Some(_) => Err(AuthError::Wrong),
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn same(given: &str, digest_of_secret: &[u8; 32]) -> Choice {
    digest(given.as_bytes()).ct_eq(digest_of_secret)
}

fn key(secret: &[u8]) -> Result<Hmac<Sha256>, AuthError> {
    // HMAC takes a key of any length, so this cannot fail; were it to, nobody would get in.
    Hmac::new_from_slice(secret).map_err(|_| AuthError::EmptySecret)
}

/// `given` is bare hex (Medplum's `X-Signature`) or `sha256=hex` (`X-Hub-Signature`), in either case.
fn signed(key: &Hmac<Sha256>, body: &[u8], given: &str) -> Choice {
    let hex = match given.split_once('=') {
        Some((method, hex)) if method.eq_ignore_ascii_case("sha256") => hex,
        _ => given,
    };
    let Ok(code) = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()) else {
        return Choice::from(0);
    };
    let mut mac = key.clone();
    mac.update(body);
    Choice::from(u8::from(mac.verify_slice(&code).is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hob_model::SecretRef;
    use proptest::prelude::*;

    fn secret() -> SecretRef {
        SecretRef::Env("X".into())
    }

    fn request(headers: &[(&str, &str)], body: &[u8]) -> WireRequest {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        WireRequest { method: "POST".into(), path_rest: String::new(), headers, body: bytes::Bytes::copy_from_slice(body) }
    }

    fn hmac_verifier() -> Verifier {
        Verifier::new(&Inbound::Hmac { header: "X-Signature".into(), secret: secret() }, b"key").unwrap()
    }

    fn sign(body: &[u8]) -> String {
        let mut mac = key(b"key").unwrap();
        mac.update(body);
        HEXLOWER_PERMISSIVE.encode(&mac.finalize().into_bytes())
    }

    #[test]
    fn known_answer() {
        // RFC 4231 has no case for this key; the value is OpenSSL's for the well-known pangram.
        assert_eq!(
            sign(b"The quick brown fox jumps over the lazy dog"),
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
        );
    }

    #[test]
    fn path_and_header() {
        let path = Verifier::new(&Inbound::Path { secret: secret() }, b"s3").unwrap();
        let nothing = request(&[], b"");
        assert_eq!(path.verify(&nothing, Some("s3")), Ok(()));
        assert_eq!(path.verify(&nothing, Some("s")), Err(AuthError::Wrong));
        assert_eq!(path.verify(&nothing, None), Err(AuthError::Missing));

        let header = Inbound::Header { name: "Authorization".into(), value: secret() };
        let header = Verifier::new(&header, b"Bearer x").unwrap();
        assert_eq!(header.verify(&request(&[("authorization", "Bearer x")], b""), None), Ok(()));
        assert_eq!(header.verify(&request(&[("authorization", "Bearer y")], b""), None), Err(AuthError::Wrong));
        assert_eq!(header.verify(&nothing, None), Err(AuthError::Missing));
        assert_eq!(Verifier::new(&Inbound::Path { secret: secret() }, b"").unwrap_err(), AuthError::EmptySecret);
        assert_eq!(format!("{header:?}"), "Verifier(header)");
    }

    proptest! {
        #[test]
        fn both_styles_verify_and_any_flipped_bit_does_not(body in proptest::collection::vec(any::<u8>(), 1..200), at in any::<usize>(), bit in 0_u8..8) {
            let verifier = hmac_verifier();
            let hex = sign(&body);
            for given in [hex.clone(), format!("sha256={hex}"), hex.to_uppercase()] {
                prop_assert_eq!(verifier.verify(&request(&[("x-signature", &given)], &body), None), Ok(()));
            }
            let mut flipped = body;
            let at = at % flipped.len();
            flipped[at] ^= 1 << bit;
            prop_assert_eq!(verifier.verify(&request(&[("x-signature", &hex)], &flipped), None), Err(AuthError::Wrong));
        }

        #[test]
        fn no_other_text_is_a_signature(given in ".*") {
            prop_assert!(hmac_verifier().verify(&request(&[("x-signature", &given)], b"x"), None).is_err());
        }
    }
}
