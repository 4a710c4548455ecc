//! What the servers are configured as: right, unless a test says what is wrong.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::address::Addresses;

/// How many servers there are.
pub const SERVERS: usize = 3;
/// The connections between two servers, beside the one that the system account has for itself. It is the servers' own default.
pub(crate) const POOLED_ROUTES: usize = 3;
/// The name of the cluster, which all servers share.
const CLUSTER: &str = "lastword-tests";

/// Somebody who may connect.
#[derive(Clone, Copy, Debug)]
pub struct User {
    /// The name.
    pub name: &'static str,
    /// The password.
    pub password: &'static str,
}

/// Whose streams the journals are.
pub const APPLICATION: User = User { name: "lastword", password: "of-the-application" };
/// Who may ask servers about themselves.
pub const SYSTEM: User = User { name: "operator", password: "of-the-system" };

/// How the servers are configured. The default is what the journal asks for.
#[derive(Clone, Debug)]
pub struct NatsSettings {
    /// `sync_interval` of each server. None leaves it out, so that the server syncs every two minutes.
    pub sync_interval: [Option<&'static str>; SERVERS],
    /// `max_payload` of all, in bytes. 1 MiB is the servers' own default.
    pub max_payload: u64,
    /// `max_file_store` of each server, in bytes. What streams may come to use is taken off it when they are created.
    pub max_file_store: [u64; SERVERS],
    /// Who may connect, as the servers' file says it. None: [`APPLICATION`] and [`SYSTEM`], in an account each.
    pub access: Option<String>,
    /// What the servers show to clients. None: they take connections without TLS.
    pub tls: Option<ServerTls>,
}

/// Certificates of the servers, as files in PEM.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// Their certificate, which is for [`host`](crate::host).
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who has to have certified each client. The name in a client's certificate is that of its user then. None: clients need none.
    pub clients: Option<PathBuf>,
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self {
            sync_interval: [Some("always"); SERVERS],
            max_payload: 1 << 20,
            max_file_store: [16 << 30; SERVERS],
            access: None,
            tls: None,
        }
    }
}

impl NatsSettings {
    /// The file of one server. All others are its routes.
    pub(crate) fn file(&self, server: usize, all: &[Addresses], store: &Path) -> String {
        let mut file = String::new();
        let own = all.get(server).unwrap();
        let mut line = |text: std::fmt::Arguments<'_>| writeln!(file, "{text}").unwrap();
        line(format_args!("server_name: {}", name(server)));
        line(format_args!("listen: \"{}\"", own.clients));
        line(format_args!("http: \"{}\"", own.monitoring));
        line(format_args!("max_payload: {}", self.max_payload));
        line(format_args!("jetstream {{"));
        line(format_args!("  store_dir: {:?}", store.display().to_string()));
        line(format_args!("  max_memory_store: {}", 64 << 20));
        line(format_args!("  max_file_store: {}", self.max_file_store.get(server).unwrap()));
        if let Some(sync) = self.sync_interval.get(server).copied().flatten() {
            line(format_args!("  sync_interval: {sync}"));
        }
        line(format_args!("}}"));
        line(format_args!("cluster {{"));
        line(format_args!("  name: {CLUSTER}"));
        line(format_args!("  listen: \"{}\"", own.routes));
        line(format_args!("  pool_size: {POOLED_ROUTES}"));
        // A client that is behind a proxy is not told how to go round it.
        line(format_args!("  no_advertise: true"));
        let routes: Vec<_> = all.iter().map(|one| format!("\"nats-route://{}\"", one.routes)).collect();
        line(format_args!("  routes: [{}]", routes.join(", ")));
        line(format_args!("}}"));
        if let Some(ServerTls { certificate, key, clients }) = &self.tls {
            line(format_args!("tls {{"));
            line(format_args!("  cert_file: {:?}", certificate.display().to_string()));
            line(format_args!("  key_file: {:?}", key.display().to_string()));
            if let Some(clients) = clients {
                line(format_args!("  ca_file: {:?}", clients.display().to_string()));
                line(format_args!("  verify_and_map: true"));
            }
            line(format_args!("}}"));
        }
        match &self.access {
            Some(access) => line(format_args!("{access}")),
            None => {
                let user = |user: User| format!("users: [{{ user: {}, password: {} }}]", user.name, user.password);
                line(format_args!("accounts {{"));
                line(format_args!("  LASTWORD {{ jetstream: enabled, {} }}", user(APPLICATION)));
                line(format_args!("  SYSTEM {{ {} }}", user(SYSTEM)));
                line(format_args!("}}"));
                line(format_args!("system_account: SYSTEM"));
            }
        }
        file
    }
}

/// The name of a server: `n1`, `n2`, `n3`.
pub(crate) fn name(server: usize) -> String {
    format!("n{}", server + 1)
}
