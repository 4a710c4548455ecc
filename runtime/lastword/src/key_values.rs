use std::sync::Arc;

use lastword_events::PluginName;
use lastword_journal::{Journal, JournalError, Space};

use crate::quota::Quotas;
use crate::sandbox::{KeyValueError, KeyValueUsage, KeyValues};

/// What guests read of a journal's key-value spaces: the joint between the sandbox, which knows no journal, and the journal,
/// which knows no guests. A [`Runtime`](crate::Runtime) makes its own; this is for whoever makes single calls.
#[derive(Clone)]
pub struct JournalKeyValues {
    journal: Arc<dyn Journal>,
    quotas: Arc<Quotas>,
}

impl JournalKeyValues {
    /// Every tenant may store as much as the plugins' own quotas allow.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>) -> Self {
        Self::with_quotas(journal, Arc::default())
    }

    pub(crate) fn with_quotas(journal: Arc<dyn Journal>, quotas: Arc<Quotas>) -> Self {
        Self { journal, quotas }
    }
}

impl KeyValues for JournalKeyValues {
    fn get(&self, tenant: &str, plugin: &PluginName, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.journal.key_value(&space(tenant, plugin), key).map_err(unreadable)
    }

    fn keys(
        &self,
        tenant: &str,
        plugin: &PluginName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, KeyValueError> {
        self.journal.key_value_keys(&space(tenant, plugin), after, limit).map_err(unreadable)
    }

    fn usage(&self, tenant: &str, plugin: &PluginName) -> Result<KeyValueUsage, KeyValueError> {
        let bytes = self.journal.key_value_bytes(&space(tenant, plugin)).map_err(unreadable)?;
        let tenant_left = match self.quotas.of(tenant).key_value_bytes {
            Some(quota) => {
                let stored = self.journal.key_value_tenant_bytes(tenant).map_err(unreadable)?;
                Some(quota.saturating_sub(stored))
            }
            None => None,
        };
        Ok(KeyValueUsage { bytes, tenant_left })
    }
}

fn space(tenant: &str, plugin: &PluginName) -> Space {
    Space { tenant: tenant.into(), plugin: plugin.clone() }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: JournalError) -> KeyValueError {
    KeyValueError(error.to_string())
}
