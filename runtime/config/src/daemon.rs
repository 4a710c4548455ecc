//! `[daemon]`: the listeners of `lastword serve`, the loss of owners, and the stop.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::reader::{Reader, Table, Value};
use crate::limits::DEFAULT_OWNER_GRACE;
use crate::units;

/// `[daemon]`. Missing settings have defaults, and each path is relative to the file that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// The Unix socket.
    pub socket: Option<PathBuf>,
    /// An address for TCP as well.
    pub listen: Option<SocketAddr>,
    /// The file of the tokens for TCP.
    pub tokens: Option<PathBuf>,
    /// Host names by which browsers may request the page, besides those of this machine.
    pub hosts: Vec<String>,
    /// The files for TLS.
    pub tls: Option<TlsFiles>,
    /// The time for which a lost owner may come back before its sessions end.
    pub owner_grace: Duration,
    /// The silence, by owner kind, after which a session ends.
    pub idle_after: BTreeMap<String, Duration>,
    /// The treatment of active sessions when the daemon stops.
    pub on_stop: OnStop,
    /// Whether metrics name tenants.
    pub metrics_tenants: bool,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            socket: None,
            listen: None,
            tokens: None,
            hosts: Vec::new(),
            tls: None,
            owner_grace: DEFAULT_OWNER_GRACE,
            idle_after: BTreeMap::new(),
            on_stop: OnStop::default(),
            metrics_tenants: false,
        }
    }
}

/// The files for TLS, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The treatment of active sessions when the daemon stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStop {
    /// The sessions end, within the drain's budget.
    #[default]
    Drain,
    /// The sessions stay active, and the next daemon on the journal continues those whose owners live.
    Keep,
}

const KEYS: [&str; 9] =
    ["hosts", "idle-after", "listen", "metrics-tenants", "on-stop", "owner-grace", "socket", "tls", "tokens"];

pub(super) fn read(reader: &Reader<'_>, value: &Value<'_>) -> Option<Daemon> {
    let table = Table::new(reader, "[daemon]", reader.table("daemon", value)?, &KEYS);
    let file = |key, example| table.get(key).and_then(|value| reader.path(key, example, value));
    let default = Daemon::default();
    let grace = |value| reader.parsed("owner-grace", "a string such as \"2s\"", value, units::duration);
    let metrics_tenants = table.get("metrics-tenants").and_then(|value| reader.boolean("metrics-tenants", value));
    let daemon = Daemon {
        socket: file("socket", "lastword.sock"),
        listen: table.get("listen").and_then(|value| listen(reader, value)),
        tokens: file("tokens", "tokens.toml"),
        hosts: table.get("hosts").map(|value| hosts(reader, value)).unwrap_or_default(),
        tls: table.get("tls").and_then(|value| tls(reader, value)),
        owner_grace: table.get("owner-grace").and_then(grace).unwrap_or(default.owner_grace),
        idle_after: table.get("idle-after").map(|value| idle_after(reader, value)).unwrap_or_default(),
        on_stop: table.get("on-stop").and_then(|value| on_stop(reader, value)).unwrap_or_default(),
        metrics_tenants: metrics_tenants.unwrap_or(default.metrics_tenants),
    };
    check(reader, &table, &daemon);
    Some(daemon)
}

/// Reports contradicting settings.
fn check(reader: &Reader<'_>, table: &Table<'_, '_>, daemon: &Daemon) {
    let at = |key| table.get(key).map(Value::span).unwrap_or_default();
    let Some(address) = daemon.listen else { return };
    if daemon.tokens.is_none() && table.get("tokens").is_none() {
        reader.mistake(
            at("listen"),
            "listen: nobody could come in without a token: add tokens = \"tokens.toml\", relative to this file",
        );
    }
    if !address.ip().is_loopback() && table.get("tls").is_none() {
        reader.mistake(
            at("listen"),
            format!(
                "listen: tokens would cross the network for everybody to read: add tls = {{ certificate = \"cert.pem\", key = \
                 \"key.pem\" }}, or listen on 127.0.0.1:{}",
                address.port()
            ),
        );
    }
}

fn listen(reader: &Reader<'_>, value: &Value<'_>) -> Option<SocketAddr> {
    reader.parsed("listen", "an address such as \"127.0.0.1:7417\"", value, address)
}

/// Parses an address with a port, such as `127.0.0.1:7417` or `[::1]:7417`. Does not look up names, because their
/// addresses may change.
///
/// # Errors
/// When the text is no address.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is no address with a port: write one such as \"127.0.0.1:7417\""))
}

fn hosts(reader: &Reader<'_>, value: &Value<'_>) -> Vec<String> {
    let Some(list) = value.get_ref().as_array() else {
        reader.mistake(value.span(), "\"hosts\" must be a list such as [\"lastword.example.com\"]");
        return Vec::new();
    };
    list.iter().filter_map(|value| reader.parsed("hosts", "a list of strings", value, host)).collect()
}

/// Parses a host name as browsers send it. The owner of a name controls what its pages may do here, so wildcards are
/// refused.
fn host(text: &str) -> Result<String, String> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let is_name = !text.is_empty() && text.chars().all(is_of_name);
    if is_name || text.parse::<IpAddr>().is_ok() {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!("{text:?} is no name: write one without a scheme, a port or a *, such as \"lastword.example.com\""))
}

