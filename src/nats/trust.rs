//! The certificates that are trusted, and the certificate that is shown: read from their files at each handshake,
//! because certificates are renewed while a program runs.
//!
//! A certificate in the file of the authorities is trusted as a server's own, too, whatever else the certificate says:
//! a server that shows the certificate holds its key. Self-signed certificates are used that way, and `openssl req
//! -x509` makes authorities of them, which the verifier below TLS refuses as a server's. Any other certificate has to
//! be signed by a certificate of the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_nats::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use async_nats::rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use async_nats::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use async_nats::rustls::pki_types::pem::PemObject;
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use async_nats::rustls::sign::CertifiedKey;
use async_nats::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::login::read_secret;
use crate::config::{ClientCertificate, Tls};

/// The encryption of connections with the authorities in the file `ca`; `tls` may name a certificate to show.
///
/// # Errors
/// [`Error`] of the library.
pub(super) fn client_config(ca: &Path, tls: &Tls) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let trust = Trust { authorities: ca.to_owned(), provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(trust));
    Ok(match tls.client.clone() {
        Some(ClientCertificate { cert, key }) => {
            config.with_client_cert_resolver(Arc::new(ClientKeyPair { cert, key, provider }))
        }
        None => config.with_no_client_auth(),
    })
}

/// Trust in the certificates of a file, and in certificates that they signed.
#[derive(Debug)]
struct Trust {
    authorities: PathBuf,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let given = certificates(&self.authorities)?;
        if given.contains(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(given);
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider)).build();
        let verifier = verifier.map_err(|error| unusable(&self.authorities, &error))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificate that is shown to servers that ask for a certificate.
#[derive(Debug)]
struct ClientKeyPair {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
}

impl ClientKeyPair {
    fn read(&self) -> Result<CertifiedKey, Error> {
        let text = read_secret("TLS key", &self.key).map_err(|error| Error::General(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| unusable(&self.key, &error))?;
        CertifiedKey::from_der(certificates(&self.cert)?, key, &self.provider)
    }
}

impl ResolvesClientCert for ClientKeyPair {
    fn resolve(&self, _authorities: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let refused = |error: &Error| tracing::warn!("the TLS certificate cannot be shown: {error}");
        self.read().inspect_err(refused).ok().map(Arc::new)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The certificates of the PEM file at `path`.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| unusable(path, &error))?;
    if certificates.is_empty() {
        return Err(unusable(path, &"has no certificate in it"));
    }
    Ok(certificates)
}

fn unusable(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::General(format!("`{}`: {reason}", path.display()))
}
