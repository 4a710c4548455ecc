//! `[journal] jetstream`: a journal on a cluster of NATS servers, and the node that writes it.

use std::path::PathBuf;

use lastword_events::is_plain;
use toml::de::DeValue;

use super::reader::{Reader, Table, Value};
use crate::limits::{
    DEFAULT_JETSTREAM_BYTES, DEFAULT_JETSTREAM_PREFIX, DEFAULT_NATS_SERVERS, JETSTREAM_BYTES,
    MAX_JETSTREAM_PREFIX_CHARS, MAX_NATS_SERVERS, MAX_NODE_TEXT_BYTES,
};

/// `jetstream`: a journal on a stream of NATS JetStream. Each path is relative to the file that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JetStream {
    /// The servers, as URLs of the scheme `nats` or `tls`. At least one; the client learns the others from it.
    pub servers: Vec<String>,
    /// The first part of the names of streams, of subjects and of the registry.
    pub prefix: String,
    /// The name of this node for operators. `None` is the machine's.
    pub node: Option<String>,
    /// The address at which owners find this node, for operators and gateways. The program does not connect to it.
    pub address: Option<String>,
    /// How the node logs in. `None`: the servers ask for nothing, or for a client's certificate alone.
    pub login: Option<NatsLogin>,
    /// TLS to the servers.
    pub tls: Option<NatsTls>,
    /// How it is known that every server syncs before it acknowledges.
    pub sync: SyncProof,
    /// The most bytes of one journal's stream.
    pub max_bytes: u64,
    /// The servers of the cluster.
    pub cluster_size: usize,
}

/// How a client logs in to NATS. All secrets are in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatsLogin {
    /// The file of a JWT and its seed, as `nsc` writes it.
    Credentials(PathBuf),
    /// The file of an nkey's seed.
    Nkey(PathBuf),
    /// A user, and the file of the password.
    User {
        /// The user's name.
        name: String,
        /// The file of the password.
        password_file: PathBuf,
    },
    /// The file of a token.
    Token(PathBuf),
}

/// TLS to the servers, in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatsTls {
    /// The certificates of the authorities that the servers' are checked with. `None`: those of this machine.
    pub ca: Option<PathBuf>,
    /// A certificate of the client's own, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// How it is known that every server syncs before it acknowledges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncProof {
    /// The monitoring address of each server says so, as URLs of the scheme `http`.
    Monitoring(Vec<String>),
    /// A user of the system account asks the servers.
    System(NatsLogin),
    /// The operator says so.
    Assumed,
}

const LOGIN_KEYS: [&str; 5] = ["credentials", "nkey", "password-file", "token-file", "user"];

const KEYS: [&str; 15] = [
    "address",
    "assume-sync-always",
    "cluster-size",
    "credentials",
    "max-bytes",
    "monitoring",
    "nkey",
    "node",
    "password-file",
    "prefix",
    "servers",
    "system",
    "tls",
    "token-file",
    "user",
];

pub(super) fn read(reader: &Reader<'_>, value: &Value<'_>) -> Option<JetStream> {
    let wanted = "a table such as { servers = [\"tls://n1.example.com:4222\"] }";
    let table = Table::new(reader, "jetstream", reader.shaped("jetstream", wanted, value, DeValue::as_table)?, &KEYS);
    let name = |key: &'static str, example: &str| {
        table.get(key).and_then(|value| reader.parsed(key, &format!("a string such as {example:?}"), value, node_text))
    };
    let size = table.get("cluster-size").and_then(|value| cluster_size(reader, value));
    let cluster_size = size.unwrap_or(DEFAULT_NATS_SERVERS);
    let prefix = table.get("prefix").and_then(|value| reader.parsed("prefix", "a word such as \"LW\"", value, prefix));
    let max_bytes = table.get("max-bytes").and_then(|value| reader.size("max-bytes", value, &JETSTREAM_BYTES));
    let servers = servers(reader, value, &table);
    let sync = sync_proof(reader, value, &table, cluster_size);
    Some(JetStream {
        servers: servers?,
        prefix: prefix.unwrap_or_else(|| DEFAULT_JETSTREAM_PREFIX.to_owned()),
        node: name("node", "lastword-0"),
        address: name("address", "https://lastword-0.example.com:7417"),
        login: login(reader, "jetstream", &table),
        tls: table.get("tls").and_then(|value| tls(reader, value)),
        sync: sync?,
        max_bytes: max_bytes.unwrap_or(DEFAULT_JETSTREAM_BYTES),
        cluster_size,
    })
}

fn servers(reader: &Reader<'_>, jetstream: &Value<'_>, table: &Table<'_, '_>) -> Option<Vec<String>> {
    let Some(value) = table.get("servers") else {
        reader.mistake(
            jetstream.span(),
            "jetstream: it has no servers: add servers = [\"tls://n1.example.com:4222\"], at least one of the cluster",
        );
        return None;
    };
    let servers = urls(reader, "servers", "[\"tls://n1.example.com:4222\"]", value, server)?;
    if servers.is_empty() {
        reader.mistake(value.span(), "servers: the list is empty: name at least one server of the cluster");
        return None;
    }
    Some(servers)
}

