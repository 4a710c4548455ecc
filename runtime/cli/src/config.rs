//! `lastword.toml`: which plugins, with which limits, and how to drain.
//!
//! ```toml
//! [drain]
//! enabled = true
//! budget = "2s"
//!
//! [journal]
//! path = "/var/lib/lastword/journal.db"    # optional, relative to this file
//!
//! [owner]
//! keep = ["compact_summary"]               # of its payloads, beside what is kept by default: with --from
//!
//! [[plugin]]
//! name = "memory"
//! component = "plugins/memory.wasm"        # relative to this file
//! sha256 = "9f86d081884c7d65…"             # optional: the file must be this one
//! tenants = ["acme"]                       # optional: every tenant when left out
//! limits = { fuel = 100_000_000_000, deadline = "500ms", memory = "64MiB" }
//! config = { greeting = "hello" }          # what it is granted: nothing by default
//! keyvalue = { quota = "1MiB" }
//! http = ["https://api.example.com", "http://127.0.0.1:37777"]
//! transcript = { root = "/var/lib/agents/{tenant}", max = "16MiB" }
//!
//! [quota]                                  # of every tenant: no limit by default
//! active-sessions = 10_000
//!
//! [tenant.acme.quota]                      # its own; what it leaves out is taken from [quota]
//! active-sessions = 50_000
//! ```
//!
//! Every mistake that can be found is reported at once, each with file, line and column.

mod drain;
mod grants;
mod journal;
mod limits;
#[cfg(test)]
mod mutations;
mod owner;
mod plugin;
mod quota;
mod reader;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lastword::TenantQuota;
use lastword_events::PluginName;
use thiserror::Error;
use toml::de::DeTable;

pub(crate) use owner::Owner;
pub(crate) use plugin::{PluginEntry, read_component};

use crate::inputs;
use crate::limits::{DEFAULT_DRAIN_BUDGET, MAX_CONFIG_BYTES};
use crate::quote::shown_path;
use reader::{Reader, Table};

/// What the file says; the defaults where it says nothing.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub(crate) drain: Drain,
    /// Where the journal is, if it is said: a path, or the word `memory`.
    pub(crate) journal: Option<PathBuf>,
    pub(crate) owner: Owner,
    pub(crate) plugins: Vec<PluginEntry>,
    /// Of every tenant that has none of its own.
    pub(crate) quota: TenantQuota,
    pub(crate) tenant_quotas: Vec<(Arc<str>, TenantQuota)>,
}

/// `[drain]`.
#[derive(Debug)]
pub(crate) struct Drain {
    /// Whether sessions are ended at shutdown, or stay owed.
    pub(crate) enabled: bool,
    /// The time of the whole drain.
    pub(crate) budget: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { enabled: true, budget: DEFAULT_DRAIN_BUDGET }
    }
}

/// Why there is no configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration {}: {source}", shown_path(path))]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the configuration {} has more than {MAX_CONFIG_BYTES} bytes: is it another file?", shown_path(path))]
    TooLarge { path: PathBuf },
    /// One line for each mistake, in the order of the file.
    #[error("{}", .0.join("\n"))]
    Mistakes(Vec<String>),
}

impl Config {
    /// Reads `path`, or stdin for `-`, and the components that it names.
    ///
    /// # Errors
    /// Lists every mistake in it.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(path, &read_text(path)?)
    }

    /// What `path` says of the journal alone, for whoever looks into one: the plugins may be gone meanwhile.
    ///
    /// # Errors
    /// Mistakes in that part of it, or when it cannot be read.
    pub(crate) fn load_journal(path: &Path) -> Result<Option<PathBuf>, ConfigError> {
        let text = read_text(path)?;
        let reader = Reader::new(path, &text);
        let (root, _) = DeTable::parse_recoverable(&text);
        let value = root.get_ref().iter().find(|(key, _)| key.get_ref() == "journal").map(|(_, value)| value);
        let journal = value.and_then(|value| journal::read(&reader, value));
        match reader.into_mistakes() {
            mistakes if mistakes.is_empty() => Ok(journal),
            mistakes => Err(ConfigError::Mistakes(mistakes)),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let reader = Reader::new(path, text);
        let (root, errors) = DeTable::parse_recoverable(text);
        let config = if errors.is_empty() {
            read(&reader, root.get_ref())
        } else {
            for error in errors {
                reader.mistake(error.span().unwrap_or_default(), error.message());
            }
            Self::default()
        };
        match reader.into_mistakes() {
            mistakes if mistakes.is_empty() => Ok(config),
            mistakes => Err(ConfigError::Mistakes(mistakes)),
        }
    }
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let text = inputs::read_text(path, MAX_CONFIG_BYTES).map_err(unreadable)?;
    if u64::try_from(text.len()).is_ok_and(|read| read > MAX_CONFIG_BYTES) {
        return Err(ConfigError::TooLarge { path: path.to_owned() });
    }
    String::from_utf8(text).map_err(|_| {
        let what = "it is no text in UTF-8: is it another file?";
        unreadable(std::io::Error::new(std::io::ErrorKind::InvalidData, what))
    })
}

fn read(reader: &Reader<'_>, root: &DeTable<'_>) -> Config {
    let root = Table::new(reader, "the file", root, &["drain", "journal", "owner", "plugin", "quota", "tenant"]);
    let drain = root.get("drain").and_then(|value| drain::read(reader, value)).unwrap_or_default();
    let journal = root.get("journal").and_then(|value| journal::read(reader, value));
    let owner = root.get("owner").and_then(|value| owner::read(reader, value)).unwrap_or_default();
    let plugins = root.get("plugin").map(|value| plugin::read_all(reader, value)).unwrap_or_default();
    let quota = root.get("quota").map(|value| quota::read(reader, "[quota]", value, TenantQuota::default()));
    let quota = quota.unwrap_or_default();
    let tenant_quotas = root.get("tenant").map(|value| quota::read_tenants(reader, value, quota)).unwrap_or_default();
    Config { drain, journal, owner, plugins, quota, tenant_quotas }
}

/// The name that a component's path suggests.
pub(crate) fn name_of(path: &Path) -> Result<PluginName, lastword_events::FieldError> {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    PluginName::from_file_stem(&stem)
}
