//! Fills in the sandbox's defaults for settings that the configuration omits.

use std::path::PathBuf;
use std::sync::Arc;

use lastword::TenantQuota;
use lastword_config::{GrantSettings, LimitSettings, PluginSettings, QuotaSettings, TranscriptSettings};
use lastword_events::PluginName;
use lastword_sandbox::{Grants, KeyValueGrant, Limits, TranscriptGrant, default_fuel};

/// One `[[plugin]]`, or a plugin that the command line names.
#[derive(Debug)]
pub(crate) struct PluginEntry {
    pub(crate) name: PluginName,
    /// The component's file, for messages.
    pub(crate) path: PathBuf,
    /// The content of the file when its pin was checked. This content is run.
    pub(crate) component: Vec<u8>,
    /// `None` is every tenant.
    pub(crate) tenants: Option<Vec<Arc<str>>>,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    /// The entry's place in the configuration, e.g. `lastword.toml:4:8`.
    pub(crate) place: String,
}

impl From<PluginSettings> for PluginEntry {
    fn from(said: PluginSettings) -> Self {
        let PluginSettings { name, path, component, tenants, limits, grants, place } = said;
        Self { name, path, component, tenants, limits: call_limits(limits), grants: granted(grants), place }
    }
}

fn call_limits(said: LimitSettings) -> Limits {
    let default = Limits::default();
    let deadline = said.deadline.unwrap_or(default.deadline);
    let memory = said.memory.unwrap_or(default.memory);
    Limits {
        fuel: said.fuel.unwrap_or_else(|| default_fuel(deadline)),
        deadline,
        memory,
        total_memory: said.total_memory.unwrap_or(default.total_memory.max(memory)),
        log_bytes: said.log_bytes.unwrap_or(default.log_bytes),
        host_calls: said.host_calls.unwrap_or(default.host_calls),
        random_bytes: said.random_bytes.unwrap_or(default.random_bytes),
        handles: said.handles.unwrap_or(default.handles),
        http_requests: said.http_requests.unwrap_or(default.http_requests),
        http_request_bytes: said.http_request_bytes.unwrap_or(default.http_request_bytes),
        http_response_bytes: said.http_response_bytes.unwrap_or(default.http_response_bytes),
        key_value_keys: said.key_value_keys.unwrap_or(default.key_value_keys),
        key_value_bytes: said.key_value_bytes.unwrap_or(default.key_value_bytes),
    }
}

fn granted(said: GrantSettings) -> Grants {
    let GrantSettings { config, key_value_quota, http, transcript } = said;
    Grants {
        config,
        key_value: key_value_quota.map(|quota| KeyValueGrant { quota }),
        http,
        transcript: transcript.map(|TranscriptSettings { root, max }| TranscriptGrant { root, max }),
    }
}

pub(super) fn quota(said: QuotaSettings) -> TenantQuota {
    let QuotaSettings { concurrent_calls, fuel_per_second, key_value_bytes, active_sessions, owed_deliveries } = said;
    TenantQuota { concurrent_calls, fuel_per_second, key_value_bytes, active_sessions, owed_deliveries }
}
