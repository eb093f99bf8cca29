//! The keys by which tokens are verified: from PEM, from a JWK set, or a shared secret.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::pem;
use super::policy::name_of;
use super::verifier::{TokenDigest, digest_of};

/// The most keys: each one without a name is tried.
pub const MAX_KEYS: usize = 32;
/// The least size of a modulus of RSA in bytes: 2048 bits.
const MIN_RSA_BYTES: usize = 256;
/// The largest: a verification takes a millisecond.
const MAX_RSA_BYTES: usize = 1024;

/// The reason why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither PEM nor a JWK set.
    #[error("holds no key: expected public keys as PEM, or a JWK set")]
    NoKey,
    /// Broken PEM, DER or base64.
    #[error("holds a key that cannot be read")]
    NotReadable,
    /// A private key.
    #[error("holds a private key: only the public one is needed here")]
    Private,
    /// A certificate.
    #[error("holds a certificate, expected the public key in it")]
    Certificate,
    /// Another kind of key.
    #[error("holds a key of a kind that tokens are not signed with: expected RSA, P-256, P-384 or Ed25519")]
    Kind,
    /// An RSA key that is too short, or too long.
    #[error("holds an RSA key of {0} bits, expected 2048 to 8192")]
    RsaSize(usize),
    /// Broken JSON.
    #[error("is no JWK set: {0}")]
    NotJson(String),
    /// Too many keys.
    #[error("holds {0} keys, at most {MAX_KEYS} are accepted")]
    TooMany(usize),
    /// A public key where a secret is expected.
    #[error("holds a key in PEM, which is no secret that issuer and service share")]
    NotSecret,
    /// A secret that is too short.
    #[error("holds a secret of {bytes} bytes; {algorithm} needs {least} at least")]
    ShortSecret {
        /// The size of the secret.
        bytes: usize,
        /// The algorithm.
        algorithm: &'static str,
        /// The least size.
        least: usize,
    },
}

/// A key by which tokens are verified.
#[derive(Clone)]
pub(super) struct TokenKey {
    /// The name of the key, as tokens refer to the key.
    pub(super) kid: Option<String>,
    /// The algorithms that the key can verify.
    algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
    /// Tells the key from others without showing the key.
    digest: TokenDigest,
}

impl TokenKey {
    fn new(algorithms: &[Algorithm], key: DecodingKey, material: &[&[u8]]) -> Self {
        Self { kid: None, algorithms: algorithms.to_vec(), key, digest: digest_of(material) }
    }

    /// Returns the RSA key of `der`, a modulus with its exponent.
    pub(super) fn rsa_der(der: &[u8]) -> Result<Self, KeyError> {
        // Around the modulus stand the exponent and a dozen bytes of structure.
        check_rsa(der.len().saturating_sub(12))?;
        Ok(Self::new(&RSA, DecodingKey::from_rsa_der(der), &[der]))
    }

    fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        check_rsa(modulus.len())?;
        let key = DecodingKey::from_rsa_raw_components(modulus, exponent);
        Ok(Self::new(&RSA, key, &[modulus, exponent]))
    }

    /// Returns the key that is a `point` of the curve P-256 or P-384, without compression.
    pub(super) fn ec(point: &[u8]) -> Result<Self, KeyError> {
        let algorithm = match (point.first(), point.len()) {
            (Some(4), 65) => Algorithm::ES256,
            (Some(4), 97) => Algorithm::ES384,
            _ => return Err(KeyError::NotReadable),
        };
        Ok(Self::new(&[algorithm], DecodingKey::from_ec_der(point), &[point]))
    }

    /// Returns the Ed25519 key of these `bytes`.
    pub(super) fn ed25519(bytes: &[u8]) -> Result<Self, KeyError> {
        match bytes.len() {
            32 => Ok(Self::new(&[Algorithm::EdDSA], DecodingKey::from_ed_der(bytes), &[bytes])),
            _ => Err(KeyError::NotReadable),
        }
    }

    fn secret(bytes: &[u8]) -> Result<Self, KeyError> {
        let key = DecodingKey::from_secret(bytes).map_err(|_empty| KeyError::NotReadable)?;
        Ok(Self::new(&HMAC, key, &[bytes]))
    }

    fn public_digest(&self) -> TokenDigest {
        let algorithms = self.algorithms.iter().map(|algorithm| name_of(*algorithm)).collect::<Vec<_>>().join(",");
        let is_secret = self.algorithms.iter().any(|algorithm| HMAC.contains(algorithm));
        let material: &[u8] = if is_secret { b"secret" } else { &self.digest };
        let (has_name, name) = (u8::from(self.kid.is_some()), self.kid.as_deref().unwrap_or_default());
        digest_of(&[&[has_name], name.as_bytes(), algorithms.as_bytes(), material])
    }

    /// Whether the key can verify tokens of `algorithm`.
    pub(super) fn verifies(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }
}

/// The algorithms of RSA keys.
const RSA: [Algorithm; 6] =
    [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];
/// The algorithms of shared secrets.
const HMAC: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

fn check_rsa(modulus_bytes: usize) -> Result<(), KeyError> {
    match (MIN_RSA_BYTES..=MAX_RSA_BYTES + 4).contains(&modulus_bytes) {
        true => Ok(()),
        false => Err(KeyError::RsaSize(modulus_bytes * 8)),
    }
}

/// The keys by which tokens are verified.
#[derive(Clone, Default)]
pub struct TokenKeys(Vec<TokenKey>);

