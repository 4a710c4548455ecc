//! A whole configuration.

use std::sync::Arc;

use toml::de::DeTable;

use super::calls::{self, Calls};
use super::daemon::{self, Daemon};
use super::drain::{self, Drain};
use super::journal::{self, Journal};
use super::owner::{self, Owner};
use super::plugin::{self, PluginSettings};
use super::quota::{self, QuotaSettings};
use super::reader::{Reader, Table, Value};
use super::source::{Mistakes, Source};

/// The content of the file, with defaults for missing settings.
#[derive(Debug, Default)]
pub struct Config {
    /// `[drain]`.
    pub drain: Drain,
    /// `[journal]`, if the file has it.
    pub journal: Option<Journal>,
    /// `[calls]`.
    pub calls: Calls,
    /// `[daemon]`.
    pub daemon: Daemon,
    /// `[owner]`.
    pub owner: Owner,
    /// Each `[[plugin]]`, in the order of the file.
    pub plugins: Vec<PluginSettings>,
    /// The quota of every tenant without one of its own.
    pub quota: QuotaSettings,
    /// `[tenant.NAME.quota]`, with missing settings from `[quota]`.
    pub tenant_quotas: Vec<(Arc<str>, QuotaSettings)>,
}

impl Config {
    /// Reads the whole file, and the components that it names.
    ///
    /// # Errors
    /// Lists every mistake in the file.
    pub fn parse(source: &Source<'_>) -> Result<Self, Mistakes> {
        let reader = Reader::new(source);
        let (root, errors) = DeTable::parse_recoverable(source.text);
        let config = if errors.is_empty() {
            read(&reader, root.get_ref())
        } else {
            for error in errors {
                reader.mistake(error.span().unwrap_or_default(), error.message());
            }
            Self::default()
        };
        reader.finish(config)
    }

    /// Reads only the journal's settings, for commands that open a journal: the plugins may be gone meanwhile.
    ///
    /// # Errors
    /// Lists every mistake in these settings.
    pub fn parse_journal(source: &Source<'_>) -> Result<Option<Journal>, Mistakes> {
        Self::parse_one(source, "journal", journal::read)
    }

    /// Reads only the daemon's settings, for commands that talk to a daemon.
    ///
    /// # Errors
    /// Lists every mistake in these settings.
    pub fn parse_daemon(source: &Source<'_>) -> Result<Option<Daemon>, Mistakes> {
        Self::parse_one(source, "daemon", daemon::read)
    }

    fn parse_one<T>(
        source: &Source<'_>,
        part: &str,
        read: impl FnOnce(&Reader<'_>, &Value<'_>) -> Option<T>,
    ) -> Result<Option<T>, Mistakes> {
        let reader = Reader::new(source);
        let (root, _) = DeTable::parse_recoverable(source.text);
        let value = root.get_ref().iter().find(|(key, _)| key.get_ref() == part).map(|(_, value)| value);
        let found = value.and_then(|value| read(&reader, value));
        reader.finish(found)
    }
}

fn read(reader: &Reader<'_>, root: &DeTable<'_>) -> Config {
    let root = Table::new(
        reader,
        "the file",
        root,
        &["calls", "daemon", "drain", "journal", "owner", "plugin", "quota", "tenant"],
    );
    let drain = root.get("drain").and_then(|value| drain::read(reader, value)).unwrap_or_default();
    let journal = root.get("journal").and_then(|value| journal::read(reader, value));
    let calls = root.get("calls").and_then(|value| calls::read(reader, value)).unwrap_or_default();
    let daemon = root.get("daemon").and_then(|value| daemon::read(reader, value)).unwrap_or_default();
    let owner = root.get("owner").and_then(|value| owner::read(reader, value)).unwrap_or_default();
    let plugins = root.get("plugin").map(|value| plugin::read_all(reader, value)).unwrap_or_default();
    let quota = root.get("quota").map(|value| quota::read(reader, "[quota]", value, QuotaSettings::default()));
    let quota = quota.unwrap_or_default();
    let tenant_quotas = root.get("tenant").map(|value| quota::read_tenants(reader, value, quota)).unwrap_or_default();
    Config { drain, journal, calls, daemon, owner, plugins, quota, tenant_quotas }
}
