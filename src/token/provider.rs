//! ring as the back end of jsonwebtoken: signatures are verified, none is made.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use ring::{error::Unspecified, hmac};

static PROVIDER: CryptoProvider =
    CryptoProvider { signer_factory: no_signer, verifier_factory: verifier, key_utils: KeyUtils::new_unimplemented() };

/// Makes ring the back end of jsonwebtoken in this process. Must be called before a token is decoded.
pub(super) fn install() {
    // A second call changes nothing, and nothing else in this program installs another one.
    let _there_already = PROVIDER.install_default();
}

fn no_signer(_algorithm: &Algorithm, _key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    if algorithm.family() != key.family() {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(RingVerifier { algorithm: *algorithm, key: key.clone() }))
}

/// Verifies the signatures of a key by an algorithm.
struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl RingVerifier {
    fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), Unspecified> {
        match self.algorithm {
            Algorithm::HS256 => self.check_secret(hmac::HMAC_SHA256, message, signature),
            Algorithm::HS384 => self.check_secret(hmac::HMAC_SHA384, message, signature),
            Algorithm::HS512 => self.check_secret(hmac::HMAC_SHA512, message, signature),
            Algorithm::ES256 => self.check_key(&ECDSA_P256_SHA256_FIXED, message, signature),
            Algorithm::ES384 => self.check_key(&ECDSA_P384_SHA384_FIXED, message, signature),
            Algorithm::EdDSA => self.check_key(&ED25519, message, signature),
            Algorithm::RS256 => self.check_rsa(&RSA_PKCS1_2048_8192_SHA256, message, signature),
            Algorithm::RS384 => self.check_rsa(&RSA_PKCS1_2048_8192_SHA384, message, signature),
            Algorithm::RS512 => self.check_rsa(&RSA_PKCS1_2048_8192_SHA512, message, signature),
            Algorithm::PS256 => self.check_rsa(&RSA_PSS_2048_8192_SHA256, message, signature),
            Algorithm::PS384 => self.check_rsa(&RSA_PSS_2048_8192_SHA384, message, signature),
            Algorithm::PS512 => self.check_rsa(&RSA_PSS_2048_8192_SHA512, message, signature),
            // A later release of jsonwebtoken may know more; the config accepts none of them.
            _ => Err(Unspecified),
        }
    }

    /// Compares in a time that does not depend on the place of the first wrong byte.
    fn check_secret(&self, hash: hmac::Algorithm, message: &[u8], signature: &[u8]) -> Result<(), Unspecified> {
        hmac::verify(&hmac::Key::new(hash, self.bytes()?), message, signature)
    }

    fn check_key(
        &self,
        algorithm: &'static dyn VerificationAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Unspecified> {
        UnparsedPublicKey::new(algorithm, self.bytes()?).verify(message, signature)
    }

    fn check_rsa(
        &self,
        parameters: &'static RsaParameters,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Unspecified> {
        match self.key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            DecodingKeyKind::SecretOrDer(_) => self.check_key(parameters, message, signature),
        }
    }

    fn bytes(&self) -> Result<&[u8], Unspecified> {
        self.key.try_get_as_bytes().map_err(|_of_rsa| Unspecified)
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.check(message, signature).map_err(|_unspecified| signature::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
