//! Certificates for one test: an authority, and what it signs.

use std::path::Path;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, KeyPair};

/// Writes a file with a secret in it, which is its owner's alone.
pub(crate) fn hidden(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// An authority of the test's own.
pub(crate) struct Authority {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    /// An authority whose certificate stands in `folder` as `NAME.pem`.
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        Self { certificate, key }
    }

    /// Writes the authority's own key beside its certificate, as `openssl req -x509` does: a server may show that.
    pub(crate) fn reveal(&self, folder: &Path, name: &str) {
        hidden(&folder.join(format!("{name}.key")), &self.key.serialize_pem());
    }

    /// Signs a certificate for this machine's loopback address, into `folder` as `NAME.pem` and `NAME.key`.
    pub(crate) fn sign(&self, folder: &Path, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        hidden(&folder.join(format!("{name}.key")), &key.serialize_pem());
    }
}
