//! The key of an installed plugin.

use std::fmt;
use std::sync::Arc;

use crate::PluginName;

/// The key of an installed plugin: its name, and its tenant if it is scoped. Two tenants may each have a plugin of the
/// same name. Cheap to clone.
///
/// ```
/// use lastword_events::{PluginKey, PluginName};
///
/// let memory = PluginName::new("memory")?;
/// assert_eq!(PluginKey::from(&memory).to_string(), "memory");
/// assert_eq!(PluginKey::from(memory).scoped("acme").to_string(), "acme/memory");
/// # Ok::<(), lastword_events::FieldError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PluginKey {
    /// The tenant that the plugin belongs to, and that it serves alone. `None` if the plugin is not scoped.
    pub tenant: Option<Arc<str>>,
    /// The name in delivery ids.
    pub name: PluginName,
}

impl PluginKey {
    /// Returns the key of the plugin of this name that belongs to `tenant`.
    #[must_use]
    pub fn scoped(self, tenant: &str) -> Self {
        Self { tenant: Some(tenant.into()), ..self }
    }
}

impl From<PluginName> for PluginKey {
    fn from(name: PluginName) -> Self {
        Self { tenant: None, name }
    }
}

impl From<&PluginName> for PluginKey {
    fn from(name: &PluginName) -> Self {
        name.clone().into()
    }
}

impl fmt::Display for PluginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tenant {
            Some(tenant) => write!(f, "{tenant}/{}", self.name),
            None => self.name.fmt(f),
        }
    }
}
