//! Connections with TLS: of servers that a node trusts, and of nodes that the servers trust.

use std::thread;

use lastword_cluster_tests::{NatsCluster, NatsSettings};
use lastword_jetstream::{ClusterSettings, Credentials, SyncProof, Tls};

use crate::access::{Secrets, is_let_in, refused, says};
use crate::certificates::Authority;
use crate::support::three_servers_as;

/// The token of all nodes.
const TOKEN: &str = "t0ken-of-the-nodes";
/// The name that is in a node's certificate.
const NODE: &str = "node.lastword.test";

fn behind_tls(servers: &NatsCluster, tls: Tls) -> ClusterSettings {
    let proof = SyncProof::Monitoring(servers.monitoring());
    ClusterSettings { tls: Some(tls), ..ClusterSettings::new(servers.tls_urls(), proof) }
}

/// All at once: each is tried for a while, because what is wrong may be a server that has just started.
fn all_refused(all: Vec<ClusterSettings>) -> Vec<String> {
    thread::scope(|scope| {
        let asked: Vec<_> = all.into_iter().map(|settings| scope.spawn(|| refused(settings))).collect();
        asked.into_iter().map(|said| said.join().unwrap()).collect()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn servers_with_a_certificate_of_an_authority_that_the_node_names_are_trusted_and_no_others() {
    let authority = Authority::named("of the servers");
    let servers = three_servers_as(&NatsSettings {
        tls: Some(authority.of_servers(None)),
        access: Some(format!("authorization {{ token: \"{TOKEN}\" }}")),
        ..NatsSettings::default()
    });
    let secrets = Secrets::new();
    let as_said = |tls, token| {
        let credentials = Credentials::Token(secrets.file(token, token));
        ClusterSettings { credentials, ..behind_tls(&servers, tls) }
    };
    is_let_in(&servers, &as_said(authority.trusted(), TOKEN)).await;
    let said = refused(as_said(authority.trusted(), "another-t0ken"));
    says(&said, &["check the credentials"]);
    assert!(!said.contains("t0ken"), "{said}");
    let another = Authority::named("of somebody else");
    for said in all_refused(vec![as_said(another.trusted(), TOKEN), as_said(Tls::default(), TOKEN)]) {
        says(&said, &["certificate"]);
        assert!(!said.contains(TOKEN), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_node_is_known_by_its_certificate_alone_and_one_without_or_with_another_is_refused() {
    let (authority, nodes) = (Authority::named("of the servers"), Authority::named("of the nodes"));
    let servers = three_servers_as(&NatsSettings {
        tls: Some(authority.of_servers(Some(&nodes))),
        access: Some(format!("accounts {{ LASTWORD {{ jetstream: enabled, users: [{{ user: \"{NODE}\" }}] }} }}")),
        ..NatsSettings::default()
    });
    let with = |certificate| behind_tls(&servers, Tls { certificate, ..authority.trusted() });
    is_let_in(&servers, &with(Some(nodes.certified(NODE)))).await;
    let unknown = refused(with(Some(nodes.certified("another.lastword.test"))));
    says(&unknown, &["check the credentials"]);
    for said in all_refused(vec![with(None), with(Some(authority.certified(NODE)))]) {
        says(&said, &["received fatal alert"]);
    }
}
