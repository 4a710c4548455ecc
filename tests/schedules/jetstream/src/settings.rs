//! What is set of a cluster: which servers it has.

use std::sync::Arc;

pub(crate) use lastword_jetstream::SettingsError;

use crate::servers::Servers;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) servers: Arc<dyn Servers>,
    pub(crate) credentials: Credentials,
    pub(crate) prefix: &'static str,
    pub(crate) max_bytes: u64,
}

/// A test's servers take anyone.
#[derive(Clone)]
pub(crate) struct Credentials;

impl Settings {
    pub(crate) fn new(servers: Arc<dyn Servers>) -> Self {
        let max_bytes = servers.max_bytes();
        Self { servers, credentials: Credentials, prefix: "LW", max_bytes }
    }
}
