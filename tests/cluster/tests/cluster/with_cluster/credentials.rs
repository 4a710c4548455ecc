//! What proves to the servers who a node is, and who may ask them whether they sync. Whoever has the wrong secret is told what to do, and
//! the secret is not in what is said.

use std::path::PathBuf;

use lastword_cluster_tests::{APPLICATION, NatsCluster, NatsSettings};
use lastword_events::Timestamp;
use lastword_jetstream::{ClusterSettings, Credentials, SyncProof};
use nkeys::KeyPair;

use crate::access::{Secrets, is_let_in, refused, says};
use crate::support::three_servers_as;
use crate::tokens::{Account, access, credentials};

/// As this one, with a proof by that user of the system account.
fn proved_by(servers: &NatsCluster, application: Credentials, system: Credentials) -> ClusterSettings {
    let proof = SyncProof::SystemAccount(system);
    ClusterSettings { credentials: application, ..ClusterSettings::new(servers.urls(), proof) }
}

/// As this one, with a proof by monitoring.
fn monitored(servers: &NatsCluster, application: Credentials) -> ClusterSettings {
    let proof = SyncProof::Monitoring(servers.monitoring());
    ClusterSettings { credentials: application, ..ClusterSettings::new(servers.urls(), proof) }
}

#[track_caller]
fn refused_without_telling(settings: ClusterSettings, secret: &str, words: &[&str]) {
    let said = refused(settings);
    says(&said, words);
    assert!(!said.contains(secret), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_key_and_a_password_let_a_node_in_and_another_key_or_password_does_not() {
    let (node, system) = (KeyPair::new_user(), KeyPair::new_user());
    let access = format!(
        "accounts {{\n  LASTWORD {{ jetstream: enabled, users: [{{ nkey: {} }}, {{ user: {}, password: {} }}] }}\n  \
         SYSTEM {{ users: [{{ nkey: {} }}] }}\n}}\nsystem_account: SYSTEM",
        node.public_key(),
        APPLICATION.name,
        APPLICATION.password,
        system.public_key()
    );
    let servers = three_servers_as(&NatsSettings { access: Some(access), ..NatsSettings::default() });
    let secrets = Secrets::new();
    let key = |name: &str, key: &KeyPair| Credentials::Nkey(secrets.file(name, &key.seed().unwrap()));
    let user = |password: PathBuf| Credentials::User { user: APPLICATION.name.to_owned(), password };

    is_let_in(&servers, &proved_by(&servers, key("node", &node), key("system", &system))).await;
    is_let_in(&servers, &proved_by(&servers, user(servers.password(APPLICATION)), key("system", &system))).await;

    let stranger = KeyPair::new_user();
    let seed = stranger.seed().unwrap();
    let wrong = || key("stranger", &stranger);
    let check = ["check the credentials"];
    refused_without_telling(monitored(&servers, wrong()), &seed, &check);
    refused_without_telling(proved_by(&servers, key("node", &node), wrong()), &seed, &check);
    let not_of_the_system = proved_by(&servers, key("node", &node), key("node", &node));
    refused_without_telling(not_of_the_system, &node.seed().unwrap(), &["system account"]);
    let torn = &seed[..40];
    refused_without_telling(monitored(&servers, Credentials::Nkey(secrets.file("torn", torn))), torn, &check);
    let password = "0f-somebody-else";
    refused_without_telling(monitored(&servers, user(secrets.file("password", password))), password, &check);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_credentials_file_lets_a_node_in_and_one_of_another_account_or_key_or_that_has_expired_does_not() {
    let (application, system) = (Account::with_jetstream(), Account::without_jetstream());
    let access = access(&application, &system);
    let servers = three_servers_as(&NatsSettings { access: Some(access), ..NatsSettings::default() });
    let (secrets, key) = (Secrets::new(), KeyPair::new_user());
    let file = |name: &str, token: &str, key: &KeyPair| secrets.file(name, &credentials(token, key));
    let node = file("node", &application.user(&key, None), &key);
    let operator = file("system", &system.user(&key, None), &key);

    is_let_in(&servers, &proved_by(&servers, Credentials::File(node.clone()), Credentials::File(operator))).await;

    let seed = key.seed().unwrap();
    let check = ["check the credentials"];
    let long_ago = Timestamp::from_millisecond(1_000_000_000_000);
    let stranger = Account::with_jetstream();
    for (name, token) in [
        ("expired", application.user(&key, Some(long_ago))),
        ("stranger", stranger.user(&key, None)),
        ("another-key", application.user(&KeyPair::new_user(), None)),
    ] {
        let wrong = Credentials::File(file(name, &token, &key));
        refused_without_telling(monitored(&servers, wrong.clone()), &seed, &check);
        refused_without_telling(proved_by(&servers, Credentials::File(node.clone()), wrong), &seed, &check);
    }
    let no_file = Credentials::File(secrets.file("seed-alone", &seed));
    refused_without_telling(monitored(&servers, no_file), &seed, &["seed-alone", "JWT"]);
}
