//! Signatures with a secret that the bot does not see.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use hmac::{Hmac, KeyInit, Mac};
use hob_model::SignAlgorithm;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use sha2::{Sha256, Sha512};

/// Signs `bytes`.
///
/// # Errors
/// Where the secret is no key of the algorithm; says nothing of what it holds.
pub(crate) fn sign(algorithm: SignAlgorithm, secret: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let signed = match algorithm {
        SignAlgorithm::HmacSha256 => hmac::<Hmac<Sha256>>(secret, bytes),
        SignAlgorithm::HmacSha512 => hmac::<Hmac<Sha512>>(secret, bytes),
        SignAlgorithm::Es256 => es256(secret, bytes),
        SignAlgorithm::Rs256 => rs256(secret, bytes),
    };
    signed.ok_or_else(|| format!("it is no private key for {} (PEM, PKCS#8)", algorithm.as_str()))
}

fn hmac<M: Mac + KeyInit>(secret: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut mac = <M as KeyInit>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(bytes);
    Some(mac.finalize().into_bytes().to_vec())
}

fn es256(pem: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_pkcs8_der()).ok()?;
    Some(pair.sign(&SystemRandom::new(), bytes).ok()?.as_ref().to_vec())
}

fn rs256(pem: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
    let pair = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok()?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature).ok()?;
    Some(signature)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use data_encoding::{BASE64, HEXLOWER};

    use super::*;

    fn pem(der: &[u8]) -> String {
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(der))
    }

    /// RFC 4231, test case 2.
    #[test]
    fn hmac_is_as_the_standard_has_it() {
        let signed = |algorithm| HEXLOWER.encode(&sign(algorithm, "Jefe", b"what do ya want for nothing?").unwrap());
        assert_eq!(signed(SignAlgorithm::HmacSha256), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(
            signed(SignAlgorithm::HmacSha512),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        );
    }

    #[test]
    fn a_signature_with_a_private_key_is_good_under_its_public_one() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let key = pem(pair.to_pkcs8v1().unwrap().as_ref());
        let signed = sign(SignAlgorithm::Es256, &key, b"header.claims").unwrap();
        assert_eq!(signed.len(), 64);
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
        assert!(public.verify(b"header.claims", &signed).is_ok() && public.verify(b"header.other", &signed).is_err());

        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let rsa = pem(pair.as_der().unwrap().as_ref());
        let signed = sign(SignAlgorithm::Rs256, &rsa, b"header.claims").unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
        assert!(public.verify(b"header.claims", &signed).is_ok() && public.verify(b"header.other", &signed).is_err());

        for (algorithm, wrong) in [
            (SignAlgorithm::Es256, rsa.as_str()),
            (SignAlgorithm::Rs256, &key),
            (SignAlgorithm::Es256, "s3cret"),
            (SignAlgorithm::Rs256, ""),
        ] {
            let refused = sign(algorithm, wrong, b"x").unwrap_err();
            assert!(refused.contains(algorithm.as_str()) && (wrong.is_empty() || !refused.contains(wrong)), "{refused}");
        }
    }
}
