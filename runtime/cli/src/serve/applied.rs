//! The settings that a run serves with. A reload is compared with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use lastword::{Limits, TenantQuota};
use lastword_config::TokenSettings;
use lastword_events::PluginName;
use lastword_sandbox::Grants;
use sha2::{Digest as _, Sha256};

use crate::config::{Config, PluginEntry};

/// One plugin, without its code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Definition {
    sha256: [u8; 32],
    limits: Limits,
    grants: Grants,
    tenants: Option<Vec<Arc<str>>>,
}

/// The settings that a run serves with.
#[derive(Clone, Debug, Default)]
pub(super) struct Applied {
    pub(super) plugins: BTreeMap<PluginName, Definition>,
    pub(super) quotas: BTreeMap<Arc<str>, TenantQuota>,
    pub(super) tokens: Vec<TokenSettings>,
    /// The settings that need a restart, as text, by their name in the file.
    fixed: Vec<(&'static str, String)>,
}

impl Definition {
    pub(super) fn of(entry: &PluginEntry) -> Self {
        let PluginEntry { component, limits, grants, tenants, .. } = entry;
        let sha256 = Sha256::digest(component).into();
        Self { sha256, limits: *limits, grants: grants.clone(), tenants: tenants.clone() }
    }

    /// Whether both serve the same tenants. A tenant cannot be removed from an installed plugin without an end that the
    /// plugin is not told.
    pub(super) fn serves_as(&self, other: &Self) -> bool {
        self.tenants == other.tenants
    }
}

impl Applied {
    pub(super) fn of(config: &Config, tokens: Vec<TokenSettings>) -> Self {
        let Config { drain, journal, calls, daemon, owner, plugins, quota, tenant_quotas } = config;
        Self {
            plugins: plugins.iter().map(|entry| (entry.name.clone(), Definition::of(entry))).collect(),
            quotas: tenant_quotas.iter().cloned().collect(),
            tokens,
            fixed: vec![
                ("[drain]", format!("{drain:?}")),
                ("[journal]", format!("{journal:?}")),
                ("[calls]", format!("{calls:?}")),
                ("[daemon]", format!("{daemon:?}")),
                ("[owner]", format!("{:?}", owner.keep().collect::<Vec<_>>())),
                ("[quota], for tenants that have none of their own,", format!("{quota:?}")),
            ],
        }
    }

    /// Returns the settings that differ in `next` and need a restart, a sentence each.
    pub(super) fn needs_restart(&self, next: &Self) -> Vec<String> {
        let pairs = self.fixed.iter().zip(&next.fixed);
        let changed = pairs.filter(|((_, before), (_, after))| before != after);
        changed.map(|((name, _), _)| format!("{name} has changed: restart the daemon to apply it")).collect()
    }

    /// Keeps the earlier settings that need a restart.
    pub(super) fn keeping_fixed_of(mut self, before: &Self) -> Self {
        self.fixed.clone_from(&before.fixed);
        self
    }
}
