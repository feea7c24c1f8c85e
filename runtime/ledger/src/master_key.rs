//! The master key: it wraps the tenants' data keys and encrypts nothing else. It is never stored in the ledger.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use hob_model::Digest;
use rand::RngExt as _;

/// 256 random bits, as 64 hexadecimal digits outside. Its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; 32]);

/// What is no master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a master key is 64 hexadecimal digits (256 bits), such as `openssl rand -hex 32` prints")]
pub struct BadMasterKey;

impl MasterKey {
    /// A new one, from the operating system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self(rand::rng().random())
    }

    /// Reads 64 hexadecimal digits; white space around them is dropped.
    ///
    /// # Errors
    /// [`BadMasterKey`] where it is something else. What it was is not told.
    pub fn parse(text: &str) -> Result<Self, BadMasterKey> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).map_err(|_| BadMasterKey)?;
        bytes.try_into().map(Self).map_err(|_| BadMasterKey)
    }

    /// The 64 digits, for the file that it is kept in.
    #[must_use]
    pub fn to_hex(&self) -> String {
        HEXLOWER_PERMISSIVE.encode(&self.0)
    }

    /// Its name: says which key is meant and nothing of the key.
    #[must_use]
    pub fn id(&self) -> MasterKeyId {
        let mut digits = Digest::of_parts(&[b"hob master key", &self.0]).hex();
        digits.truncate(16);
        MasterKeyId(digits)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}…)", self.id())
    }
}

/// The name of a master key: 16 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MasterKeyId(String);

impl MasterKeyId {
    pub(crate) const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a ledger is opened with.
#[derive(Debug, Clone)]
pub struct MasterKeys {
    /// The key that the ledger is under from now on.
    pub current: MasterKey,
    /// The key that it may still be under: then its data keys are wrapped anew, in one commit.
    pub former: Option<MasterKey>,
}

impl From<MasterKey> for MasterKeys {
    fn from(current: MasterKey) -> Self {
        Self { current, former: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_never_shown() {
        let key = MasterKey::generate();
        assert_ne!(key, MasterKey::generate());
        assert_eq!(MasterKey::parse(&format!(" {}\n", key.to_hex())), Ok(key.clone()));
        assert!(!format!("{key:?}").contains(&key.to_hex()[..8]));
        for bad in ["", "00", &"g".repeat(64), &"0".repeat(66)] {
            assert_eq!(MasterKey::parse(bad), Err(BadMasterKey));
        }
    }
}