fn urls(
    reader: &Reader<'_>,
    key: &str,
    example: &str,
    value: &Value<'_>,
    parse: fn(&str) -> Result<String, String>,
) -> Option<Vec<String>> {
    let list = reader.shaped(key, &format!("a list such as {example}"), value, DeValue::as_array)?;
    if list.len() > MAX_NATS_SERVERS {
        reader.mistake(value.span(), format!("{key}: it names {} servers, the most is {MAX_NATS_SERVERS}", list.len()));
        return None;
    }
    list.iter().map(|value| reader.parsed(key, "a list of strings", value, parse)).collect()
}

/// Parses the URL of a server. A scheme that is left out is `nats`, as for the `nats` command.
fn server(text: &str) -> Result<String, String> {
    let (scheme, authority) = text.split_once("://").unwrap_or(("nats", text));
    no_secrets(authority)?;
    if matches!(scheme, "nats" | "tls") && authority_port(authority).is_some() {
        return Ok(format!("{scheme}://{authority}"));
    }
    Err(format!("{text:?} is no server: write one such as \"nats://n1.example.com:4222\", or tls:// with TLS"))
}

/// Parses the URL of a server's monitoring port. The port is required, because NATS has no default for it.
fn monitoring(text: &str) -> Result<String, String> {
    let authority = text.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    no_secrets(authority.unwrap_or(text))?;
    match authority.map(|authority| (authority, authority_port(authority))) {
        Some((authority, Some(Some(_)))) => Ok(format!("http://{authority}")),
        _ => Err(format!(
            "{text:?} is no monitoring address: write one such as \"http://n1.example.com:8222\", with the port that `http` in the \
             server's configuration names"
        )),
    }
}

/// Refuses a user or a password in a URL, without repeating it.
fn no_secrets(authority: &str) -> Result<(), String> {
    match authority.contains('@') {
        true => Err("an address must not have a user or a password: secrets are in files, which credentials, nkey, \
                     password-file and token-file name"
            .to_owned()),
        false => Ok(()),
    }
}

/// Returns the port of `host`, `host:port`, `[v6]` or `[v6]:port`, if the text is one of these.
fn authority_port(text: &str) -> Option<Option<u16>> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (address, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    if host.is_empty() || !host.chars().all(is_of_name) {
        return None;
    }
    match port {
        None => Some(None),
        Some(port) => port.parse().ok().filter(|port| *port != 0).map(Some),
    }
}

fn prefix(text: &str) -> Result<String, String> {
    let is_of_prefix = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=MAX_JETSTREAM_PREFIX_CHARS).contains(&text.len()) && text.chars().all(is_of_prefix) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{text:?} cannot begin the name of a stream: use 1 to {MAX_JETSTREAM_PREFIX_CHARS} of A-Z, a-z, 0-9, - and _"
    ))
}

fn node_text(text: &str) -> Result<String, String> {
    match text.len() {
        0 => Err("it is empty: leave it out".to_owned()),
        1..=MAX_NODE_TEXT_BYTES if text.chars().all(is_plain) => Ok(text.to_owned()),
        1..=MAX_NODE_TEXT_BYTES => Err("it has characters that cannot be printed".to_owned()),
        bytes => Err(format!("it has {bytes} bytes, the most is {MAX_NODE_TEXT_BYTES}")),
    }
}

fn cluster_size(reader: &Reader<'_>, value: &Value<'_>) -> Option<usize> {
    let most = u64::try_from(MAX_NATS_SERVERS).unwrap_or(u64::MAX);
    let servers = usize::try_from(reader.count("cluster-size", value, most)?).ok()?;
    if servers < DEFAULT_NATS_SERVERS {
        reader.mistake(
            value.span(),
            "cluster-size: a journal has three copies, each on a server of its own: write the number of servers, at least 3",
        );
        return None;
    }
    Some(servers)
}

