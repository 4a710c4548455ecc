//! Why a change of plugins is refused.

use lastword_events::PluginKey;
use lastword_journal::JournalError;
use thiserror::Error;

use crate::installed::Conflict;

/// A change of the installed plugins, or of a quota, that is not made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InstallError {
    /// A tenant would have two plugins of this name, so that a delivery id would not say which of them is meant. Two plugins without a
    /// scope cannot have the same name in any case.
    #[error("a plugin called {0} is installed already: replace it, or give this one another name")]
    SamePluginName(PluginKey),
    /// A scoped plugin was to be installed for other tenants than its own.
    #[error("the plugin {0} serves its own tenant only: install it for that one, or without a scope")]
    OtherTenants(PluginKey),
    /// No such plugin is installed.
    #[error("no plugin called {0} is installed")]
    NotInstalled(PluginKey),
    /// A drain has begun, or the runtime was closed or detached: the plugins that are installed by then stay so.
    #[error("the sessions are being drained: what is installed stays as it is; change it at the next run")]
    Draining,
    /// The deliveries that were owed could not be recorded as dropped. The plugin is uninstalled all the same.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<Conflict> for InstallError {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::SamePluginName(key) => Self::SamePluginName(key),
            Conflict::OtherTenants(key) => Self::OtherTenants(key),
        }
    }
}
