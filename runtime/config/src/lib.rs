//! `lastword.toml`: which plugins, with which limits, and how to drain. What the file says, and every mistake in it; what it
//! leaves out is left out, and who uses it has defaults.
//!
//! ```toml
//! [drain]
//! enabled = true
//! budget = "2s"
//!
//! [journal]
//! path = "/var/lib/lastword/journal.db"    # optional, relative to this file
//!
//! [calls]
//! memory = "4GiB"                          # of all calls under way together; half of the machine's when left out
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
//!
//! It opens no file and knows no engine: a [`Source`] has the text, and hands out the components that it names.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod call_limits;
mod calls;
mod drain;
mod grants;
mod journal;
pub mod limits;
mod owner;
mod plugin;
mod quota;
mod reader;
pub mod units;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lastword_events::{FieldError, PluginName};
use thiserror::Error;
use toml::de::DeTable;

pub use call_limits::LimitSettings;
pub use grants::{GrantSettings, TranscriptSettings, check_config, check_destinations, destination};
pub use journal::MEMORY;
pub use owner::Owner;
pub use plugin::PluginSettings;
pub use quota::QuotaSettings;

use limits::DEFAULT_DRAIN_BUDGET;
use reader::{Reader, Table};

/// Reads the component at a path that the file names, or says why it cannot.
pub type ReadComponent<'a> = &'a dyn Fn(&Path) -> Result<Vec<u8>, String>;

/// A configuration's text, and what it takes to understand it.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// What messages call the file.
    pub path: &'a Path,
    /// What paths in it are relative to.
    pub directory: &'a Path,
    /// The file's text.
    pub text: &'a str,
    /// The components that it names.
    pub read_component: ReadComponent<'a>,
}

/// What the file says; the defaults where it says nothing.
#[derive(Debug, Default)]
pub struct Config {
    /// `[drain]`.
    pub drain: Drain,
    /// Where the journal is, if it is said: a path, or the word [`MEMORY`].
    pub journal: Option<PathBuf>,
    /// `[calls]`.
    pub calls: Calls,
    /// `[owner]`.
    pub owner: Owner,
    /// Each `[[plugin]]`, in the order of the file.
    pub plugins: Vec<PluginSettings>,
    /// Of every tenant that has none of its own.
    pub quota: QuotaSettings,
    /// `[tenant.NAME.quota]`, with what it takes from `[quota]`.
    pub tenant_quotas: Vec<(Arc<str>, QuotaSettings)>,
}

/// `[drain]`.
#[derive(Debug)]
pub struct Drain {
    /// Whether sessions are ended at shutdown, or stay owed.
    pub enabled: bool,
    /// The time of the whole drain.
    pub budget: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { enabled: true, budget: DEFAULT_DRAIN_BUDGET }
    }
}

/// `[calls]`: what all calls under way have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Bytes of memory; half of what the machine has when it is not said.
    pub memory: Option<u64>,
}

/// What is wrong with a configuration: one line for each mistake, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .0.join("\n"))]
pub struct Mistakes(pub Vec<String>);

impl Config {
    /// Reads all of it, and the components that it names.
    ///
    /// # Errors
    /// Lists every mistake in it.
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

    /// What it says of the journal alone, for commands that look into one: the plugins may be gone meanwhile.
    ///
    /// # Errors
    /// Lists every mistake in that part of it.
    pub fn parse_journal(source: &Source<'_>) -> Result<Option<PathBuf>, Mistakes> {
        let reader = Reader::new(source);
        let (root, _) = DeTable::parse_recoverable(source.text);
        let value = root.get_ref().iter().find(|(key, _)| key.get_ref() == "journal").map(|(_, value)| value);
        let journal = value.and_then(|value| journal::read(&reader, value));
        reader.finish(journal)
    }
}

fn read(reader: &Reader<'_>, root: &DeTable<'_>) -> Config {
    let root =
        Table::new(reader, "the file", root, &["calls", "drain", "journal", "owner", "plugin", "quota", "tenant"]);
    let drain = root.get("drain").and_then(|value| drain::read(reader, value)).unwrap_or_default();
    let journal = root.get("journal").and_then(|value| journal::read(reader, value));
    let calls = root.get("calls").and_then(|value| calls::read(reader, value)).unwrap_or_default();
    let owner = root.get("owner").and_then(|value| owner::read(reader, value)).unwrap_or_default();
    let plugins = root.get("plugin").map(|value| plugin::read_all(reader, value)).unwrap_or_default();
    let quota = root.get("quota").map(|value| quota::read(reader, "[quota]", value, QuotaSettings::default()));
    let quota = quota.unwrap_or_default();
    let tenant_quotas = root.get("tenant").map(|value| quota::read_tenants(reader, value, quota)).unwrap_or_default();
    Config { drain, journal, calls, owner, plugins, quota, tenant_quotas }
}

/// The name that a component's path suggests.
///
/// # Errors
/// When there is nothing in it that a plugin can be called.
pub fn name_of(path: &Path) -> Result<PluginName, FieldError> {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    PluginName::from_file_stem(&stem)
}
