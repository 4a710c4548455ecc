//! TLS to servers.
//!
//! A resumed session tells the server that the same client has connected before. So each account resumes only its own
//! sessions: it has its own configuration, whose session store is not shared.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    ClientConfig,
    client::Resumption,
    pki_types::{DnsName, ServerName},
};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::{net::TcpStream, sync::OnceCell};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    account::Account,
    destination::Host,
    error::{BoxError, EgressError},
    limits::{MAX_ACCOUNTS_WITH_TLS_SESSIONS, TLS_SESSIONS_OF_ACCOUNT},
};

/// The only supported protocol, so the only one offered (RFC 7301): a server must not choose HTTP/2.
const ALPN_HTTP_1_1: &[u8] = b"http/1.1";

/// The client's TLS configuration. It is built when the first `https` request needs it, because reading the system's
/// roots takes milliseconds and memory, which a user of plain HTTP should not pay for.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    /// The common configuration. It is never used itself.
    config: OnceCell<ClientConfig>,
    accounts: Mutex<Accounts>,
}

/// The configurations of the accounts with the most recent requests.
#[derive(Debug, Default)]
struct Accounts {
    configs: HashMap<Account, (u64, Arc<ClientConfig>)>,
    /// By a number that rises with each use: the least recently used one is first.
    uses: BTreeMap<u64, Account>,
    /// The number of the next use.
    next: u64,
}

impl Tls {
    pub(crate) fn with_config(config: &ClientConfig) -> Self {
        let mut config = config.clone();
        config.alpn_protocols = vec![ALPN_HTTP_1_1.to_vec()];
        Self { config: OnceCell::new_with(Some(config)), accounts: Mutex::default() }
    }

    async fn config(&self, account: &Account) -> Result<Arc<ClientConfig>, EgressError> {
        let common = self
            .config
            .get_or_try_init(|| async {
                // The roots are files.
                let built = tokio::task::spawn_blocking(platform_config).await;
                built.map_err(BoxError::from).and_then(|config| config.map_err(BoxError::from))
            })
            .await
            .map_err(EgressError::TlsSetup)?;
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(accounts.config(account, common))
    }

    /// Runs the handshake for `account`. The certificate must be valid for `host`.
    pub(crate) async fn connect(
        &self,
        account: &Account,
        host: &Host,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, EgressError> {
        let connector = TlsConnector::from(self.config(account).await?);
        connector.connect(server_name(host)?, stream).await.map_err(classify)
    }
}

impl Accounts {
    /// Returns the configuration of `account`, or makes one from the common configuration.
    fn config(&mut self, account: &Account, common: &ClientConfig) -> Arc<ClientConfig> {
        let use_number = self.next;
        self.next += 1;
        let config = match self.configs.remove(account) {
            Some((before, config)) => {
                self.uses.remove(&before);
                config
            }
            None => {
                let mut config = common.clone();
                config.resumption = Resumption::in_memory_sessions(TLS_SESSIONS_OF_ACCOUNT);
                Arc::new(config)
            }
        };
        self.configs.insert(account.clone(), (use_number, Arc::clone(&config)));
        self.uses.insert(use_number, account.clone());
        if self.uses.len() > MAX_ACCOUNTS_WITH_TLS_SESSIONS
            && let Some((_, longest_ago)) = self.uses.pop_first()
        {
            self.configs.remove(&longest_ago);
        }
        config
    }
}

fn platform_config() -> Result<ClientConfig, rustls::Error> {
    // Set explicitly, because the process-wide default provider is the embedder's choice.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_HTTP_1_1.to_vec()];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_has_a_configuration_of_its_own_and_those_that_were_used_last_are_kept() {
        let common = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let mut accounts = Accounts::default();
        let [mine, tenant, plugin] = [("t", "p"), ("u", "p"), ("t", "q")].map(|(t, p)| Account::new(t, p));
        let config = accounts.config(&mine, &common);
        assert!(Arc::ptr_eq(&config, &accounts.config(&mine, &common)));
        for other in [&tenant, &plugin] {
            assert!(!Arc::ptr_eq(&config, &accounts.config(other, &common)));
        }
        for n in 0..2 * MAX_ACCOUNTS_WITH_TLS_SESSIONS {
            accounts.config(&Account::new(format!("t{n}"), "p"), &common);
            assert!(Arc::ptr_eq(&config, &accounts.config(&mine, &common)));
        }
        assert_eq!(accounts.configs.len(), MAX_ACCOUNTS_WITH_TLS_SESSIONS);
        assert_eq!(accounts.uses.len(), MAX_ACCOUNTS_WITH_TLS_SESSIONS);
    }
}