/// Reads how the table's client logs in. `name` is the table's, for messages.
fn login(reader: &Reader<'_>, name: &str, table: &Table<'_, '_>) -> Option<NatsLogin> {
    let file = |key: &'static str, example: &str| table.get(key).map(|value| reader.path(key, example, value));
    let user = table.get("user").map(|value| {
        reader.parsed("user", "a string such as \"lastword\"", value, |text| match text {
            "" => Err("it is empty: write a name, or leave it out"),
            text => Ok(text.to_owned()),
        })
    });
    let password = file("password-file", "nats.password");
    // One without the other.
    for (there, key, missing) in
        [(&user.is_some(), "user", "password-file"), (&password.is_some(), "password-file", "user")]
    {
        if *there && table.get(missing).is_none() {
            let span = table.get(key).map(Value::span).unwrap_or_default();
            reader.mistake(span, format!("{key}: it has no {missing} beside it: add {missing} = \"…\""));
        }
    }
    let user = match (user, password) {
        (Some(name), Some(password_file)) => {
            Some(name.zip(password_file).map(|(name, password_file)| NatsLogin::User { name, password_file }))
        }
        _ => None,
    };
    let ways = [
        ("credentials", file("credentials", "lastword.creds").map(|file| file.map(NatsLogin::Credentials))),
        ("nkey", file("nkey", "lastword.nk").map(|file| file.map(NatsLogin::Nkey))),
        ("user", user),
        ("token-file", file("token-file", "nats.token").map(|file| file.map(NatsLogin::Token))),
    ];
    let mut said = ways.into_iter().filter_map(|(key, way)| Some((key, way?)));
    let (first, way) = said.next()?;
    for (key, _) in said {
        let span = table.get(key).map(Value::span).unwrap_or_default();
        reader.mistake(span, format!("{key}: {name} logs in with {first} already: keep one of them"));
    }
    way
}

fn tls(reader: &Reader<'_>, value: &Value<'_>) -> Option<NatsTls> {
    let wanted = "a table such as { ca = \"ca.pem\" }";
    let table = reader.shaped("tls", wanted, value, DeValue::as_table)?;
    let table = Table::new(reader, "tls", table, &["ca", "certificate", "key"]);
    let file = |key: &'static str, example: &str| table.get(key).and_then(|value| reader.path(key, example, value));
    let (certificate, key) = (file("certificate", "client.pem"), file("key", "client-key.pem"));
    for (key, missing) in [("certificate", "key"), ("key", "certificate")] {
        if let Some(there) = table.get(key)
            && table.get(missing).is_none()
        {
            reader
                .mistake(there.span(), format!("{key}: it has no {missing} beside it: add {missing} = \"…\", in PEM"));
        }
    }
    Some(NatsTls { ca: file("ca", "ca.pem"), identity: certificate.zip(key) })
}

fn sync_proof(
    reader: &Reader<'_>,
    jetstream: &Value<'_>,
    table: &Table<'_, '_>,
    cluster_size: usize,
) -> Option<SyncProof> {
    let addresses = table.get("monitoring").map(|value| all_monitored(reader, value, cluster_size));
    let system = table.get("system").map(|value| system(reader, value));
    let assumed = table.get("assume-sync-always").map(|value| (reader.boolean("assume-sync-always", value), value));
    let is_assumed = matches!(assumed, Some((Some(true), _)));
    if let Some((Some(true), value)) = assumed
        && (addresses.is_some() || system.is_some())
    {
        reader.mistake(value.span(), "assume-sync-always: monitoring or system proves it: leave one of them out");
    }
    match (addresses, system) {
        (Some(addresses), None) => addresses.map(SyncProof::Monitoring),
        (None, Some(system)) => system.map(SyncProof::System),
        (Some(_), Some(_)) => {
            let span = table.get("system").map(Value::span).unwrap_or_default();
            reader.mistake(span, "system: monitoring proves the same: keep one of them");
            None
        }
        (None, None) if is_assumed => Some(SyncProof::Assumed),
        (None, None) => {
            reader.mistake(
                jetstream.span(),
                "jetstream: nothing says whether the servers sync before they acknowledge: add monitoring = \
                 [\"http://n1.example.com:8222\", …], one for each server, or system = { credentials = \"system.creds\" }, or \
                 assume-sync-always = true if you know that each has `sync_interval: always`",
            );
            None
        }
    }
}

fn all_monitored(reader: &Reader<'_>, value: &Value<'_>, cluster_size: usize) -> Option<Vec<String>> {
    let addresses = urls(reader, "monitoring", "[\"http://n1.example.com:8222\"]", value, monitoring)?;
    if addresses.len() != cluster_size {
        reader.mistake(
            value.span(),
            format!(
                "monitoring: it names {} of {cluster_size} servers: name each server of the cluster once, or correct cluster-size",
                addresses.len()
            ),
        );
        return None;
    }
    Some(addresses)
}

fn system(reader: &Reader<'_>, value: &Value<'_>) -> Option<NatsLogin> {
    let wanted = "a table such as { credentials = \"system.creds\" }";
    let table = reader.shaped("system", wanted, value, DeValue::as_table)?;
    let table = Table::new(reader, "system", table, &LOGIN_KEYS);
    if LOGIN_KEYS.iter().all(|key| table.get(key).is_none()) {
        reader.mistake(
            value.span(),
            "system: it has no login: add credentials = \"system.creds\", nkey, or user and password-file, of the system account",
        );
        return None;
    }
    login(reader, "system", &table)
}

#[cfg(test)]
mod tests;
