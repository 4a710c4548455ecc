//! Which tenants a plugin serves.

use std::sync::Arc;

/// The tenants that a plugin serves.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
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
}
