//! Which tenants a plugin serves.

use std::sync::Arc;

/// The tenants that a plugin serves. A scoped plugin (`Plugin::scoped`) serves its own tenant, and no other.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Tenants {
    /// Every tenant.
    #[default]
    Every,
    /// These tenants.
    Only(Vec<Arc<str>>),
}

impl Tenants {
    /// Whether `tenant` is among these tenants.
    #[must_use]
    pub fn serves(&self, tenant: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Only(tenants) => tenants.iter().any(|t| **t == *tenant),
        }
    }

    /// Whether no other tenant than `tenant` is named.
    pub(crate) fn are_within(&self, tenant: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Only(tenants) => tenants.iter().all(|t| **t == *tenant),
        }
    }
}
