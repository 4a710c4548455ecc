//! TLS for TCP.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

/// A certificate or a key that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificates are no PEM.
    #[error("the certificate cannot be read: it must be PEM, with -----BEGIN CERTIFICATE-----: {0}")]
    Certificate(rustls::pki_types::pem::Error),
    /// There is no certificate.
    #[error("there is no certificate in the file: it must be PEM, with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// The key is no PEM.
    #[error("the private key cannot be read: it must be PEM, with -----BEGIN PRIVATE KEY-----: {0}")]
    Key(rustls::pki_types::pem::Error),
    /// The certificates and the key do not match, or TLS cannot use them.
    #[error("the certificate and the key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// Makes a TCP listener's configuration for TLS 1.2 and 1.3 from a certificate with its chain and from its key, both in
/// PEM.
///
/// # Errors
/// When the PEM cannot be read, or the certificate and the key do not match.
pub fn tls_config(certificates: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(certificates).collect();
    let chain = chain.map_err(TlsError::Certificate)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_taken_with_its_own_key_alone() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        assert!(tls_config(certificate.as_bytes(), key.as_bytes()).is_ok());
        let foreign = other.signing_key.serialize_pem();
        assert!(matches!(tls_config(certificate.as_bytes(), foreign.as_bytes()), Err(TlsError::Unusable(_))));
        assert!(matches!(tls_config(key.as_bytes(), key.as_bytes()), Err(TlsError::NoCertificate)));
        assert!(matches!(tls_config(certificate.as_bytes(), b"nothing"), Err(TlsError::Key(_))));
    }
}
