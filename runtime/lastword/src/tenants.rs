//! Which tenants a plugin serves.

use std::sync::Arc;

/// The tenants that a plugin serves. One that is scoped (`Plugin::scoped`) serves its own, and no other.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Tenants {
    /// Every tenant.
    #[default]
    Every,
    /// These.
    Only(Vec<Arc<str>>),
}

impl Tenants {
    /// Whether `tenant` is one of them.
    #[must_use]
    pub fn serves(&self, tenant: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Only(tenants) => tenants.iter().any(|t| **t == *tenant),
        }
    }

    /// Whether no other than `tenant` is named.
    pub(crate) fn are_within(&self, tenant: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Only(tenants) => tenants.iter().all(|t| **t == *tenant),
        }
    }
}
