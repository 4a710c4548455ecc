//! The settings of the cluster, as `lastword_jetstream` takes them.

use std::path::Path;

use lastword_config::{JetStream, NatsLogin, NatsTls, SyncProof};
use lastword_jetstream::{ClusterSettings, Credentials, SyncProof as Proof, Tls};

use crate::secret_file;

/// Converts the settings, and warns of secrets that others can read.
pub(super) fn cluster(said: &JetStream) -> ClusterSettings {
    let JetStream { servers, prefix, node: _, address: _, login, tls, sync, max_bytes, cluster_size } = said;
    let proof = match sync {
        SyncProof::Monitoring(addresses) => Proof::Monitoring(addresses.clone()),
        SyncProof::System(login) => Proof::SystemAccount(credentials(login)),
        SyncProof::Assumed => Proof::Assumed,
    };
    let mut settings = ClusterSettings::new(servers.clone(), proof);
    settings.prefix.clone_from(prefix);
    settings.credentials = login.as_ref().map(credentials).unwrap_or_default();
    settings.tls = tls.as_ref().map(certificates);
    settings.max_bytes = *max_bytes;
    settings.cluster_size = *cluster_size;
    settings
}

/// The name of this node: the configured one, else the machine's.
pub(super) fn node(said: &JetStream) -> String {
    let machine = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    said.node.clone().unwrap_or_else(machine)
}

fn credentials(login: &NatsLogin) -> Credentials {
    let secret = |path: &Path| {
        secret_file::warn_if_open(path);
        path.to_owned()
    };
    match login {
        NatsLogin::Credentials(file) => Credentials::File(secret(file)),
        NatsLogin::Nkey(file) => Credentials::Nkey(secret(file)),
        NatsLogin::User { name, password_file } => {
            Credentials::User { user: name.clone(), password: secret(password_file) }
        }
        NatsLogin::Token(file) => Credentials::Token(secret(file)),
    }
}

fn certificates(said: &NatsTls) -> Tls {
    if let Some((_, key)) = &said.identity {
        secret_file::warn_if_open(key);
    }
    Tls { authority: said.ca.clone(), certificate: said.identity.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_said_reaches_the_cluster() {
        let said = JetStream {
            servers: vec!["tls://n1:4222".to_owned()],
            prefix: "ACME".to_owned(),
            node: Some("lastword-0".to_owned()),
            address: None,
            login: Some(NatsLogin::User { name: "lastword".to_owned(), password_file: "/p".into() }),
            tls: Some(NatsTls { ca: Some("/ca".into()), identity: Some(("/cert".into(), "/key".into())) }),
            sync: SyncProof::System(NatsLogin::Nkey("/nk".into())),
            max_bytes: 4 << 30,
            cluster_size: 5,
        };
        let settings = cluster(&said);
        settings.check().unwrap();
        assert_eq!((settings.servers.as_slice(), settings.prefix.as_str()), (said.servers.as_slice(), "ACME"));
        let user = Credentials::User { user: "lastword".to_owned(), password: "/p".into() };
        assert_eq!(settings.credentials, user);
        let tls = Tls { authority: Some("/ca".into()), certificate: Some(("/cert".into(), "/key".into())) };
        assert_eq!(settings.tls, Some(tls));
        assert_eq!(settings.sync_proof, Proof::SystemAccount(Credentials::Nkey("/nk".into())));
        assert_eq!((settings.max_bytes, settings.cluster_size), (4 << 30, 5));
        assert_eq!(node(&said), "lastword-0");
        assert!(!node(&JetStream { node: None, ..said }).is_empty());
    }
}
