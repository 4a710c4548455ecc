//! Certificates that a test makes for itself, of servers and of nodes.

use std::path::PathBuf;

use lastword_cluster_tests::{ServerTls, host};
use lastword_jetstream::Tls;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::access::Secrets;

/// Who certifies servers and nodes.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    files: Secrets,
}

impl Authority {
    /// An authority of this name. Another one has another name, or its certificates are taken for damaged ones of this one.
    pub(crate) fn named(name: &str) -> Self {
        let mut certificate = CertificateParams::new(Vec::new()).unwrap();
        certificate.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        certificate.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(certificate, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, files: Secrets::new() }
    }

    /// The file of its own certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.files.file("authority.pem", &self.issuer.pem())
    }

    /// The files of a certificate for this name or address, and of its key.
    pub(crate) fn certified(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let file = |kind: &str, text: &str| self.files.file(&format!("{name}.{kind}.pem"), text);
        (file("certificate", &certificate.pem()), file("key", &key.serialize_pem()))
    }

    /// What the servers show. `clients` has certified whoever may connect.
    pub(crate) fn of_servers(&self, clients: Option<&Self>) -> ServerTls {
        let (certificate, key) = self.certified(&host().to_string());
        ServerTls { certificate, key, clients: clients.map(Self::certificate) }
    }

    /// What a node trusts that trusts nobody else.
    pub(crate) fn trusted(&self) -> Tls {
        Tls { authority: Some(self.certificate()), certificate: None }
    }
}
