//! How a journal reaches the servers.

use std::path::Path;

use lastword_jetstream::{ClusterSettings, Credentials, SyncProof};

use crate::configuration::User;

/// The settings of a journal: as `user`, whose password is in this file, and with monitoring ports that prove what the servers do.
#[must_use]
pub fn settings(servers: Vec<String>, monitoring: Vec<String>, user: User, password: &Path) -> ClusterSettings {
    let credentials = Credentials::User { user: user.name.to_owned(), password: password.to_owned() };
    ClusterSettings { credentials, ..ClusterSettings::new(servers, SyncProof::Monitoring(monitoring)) }
}