impl TokenKeys {
    /// Reads the public keys in `text`: PEM, a JWK set, or a single JWK. Keys of a set that are not for signatures, or
    /// of a kind that is not known, are left out.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong with the text.
    pub fn public(text: &str) -> Result<Self, KeyError> {
        let keys = match text.trim_start().starts_with('{') {
            true => json_keys(text)?,
            false if pem::is_pem(text) => pem::keys(text)?,
            false => return Err(KeyError::NoKey),
        };
        match keys.len() {
            0 => Err(KeyError::NoKey),
            1..=MAX_KEYS => Ok(Self(keys)),
            many => Err(KeyError::TooMany(many)),
        }
    }

    /// Reads the shared secret in `bytes`, without the line end behind a secret of text.
    ///
    /// # Errors
    /// [`KeyError`] where the secret is a public key, or shorter than one of `algorithms` needs.
    pub fn secret(bytes: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if str::from_utf8(bytes).is_ok_and(pem::is_pem) {
            return Err(KeyError::NotSecret);
        }
        for algorithm in algorithms {
            let least = least_secret(*algorithm);
            if bytes.len() < least {
                return Err(KeyError::ShortSecret { bytes: bytes.len(), algorithm: name_of(*algorithm), least });
            }
        }
        Ok(Self(vec![TokenKey::secret(bytes)?]))
    }

    /// Returns these keys and the `others`.
    ///
    /// # Errors
    /// [`KeyError::TooMany`].
    pub fn and(mut self, others: Self) -> Result<Self, KeyError> {
        self.0.extend(others.0);
        if self.0.len() > MAX_KEYS { Err(KeyError::TooMany(self.0.len())) } else { Ok(self) }
    }

    /// Whether one of the keys is a secret.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.0.iter().any(|key| key.verifies(Algorithm::HS256))
    }

    /// Whether one of the keys can verify tokens of `algorithm`.
    #[must_use]
    pub fn verify(&self, algorithm: Algorithm) -> bool {
        self.0.iter().any(|key| key.verifies(algorithm))
    }

    /// Returns a digest that is the same for all files with the same public keys. Of a secret only its presence is in
    /// the digest: whoever sees the digest could try guesses of the secret.
    pub(super) fn public_digest(&self) -> TokenDigest {
        // An issuer may list its keys in another order each time.
        let mut all: Vec<_> = self.0.iter().map(TokenKey::public_digest).collect();
        all.sort_unstable();
        digest_of(&all.iter().map(|digest| digest.as_slice()).collect::<Vec<_>>())
    }

    /// Returns the keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = &TokenKey> {
        self.0.iter()
    }
}

impl PartialEq for TokenKeys {
    fn eq(&self, other: &Self) -> bool {
        let own = |keys: &Self| keys.0.iter().map(|key| (key.kid.clone(), key.digest)).collect::<Vec<_>>();
        own(self) == own(other)
    }
}

impl Eq for TokenKeys {}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKeys({})", self.0.len())
    }
}

/// Returns the least size of a secret in bytes: that of the hash, as RFC 7518 demands; 0 for other algorithms.
const fn least_secret(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::HS256 => 32,
        Algorithm::HS384 => 48,
        Algorithm::HS512 => 64,
        _ => 0,
    }
}

fn json_keys(text: &str) -> Result<Vec<TokenKey>, KeyError> {
    let document: Value = serde_json::from_str(text).map_err(|error| {
        // serde_json's own words could repeat a part of the text.
        KeyError::NotJson(format!("not valid JSON at {}:{}", error.line(), error.column()))
    })?;
    let mut keys = Vec::new();
    let listed = match (document.get("keys"), document.get("kty")) {
        (Some(Value::Array(listed)), _) => listed.as_slice(),
        (None, Some(_)) => std::slice::from_ref(&document),
        _ => return Err(KeyError::NotJson("expected an object with a list `keys`".to_owned())),
    };
    for fields in listed.iter().filter_map(Value::as_object) {
        keys.extend(json_key(fields)?);
    }
    Ok(keys)
}

/// Reads a JWK; `None` where the key is for something else than signatures, or of an unknown kind.
fn json_key(fields: &Map<String, Value>) -> Result<Option<TokenKey>, KeyError> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    if text("use").is_some_and(|purpose| purpose != "sig") {
        return Ok(None);
    }
    let bytes = |name: &str| {
        let encoded = text(name).unwrap_or_default().trim_end_matches('=');
        BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|_no_base64| KeyError::NotReadable)
    };
    let key = match (text("kty"), text("crv")) {
        (Some("RSA" | "EC" | "OKP"), _) if fields.contains_key("d") => return Err(KeyError::Private),
        (Some("RSA"), _) => TokenKey::rsa(&bytes("n")?, &bytes("e")?)?,
        (Some("EC"), Some("P-256" | "P-384")) => TokenKey::ec(&[vec![4], bytes("x")?, bytes("y")?].concat())?,
        (Some("OKP"), Some("Ed25519")) => TokenKey::ed25519(&bytes("x")?)?,
        (Some("oct"), _) => TokenKey::secret(&bytes("k")?)?,
        _ => return Ok(None),
    };
    let kid = text("kid").filter(|kid| !kid.is_empty()).map(str::to_owned);
    let mut algorithms = key.algorithms;
    if let Some(own) = text("alg") {
        algorithms.retain(|algorithm| name_of(*algorithm) == own);
    }
    Ok(Some(TokenKey { kid, algorithms, ..key }).filter(|key| !key.algorithms.is_empty()))
}
