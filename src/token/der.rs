//! The few structures of DER that a public key in PEM has: jsonwebtoken's own reader needs a general one.

use super::keys::KeyError;

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const BIT_STRING: u8 = 0x03;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// A public key, by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PublicKeyBits<'a> {
    /// An RSA key: modulus and exponent, in DER.
    Rsa(&'a [u8]),
    /// A point of a curve that tokens use.
    Ec(&'a [u8]),
    /// A key of Ed25519.
    Ed25519(&'a [u8]),
}

/// Reads the public key in `info`, a `SubjectPublicKeyInfo` of X.509.
///
/// # Errors
/// No such structure, or a kind of key that tokens are not signed with.
pub(super) fn public_key(info: &[u8]) -> Result<PublicKeyBits<'_>, KeyError> {
    read(info).ok_or(KeyError::NotReadable)?
}

fn read(info: &[u8]) -> Option<Result<PublicKeyBits<'_>, KeyError>> {
    let (info, []) = element(info, SEQUENCE)? else { return None };
    let (algorithm, rest) = element(info, SEQUENCE)?;
    let (bits, []) = element(rest, BIT_STRING)? else { return None };
    // The first byte counts the unused bits at the end, of which a key has none.
    let bits = bits.strip_prefix(&[0])?;
    let (kind, parameters) = element(algorithm, OBJECT_ID)?;
    let curve = || element(parameters, OBJECT_ID).map(|(curve, _)| curve);
    Some(match kind {
        RSA => Ok(PublicKeyBits::Rsa(bits)),
        ED25519 => Ok(PublicKeyBits::Ed25519(bits)),
        EC if matches!(curve(), Some(P256 | P384)) => Ok(PublicKeyBits::Ec(bits)),
        _ => Err(KeyError::Kind),
    })
}

/// Returns the contents of the element of the kind `tag` at the start of `bytes`, and the bytes behind that element.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = length(rest)?;
    (*first == tag).then(|| rest.split_at_checked(length))?
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match usize::from(*first) {
        short @ ..0x80 => Some((short, rest)),
        // A length that is told at the end: not in DER.
        0x80 => None,
        // The length in so many bytes; no key has 16 MiB.
        long @ 0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(long - 0x80)?;
            Some((digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest))
        }
        _ => None,
    }
}