fn tls(reader: &Reader<'_>, value: &Value<'_>) -> Option<TlsFiles> {
    let table = Table::new(reader, "tls", reader.table("tls", value)?, &["certificate", "key"]);
    let file = |key: &'static str, example: &str| {
        let found = table.get(key);
        if found.is_none() {
            reader
                .mistake(value.span(), format!("tls: it has no {key}: add {key} = {example:?}, relative to this file"));
        }
        reader.path(key, example, found?)
    };
    let (certificate, key) = (file("certificate", "cert.pem"), file("key", "key.pem"));
    Some(TlsFiles { certificate: certificate?, key: key? })
}

fn idle_after(reader: &Reader<'_>, value: &Value<'_>) -> BTreeMap<String, Duration> {
    let Some(kinds) = reader.table("idle-after", value) else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for (kind, value) in kinds {
        let kind = kind.get_ref();
        let key = format!("idle-after.{kind}");
        let time = reader.parsed(&key, "a string such as \"4h\"", value, units::long_duration);
        found.extend(time.map(|time| ((**kind).to_owned(), time)));
    }
    found
}

fn on_stop(reader: &Reader<'_>, value: &Value<'_>) -> Option<OnStop> {
    let word = |text: &str| match text {
        "drain" => Ok(OnStop::Drain),
        "keep" => Ok(OnStop::Keep),
        other => Err(format!("{other:?} is neither \"drain\" nor \"keep\"")),
    };
    reader.parsed("on-stop", "\"drain\" or \"keep\"", value, word)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Config, Mistakes, Source};

    fn parse(text: &str) -> Result<Daemon, Mistakes> {
        let path = Path::new("/etc/lastword/lastword.toml");
        let directory = Path::new("/etc/lastword");
        let text = format!("[daemon]\n{text}");
        let source = Source { path, directory, text: &text, read_component: &|_| Ok(Vec::new()) };
        Config::parse(&source).map(|config| config.daemon)
    }

    #[test]
    fn what_is_left_out_has_its_default_and_paths_are_relative_to_the_file() {
        assert_eq!(parse("").unwrap(), Daemon::default());
        let whole = parse(
            "socket = \"run/lastword.sock\"\nlisten = \"0.0.0.0:7417\"\ntokens = \"tokens.toml\"\n\
             tls = { certificate = \"cert.pem\", key = \"/keys/key.pem\" }\nowner-grace = \"500ms\"\n\
             hosts = [\"Lastword.example.com\", \"::1\"]\n\
             idle-after = { claude-code = \"4h\", codex-cli = \"24h\" }\non-stop = \"keep\"\nmetrics-tenants = true\n",
        );
        let hour = Duration::from_secs(60 * 60);
        let expected = Daemon {
            socket: Some("/etc/lastword/run/lastword.sock".into()),
            listen: Some("0.0.0.0:7417".parse().unwrap()),
            tokens: Some("/etc/lastword/tokens.toml".into()),
            hosts: vec!["lastword.example.com".to_owned(), "::1".to_owned()],
            tls: Some(TlsFiles { certificate: "/etc/lastword/cert.pem".into(), key: "/keys/key.pem".into() }),
            owner_grace: Duration::from_millis(500),
            idle_after: [("claude-code".to_owned(), 4 * hour), ("codex-cli".to_owned(), 24 * hour)].into(),
            on_stop: OnStop::Keep,
            metrics_tenants: true,
        };
        assert_eq!(whole.unwrap(), expected);
    }

    #[test]
    fn every_mistake_says_what_to_write() {
        for (text, said) in [
            ("socket = \"\"", "2:10: socket: it is empty: write a path such as \"lastword.sock\""),
            ("listen = \"localhost\"", "2:10: listen: \"localhost\" is no address with a port"),
            ("listen = \"127.0.0.1:1\"", "2:10: listen: nobody could come in without a token: add tokens = "),
            ("tokens = \"t\"\nlisten = \"10.0.0.1:1\"", "3:10: listen: tokens would cross the network"),
            ("hosts = \"a\"", "2:9: \"hosts\" must be a list such as"),
            ("hosts = [\"http://a:1\"]", "2:10: hosts: \"http://a:1\" is no name: write one without a scheme"),
            ("hosts = [\"*.a\"]", "hosts: \"*.a\" is no name"),
            ("tls = { key = \"k\" }", "2:7: tls: it has no certificate: add certificate = \"cert.pem\""),
            ("owner-grace = 2", "2:15: \"owner-grace\" must be a string such as \"2s\", not the number 2"),
            ("idle-after = { goose = \"4\" }", "2:24: idle-after.goose: \"4\" has no unit"),
            (
                "idle-after = { goose = \"721h\" }",
                "2:24: idle-after.goose: \"721h\" is too long: write at most \"720h\"",
            ),
            ("on-stop = \"hold\"", "2:11: on-stop: \"hold\" is neither \"drain\" nor \"keep\""),
            ("on_stop = \"keep\"", "2:1: unknown key \"on_stop\" in [daemon]"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
