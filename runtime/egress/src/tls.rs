//! TLS towards servers.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig,
    client::Resumption,
    pki_types::{DnsName, ServerName},
};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::{net::TcpStream, sync::OnceCell};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    destination::Host,
    error::{BoxError, EgressError},
};

/// The only protocol spoken, so the only one offered (RFC 7301): a server must not choose HTTP/2.
const ALPN_HTTP_1_1: &[u8] = b"http/1.1";

/// The client's TLS configuration, built when the first `https` request needs it: reading the system's roots takes
/// milliseconds and memory that plain users should not pay for.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    config: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    pub(crate) fn with_config(config: &ClientConfig) -> Self {
        let mut config = config.clone();
        config.alpn_protocols = vec![ALPN_HTTP_1_1.to_vec()];
        Self { config: OnceCell::new_with(Some(Arc::new(config))) }
    }

    async fn config(&self) -> Result<&Arc<ClientConfig>, EgressError> {
        self.config
            .get_or_try_init(|| async {
                // The roots are files.
                let built = tokio::task::spawn_blocking(platform_config).await;
                built.map_err(BoxError::from).and_then(|config| config.map_err(BoxError::from)).map(Arc::new)
            })
            .await
            .map_err(EgressError::TlsSetup)
    }

    /// Does the handshake. The certificate must be valid for `host`.
    pub(crate) async fn connect(&self, host: &Host, stream: TcpStream) -> Result<TlsStream<TcpStream>, EgressError> {
        let connector = TlsConnector::from(Arc::clone(self.config().await?));
        connector.connect(server_name(host)?, stream).await.map_err(classify)
    }
}

fn platform_config() -> Result<ClientConfig, rustls::Error> {
    // Named, because a process-wide default provider is the embedder's to choose, or not to.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_HTTP_1_1.to_vec()];
    // A resumed session would tell one tenant that another has just been at the same server.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn server_name(host: &Host) -> Result<ServerName<'static>, EgressError> {
    match host {
        Host::Address(address) => Ok(ServerName::from(*address)),
        Host::Name(name) => DnsName::try_from(name.clone())
            .map(ServerName::DnsName)
            .map_err(|error| EgressError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error))),
    }
}

fn classify(error: io::Error) -> EgressError {
    match cause(&error) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            EgressError::Certificate(error)
        }
        _ => EgressError::Tls(error),
    }
}

/// Whether rustls, and not the network, is the cause of an I/O error.
pub(crate) fn is_tls(error: &io::Error) -> bool {
    cause(error).is_some()
}

fn cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
