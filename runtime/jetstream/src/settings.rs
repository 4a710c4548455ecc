//! The settings of a cluster: which servers, what proves who we are, and what is asked of a journal's stream.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use crate::limits::{DEFAULT_MAX_BYTES, MIN_MAX_BYTES, REPLICAS};

/// The longest prefix, in bytes: it is in the name of each stream and of each subject.
const MAX_PREFIX_BYTES: usize = 32;

/// How a cluster of NATS servers is reached, and what is asked of it. Secrets are in files, which are read at each connection.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// The servers, such as `nats://10.0.0.1:4222`. One is enough, because it names the others. With all of them here a program can also
    /// start while one is away.
    pub servers: Vec<String>,
    /// What the names of streams, buckets and subjects begin with. Clusters of Lastword that share NATS servers need one each.
    pub prefix: String,
    /// What proves to the servers who we are.
    pub credentials: Credentials,
    /// The certificates. None: the operating system's roots, if the servers ask for TLS.
    pub tls: Option<Tls>,
    /// What proves that each server syncs each write to its disk before it acknowledges it.
    pub sync_proof: SyncProof,
    /// How large the stream of a journal may become, in bytes. The servers reserve it. A journal that exists keeps its own.
    pub max_bytes: u64,
    /// How many servers the cluster has. So many have to prove that they sync.
    pub cluster_size: usize,
}

/// What proves to the servers who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing: the servers take anyone.
    #[default]
    None,
    /// The seed of an nkey, in a file.
    Nkey(PathBuf),
    /// A credentials file, as `nsc` writes it.
    File(PathBuf),
    /// A user, and the file with the password.
    User {
        /// The user.
        user: String,
        /// The file with the password.
        password: PathBuf,
    },
    /// A token, in a file.
    Token(PathBuf),
}

/// Certificates, as files in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Authorities that are trusted beside the operating system's.
    pub authority: Option<PathBuf>,
    /// Our own certificate and its key, for servers that ask for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// What proves that each server syncs each write to its disk before it acknowledges it. The account of an application cannot see that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncProof {
    /// The monitoring ports of all servers, such as `http://10.0.0.1:8222`.
    Monitoring(Vec<String>),
    /// A user of the system account, who may ask all servers.
    SystemAccount(Credentials),
    /// Nothing. An operator says that it is so.
    Assumed,
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {what}")]
pub struct SettingsError {
    /// The setting.
    pub field: &'static str,
    /// What is wrong with it, and what to do.
    pub what: String,
}

impl ClusterSettings {
    /// Settings with the defaults: prefix `LW`, no credentials, 1 GiB for a journal, three servers.
    #[must_use]
    pub fn new(servers: Vec<String>, sync_proof: SyncProof) -> Self {
        Self {
            servers,
            prefix: "LW".to_owned(),
            credentials: Credentials::None,
            tls: None,
            sync_proof,
            max_bytes: DEFAULT_MAX_BYTES,
            cluster_size: REPLICAS,
        }
    }

    /// Checks what can be checked without a server.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.servers.is_empty() {
            return Err(bad(
                "servers",
                "names none: give the addresses of the NATS servers, such as nats://10.0.0.1:4222",
            ));
        }
        for server in &self.servers {
            address(server)?;
        }
        let fits = (1..=MAX_PREFIX_BYTES).contains(&self.prefix.len());
        if !fits || !self.prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            let prefix = lastword_events::text::quoted(&self.prefix);
            return Err(bad(
                "prefix",
                format!("{prefix} cannot begin a stream's name: use 1 to {MAX_PREFIX_BYTES} of a-z, A-Z, 0-9, _ and -"),
            ));
        }
        if self.max_bytes < MIN_MAX_BYTES {
            return Err(bad(
                "max_bytes",
                format!("{} is too small for a journal: give at least {MIN_MAX_BYTES} bytes", self.max_bytes),
            ));
        }
        if i64::try_from(self.max_bytes).is_err() {
            return Err(bad("max_bytes", format!("{} is more than a server can count", self.max_bytes)));
        }
        if self.cluster_size < REPLICAS {
            return Err(bad(
                "cluster_size",
                format!("{} is too small: each journal is on {REPLICAS} servers", self.cluster_size),
            ));
        }
        match &self.sync_proof {
            SyncProof::Monitoring(urls) => self.check_monitoring(urls),
            SyncProof::SystemAccount(_) | SyncProof::Assumed => Ok(()),
        }
    }

    fn check_monitoring(&self, urls: &[String]) -> Result<(), SettingsError> {
        if urls.len() < self.cluster_size {
            return Err(bad(
                "monitoring",
                format!(
                    "has {} addresses, and the cluster has {} servers: give one for each",
                    urls.len(),
                    self.cluster_size
                ),
            ));
        }
        urls.iter().try_for_each(|url| crate::http::target(url).map(drop).map_err(|what| bad("monitoring", what)))
    }
}

/// The address of a server as the client takes it.
pub(crate) fn address(server: &str) -> Result<async_nats::ServerAddr, SettingsError> {
    server.parse().map_err(|error| {
        let server = lastword_events::text::quoted(server);
        bad(
            "servers",
            format!("{server} is no address of a NATS server ({error}): write nats://HOST:PORT or tls://HOST:PORT"),
        )
    })
}

fn bad(field: &'static str, what: impl Into<String>) -> SettingsError {
    SettingsError { field, what: what.into() }
}

impl fmt::Display for SyncProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Monitoring(_) => "the servers' monitoring ports",
            Self::SystemAccount(_) => "the system account",
            Self::Assumed => "nothing (it is assumed)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ClusterSettings {
        ClusterSettings::new(vec!["nats://127.0.0.1:4222".to_owned()], SyncProof::Assumed)
    }

    fn refused(change: impl FnOnce(&mut ClusterSettings)) -> &'static str {
        let mut settings = settings();
        change(&mut settings);
        settings.check().unwrap_err().field
    }

    #[test]
    fn the_defaults_can_be_used() {
        settings().check().unwrap();
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_named() {
        assert_eq!(refused(|one| one.servers.clear()), "servers");
        assert_eq!(refused(|one| one.servers.push("http://a b".to_owned())), "servers");
        for prefix in ["", "a.b", "a b", "a>", "*", &"x".repeat(33)] {
            assert_eq!(refused(|one| prefix.clone_into(&mut one.prefix)), "prefix");
        }
        assert_eq!(refused(|one| one.max_bytes = 1), "max_bytes");
        assert_eq!(refused(|one| one.max_bytes = u64::MAX), "max_bytes");
        assert_eq!(refused(|one| one.cluster_size = 1), "cluster_size");
        let urls = |urls: &[&str]| SyncProof::Monitoring(urls.iter().map(ToString::to_string).collect());
        assert_eq!(refused(|one| one.sync_proof = urls(&["http://a:8222"])), "monitoring");
        assert_eq!(refused(|one| one.sync_proof = urls(&["http://a:8222", "http://b:8222", "ftp://c"])), "monitoring");
    }
}
