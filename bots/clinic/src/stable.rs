//! A hash that is the same in every run, release and language.
//!
//! The standard library's hasher is neither stable across versions nor meant to be, and a choice between two equal
//! practitioners must come out the same on a replay. SHA-256 is slower than needed and settles every question about its spread.

use sha2::{Digest, Sha256};

/// The first eight bytes of SHA-256 over the parts, each preceded by its length so that ("ab","c") differs from ("a","bc").
pub(crate) fn hash(parts: &[&str]) -> u64 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    digest.iter().take(8).fold(0u64, |n, b| (n << 8) | u64::from(*b))
}

/// SHA-256 of a text as lower-case hexadecimal.
pub(crate) fn sha256_hex(text: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(text.as_bytes());
    hasher.finalize().iter().fold(String::with_capacity(64), |mut out, byte| {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::{hash, sha256_hex};

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_eq!(hash(&["t1", "p1"]), hash(&["t1", "p1"]));
    }

    #[test]
    fn sha256_is_the_published_one() {
        assert_eq!(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
