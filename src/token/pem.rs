//! Public keys in PEM.

use data_encoding::BASE64;

use super::der::{PublicKeyBits, public_key};
use super::keys::{KeyError, TokenKey};

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// Whether `text` is PEM.
pub(super) fn is_pem(text: &str) -> bool {
    text.lines().any(|line| line.starts_with(BEGIN))
}

/// Reads each key in `text`, which may have other lines around the keys.
///
/// # Errors
/// A key that cannot be used, or that should not be there: a private one, or a certificate.
pub(super) fn keys(text: &str) -> Result<Vec<TokenKey>, KeyError> {
    let mut lines = text.lines().map(str::trim_end);
    let mut keys = Vec::new();
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(DASHES)) else { continue };
        let end = format!("-----END {label}-----");
        let mut body = String::new();
        loop {
            match lines.next() {
                Some(line) if line == end => break,
                Some(line) => body.push_str(line.trim()),
                None => return Err(KeyError::NotReadable),
            }
        }
        keys.push(key(label, &body)?);
    }
    Ok(keys)
}

fn key(label: &str, body: &str) -> Result<TokenKey, KeyError> {
    let bytes = || BASE64.decode(body.as_bytes()).map_err(|_no_base64| KeyError::NotReadable);
    match label {
        "PUBLIC KEY" => match public_key(&bytes()?)? {
            PublicKeyBits::Rsa(key) => TokenKey::rsa_der(key),
            PublicKeyBits::Ec(point) => TokenKey::ec(point),
            PublicKeyBits::Ed25519(key) => TokenKey::ed25519(key),
        },
        "RSA PUBLIC KEY" => TokenKey::rsa_der(&bytes()?),
        "CERTIFICATE" => Err(KeyError::Certificate),
        label if label.ends_with("PRIVATE KEY") => Err(KeyError::Private),
        _ => Err(KeyError::Kind),
    }
}
