//! `[quota]` and `[[tenant]]`: the quotas of tenants.

use std::sync::Arc;

use lastword_events::Identity;

use super::reader::{Reader, Table, Value};
use crate::limits::{MAX_CONCURRENT_CALLS, TENANT_KEY_VALUES};

/// A tenant's quota; `None` means unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaSettings {
    /// `concurrent-calls`: calls that run at once.
    pub concurrent_calls: Option<u32>,
    /// `fuel-per-second`: units of fuel.
    pub fuel_per_second: Option<u64>,
    /// `keyvalue`: bytes of keys and values of all its plugins.
    pub key_value_bytes: Option<u64>,
    /// `active-sessions`.
    pub active_sessions: Option<u64>,
    /// `owed-deliveries`.
    pub owed_deliveries: Option<u64>,
}

const KEYS: [&str; 5] = ["concurrent-calls", "fuel-per-second", "keyvalue", "active-sessions", "owed-deliveries"];

/// Reads `[quota]`, or a tenant's own: missing settings are those of `otherwise`.
pub(super) fn read(reader: &Reader<'_>, name: &str, value: &Value<'_>, otherwise: QuotaSettings) -> QuotaSettings {
    let Some(table) = reader.table("quota", value) else { return otherwise };
    let table = Table::new(reader, name, table, &KEYS);
    let count = |key, most| table.get(key).and_then(|v| reader.count(key, v, most));
    let calls = count("concurrent-calls", MAX_CONCURRENT_CALLS).and_then(|n| u32::try_from(n).ok());
    let key_values = table.get("keyvalue").and_then(|v| reader.size("keyvalue", v, &TENANT_KEY_VALUES));
    QuotaSettings {
        concurrent_calls: calls.or(otherwise.concurrent_calls),
        fuel_per_second: count("fuel-per-second", u64::MAX).or(otherwise.fuel_per_second),
        key_value_bytes: key_values.or(otherwise.key_value_bytes),
        active_sessions: count("active-sessions", u64::MAX).or(otherwise.active_sessions),
        owed_deliveries: count("owed-deliveries", u64::MAX).or(otherwise.owed_deliveries),
    }
}

/// Reads every `[tenant.NAME.quota]`. A tenant that no plugin serves may have one, because its sessions count all the
/// same.
pub(super) fn read_tenants(
    reader: &Reader<'_>,
    value: &Value<'_>,
    otherwise: QuotaSettings,
) -> Vec<(Arc<str>, QuotaSettings)> {
    let Some(tenants) = reader.table("tenant", value) else { return Vec::new() };
    let mut quotas = Vec::new();
    for (key, value) in tenants {
        let tenant = key.get_ref().as_ref();
        if let Err(error) = Identity::new(tenant, "any").validate() {
            reader.mistake(key.span(), format!("tenant {tenant:?}: {error}"));
        }
        let name = format!("[tenant.{tenant}]");
        let Some(table) = reader.table(&format!("tenant.{tenant}"), value) else { continue };
        let table = Table::new(reader, &name, table, &["quota"]);
        let quota = |value| read(reader, &format!("[tenant.{tenant}.quota]"), value, otherwise);
        quotas.extend(table.get("quota").map(|value| (Arc::from(tenant), quota(value))));
    }
    quotas
}
