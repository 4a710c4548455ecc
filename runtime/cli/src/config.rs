//! Reads `lastword.toml` from a file or stdin, with the components that it names, and fills in our defaults.
//! [`lastword_config`] defines the settings.

pub(crate) mod check;
mod component;
mod settings;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lastword::TenantQuota;
use lastword_config::{Calls, Daemon, Drain, Journal, Mistakes, Owner, Source, TokenSettings};
use thiserror::Error;

pub(crate) use component::read_component;
pub(crate) use lastword_config::name_of;
pub(crate) use settings::PluginEntry;

use crate::directories;
use crate::inputs;
use crate::limits::MAX_CONFIG_BYTES;
use lastword_events::text::printable_path;
use settings::quota;

/// The settings of the file, with defaults for the missing ones.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub(crate) drain: Drain,
    /// The journal's location, if the file names one.
    pub(crate) journal: Option<Journal>,
    /// The limits of all running calls together.
    pub(crate) calls: Calls,
    pub(crate) daemon: Daemon,
    pub(crate) owner: Owner,
    pub(crate) plugins: Vec<PluginEntry>,
    /// The quota of every tenant without one of its own.
    pub(crate) quota: TenantQuota,
    pub(crate) tenant_quotas: Vec<(Arc<str>, TenantQuota)>,
}

/// Returns the user's own configuration, `lastword/lastword.toml` in the XDG configuration directory, if there is one.
/// The daemon and the commands use it when no other is named.
pub(crate) fn users_own() -> Option<PathBuf> {
    let path = directories::config()?.join("lastword").join("lastword.toml");
    path.is_file().then_some(path)
}

/// Why there is no configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration {}: {source}", printable_path(path))]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the configuration {} has more than {MAX_CONFIG_BYTES} bytes: is it another file?", printable_path(path))]
    TooLarge { path: PathBuf },
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}

impl Config {
    /// Reads `path`, or stdin for `-`, and the components that it names.
    ///
    /// # Errors
    /// Lists every mistake in the file.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let said = lastword_config::Config::parse(&source(path, &read_text(path)?))?;
        Ok(Self {
            drain: said.drain,
            journal: said.journal,
            calls: said.calls,
            daemon: said.daemon,
            owner: said.owner,
            plugins: said.plugins.into_iter().map(PluginEntry::from).collect(),
            quota: quota(said.quota),
            tenant_quotas: said.tenant_quotas.into_iter().map(|(tenant, own)| (tenant, quota(own))).collect(),
        })
    }

    /// Reads only the journal's settings of `path`, for commands that open a journal: the plugins may be gone
    /// meanwhile.
    ///
    /// # Errors
    /// Mistakes in those settings, or a file that cannot be read.
    pub(crate) fn load_journal(path: &Path) -> Result<Option<Journal>, ConfigError> {
        Ok(lastword_config::Config::parse_journal(&source(path, &read_text(path)?))?)
    }

    /// Reads only the daemon's settings of `path`, for commands that talk to a daemon.
    ///
    /// # Errors
    /// Mistakes in those settings, or a file that cannot be read.
    pub(crate) fn load_daemon(path: &Path) -> Result<Option<Daemon>, ConfigError> {
        Ok(lastword_config::Config::parse_daemon(&source(path, &read_text(path)?))?)
    }

    /// Reads a file of tokens.
    ///
    /// # Errors
    /// Lists every mistake in the file.
    pub(crate) fn load_tokens(path: &Path) -> Result<Vec<TokenSettings>, ConfigError> {
        Ok(TokenSettings::parse_all(&source(path, &read_text(path)?))?)
    }
}

fn source<'a>(path: &'a Path, text: &'a str) -> Source<'a> {
    Source { path, directory: inputs::directory_of(path), text, read_component: &named_component }
}

fn named_component(path: &Path) -> Result<Vec<u8>, String> {
    read_component(path).map_err(|error| error.to_string())
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
