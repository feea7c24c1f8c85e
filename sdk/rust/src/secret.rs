//! A secret of the manifest, which the bot as a rule does not see.

use crate::{Host, Refused};

/// How the host signs: the words of `sign` in `[secrets]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-512.
    HmacSha512,
    /// ECDSA on P-256 with SHA-256, as JWS has it.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, as JWS has it.
    Rs256,
}

impl Algorithm {
    /// The contract's word.
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

/// One secret. [`crate::Host`]'s method `secret` gives it.
#[derive(Clone, Copy)]
pub struct Secret<'a> {
    pub(crate) host: &'a dyn Host,
    pub(crate) name: &'a str,
}

impl Secret<'_> {
    /// What stands for it in URL, headers and body of requests whose rule lists it.
    ///
    /// # Errors
    /// [`Refused`] for a name that the manifest does not have.
    pub fn placeholder(self) -> Result<String, Refused> {
        self.host.placeholder(self.name)
    }

    /// The signature of `bytes` with it.
    ///
    /// # Errors
    /// [`Refused`] where the manifest does not let it sign so, or it is no key of the algorithm.
    pub fn sign(self, algorithm: Algorithm, bytes: &[u8]) -> Result<Vec<u8>, Refused> {
        self.host.sign(self.name, algorithm.as_str(), bytes)
    }

    /// Its value. Journal and log do not keep it; what the bot writes or sends does.
    ///
    /// # Errors
    /// [`Refused`] where the manifest does not say `expose = true`.
    pub fn expose(self) -> Result<String, Refused> {
        self.host.expose(self.name)
    }
}
