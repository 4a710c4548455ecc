//! The account that a request is charged to.

use std::sync::Arc;

/// The account that a request is charged to: a tenant and a plugin. Each account may hold a part of a shared resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Account {
    /// The tenant for whose session the guest was called.
    pub tenant: Arc<str>,
    /// The plugin that sends the request.
    pub plugin: Arc<str>,
}

impl Account {
    /// Makes the account of `plugin` in calls for `tenant`.
    #[must_use]
    pub fn new(tenant: impl Into<Arc<str>>, plugin: impl Into<Arc<str>>) -> Self {
        Self { tenant: tenant.into(), plugin: plugin.into() }
    }
}
