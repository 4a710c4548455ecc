//! Key-value storage, between the sandbox and the journal.

use std::sync::Arc;

use lastword_events::PluginName;
use lastword_journal::{Journal, JournalError, Space};

use crate::quota::Quotas;
use crate::sandbox::{KeyValueError, KeyValueUsage, KeyValues};

/// What guests read of a journal's key-value spaces. It connects the sandbox, which knows no journal, with the journal, which knows no
/// guests. A [`Runtime`](crate::Runtime) makes its own. This type is for a program that makes single calls.
#[derive(Clone)]
pub struct JournalKeyValues {
    journal: Arc<dyn Journal>,
    quotas: Arc<Quotas>,
}

impl JournalKeyValues {
    /// Sets no quota for tenants: the plugins' own quotas are the only limit.
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

    fn value_len(&self, tenant: &str, plugin: &PluginName, key: &str) -> Result<Option<u64>, KeyValueError> {
        self.journal.key_value_len(&space(tenant, plugin), key).map_err(unreadable)
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use lastword_events::{Change, EventKey, KEY_OVERHEAD_BYTES as KEY};
    use lastword_journal::{Completion, DeliveryKey, KeyValueChanges, MemoryJournal, Settlement};

    use super::*;
    use crate::quota::TenantQuota;

    #[test]
    fn a_guest_is_told_what_its_tenant_may_still_store() {
        let plugin = PluginName::new("p").unwrap();
        let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::new());
        let delivery = DeliveryKey { sequence: 1, event: EventKey::End, plugin: plugin.clone() };
        let changes = vec![("key".to_owned(), Change::Set(b"12345".to_vec()))];
        let changes = KeyValueChanges { space: space("t", &plugin), plugin_quota: None, tenant_quota: None, changes };
        let changes = Some(Box::new(changes));
        let made = Completion { delivery, attempt: 1, settlement: Settlement::Delivered, changes };
        drop(journal.complete(&"t".into(), vec![made]));
        let default = TenantQuota { key_value_bytes: Some(20 + KEY), ..TenantQuota::default() };
        let quotas = Quotas::new(default, HashMap::new());
        let read = JournalKeyValues::with_quotas(journal.clone(), Arc::new(quotas));
        let usage = read.usage("t", &plugin).unwrap();
        assert_eq!((usage.bytes, usage.tenant_left), (8 + KEY, Some(12)));
        assert_eq!(read.get("t", &plugin, "key").unwrap(), Some(b"12345".to_vec()));
        assert_eq!(read.value_len("t", &plugin, "key").unwrap(), Some(5));
        assert_eq!(read.keys("t", &plugin, None, 9).unwrap(), ["key"]);
        let usage = JournalKeyValues::new(journal).usage("t", &plugin).unwrap();
        assert_eq!(usage.tenant_left, None);
    }
}
