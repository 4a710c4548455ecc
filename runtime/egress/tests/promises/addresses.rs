//! A name is resolved once, every address is checked, the checked address is the one connected to.

use std::{io, sync::Arc};

use lastword_egress::{
    Egress, EgressError, Resolve, Resolving, Timeouts,
    limits::{ADDRESSES_STAY, LOOKUP_FAILURES_STAY},
};

use crate::support::{FakeResolver, PATIENT, SHORT, Server, allowance, allowance_of, get, later, read, send, soon};

fn named(server: &Server) -> String {
    format!("http://api.example.com:{}", server.port)
}

#[tokio::test]
async fn a_name_is_resolved_once_and_the_checked_address_is_connected_to() {
    let server = Server::ok().await;
    let resolver = FakeResolver::answering(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let egress = Egress::new().with_resolver(resolver.clone());
    let allowance = allowance(&[&named(&server), &server.literal()]);

    let sent = send(&egress, &allowance, &named(&server)).await.unwrap();
    assert_eq!(sent.response.status(), 200);
    assert_eq!((resolver.lookups(), server.connections()), (1, 1));

    // The next request has the same answer.
    send(&egress, &allowance, &named(&server)).await.unwrap();
    assert_eq!((resolver.lookups(), server.connections()), (1, 2));

    // Later it asks again, and the other answer is checked again.
    later(ADDRESSES_STAY).await;
    let refused = send(&egress, &allowance, &named(&server)).await.unwrap_err();
    assert!(matches!(refused, EgressError::AddressRefused { address, .. } if address.ip().to_string() == "127.0.0.2"));
    assert_eq!((resolver.lookups(), server.connections()), (2, 2));
}

#[tokio::test]
async fn an_answer_that_is_kept_is_checked_each_time() {
    let server = Server::keeping("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
    let resolver = FakeResolver::answering(&[&["127.0.0.1"]]);
    let egress = Egress::new().with_resolver(resolver.clone());
    let (named, literal) = (named(&server), server.literal());
    let sent = send(&egress, &allowance(&[&named, &literal]), &named).await.unwrap();
    assert_eq!(read(sent).await.unwrap(), "hi");
    // A call without the grant, as after a change of the configuration: neither the answer nor the connection helps it.
    let refused = send(&egress, &allowance(&[&named]), &named).await.unwrap_err();
    assert!(matches!(refused, EgressError::AddressRefused { .. }), "{refused}");
    assert_eq!((resolver.lookups(), server.heads().len()), (1, 1));
}

#[tokio::test]
async fn addresses_are_kept_for_their_tenant_and_not_for_others() {
    let resolver = FakeResolver::answering(&[&["192.0.2.1"]]);
    let egress = Egress::new().with_resolver(resolver.clone());
    let uri = "http://api.example.com";
    let ask = async |tenant, plugin| {
        let refused = send(&egress, &allowance_of(tenant, plugin, &[uri]), uri).await.unwrap_err();
        assert!(matches!(refused, EgressError::AddressRefused { .. }), "{refused}");
        resolver.lookups()
    };
    assert_eq!((ask("t", "p").await, ask("t", "p").await, ask("t", "q").await), (1, 1, 1));
    assert_eq!((ask("u", "p").await, ask("u", "p").await), (2, 2));
    later(ADDRESSES_STAY / 2).await;
    assert_eq!((ask("t", "p").await, ask("u", "p").await), (2, 2));
    later(ADDRESSES_STAY / 2).await;
    assert_eq!((ask("t", "p").await, ask("u", "p").await), (3, 4));
}

#[tokio::test]
async fn a_name_that_has_no_address_is_asked_for_again_a_second_later() {
    let resolver = FakeResolver::answering(&[&[]]);
    let egress = Egress::new().with_resolver(resolver.clone());
    let uri = "http://api.example.com";
    let ask = async || {
        let failed = send(&egress, &allowance(&[uri]), uri).await.unwrap_err();
        assert!(matches!(failed, EgressError::Dns { .. }), "{failed}");
        resolver.lookups()
    };
    assert_eq!((ask().await, ask().await), (1, 1));
    later(LOOKUP_FAILURES_STAY).await;
    assert_eq!((ask().await, ask().await), (2, 2));
}

#[tokio::test]
async fn another_resolver_is_asked_anew() {
    let uri = "http://api.example.com";
    let [first, second] = [0, 1].map(|_| FakeResolver::answering(&[&["192.0.2.1"]]));
    let egress = Egress::new().with_resolver(first.clone());
    send(&egress, &allowance(&[uri]), uri).await.unwrap_err();
    send(&egress.with_resolver(second.clone()), &allowance(&[uri]), uri).await.unwrap_err();
    assert_eq!((first.lookups(), second.lookups()), (1, 1));
}

#[tokio::test]
async fn a_name_that_leads_to_an_address_not_for_guests_is_refused_with_what_to_grant() {
    let server = Server::ok().await;
    for address in [
        "0.0.0.0",
        "10.0.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::127.0.0.1",
        "2001:db8::1",
        "2002:7f00:1::",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        let egress = Egress::new().with_resolver(FakeResolver::answering(&[&[address]]));
        let refused = send(&egress, &allowance(&[&named(&server)]), &named(&server)).await.unwrap_err();
        let EgressError::AddressRefused { grant, mixed: false, .. } = &refused else { panic!("{address}: {refused}") };
        // What the message says to grant is what helps.
        assert_eq!(grant.to_string().parse(), Ok(grant.clone()));
        assert!(refused.to_string().contains(&format!("grant \"{grant}\"")), "{refused}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn the_refusal_of_loopback_names_the_grant_to_add() {
    let egress = Egress::new().with_resolver(FakeResolver::answering(&[&["127.0.0.1"]]));
    let uri = "http://api.example.com:37777";
    let refused = send(&egress, &allowance(&[uri]), uri).await.unwrap_err().to_string();
    assert_eq!(
        refused,
        "api.example.com leads to 127.0.0.1:37777, which is not for guests (loopback, RFC 1122); \
         grant \"http://127.0.0.1:37777\" if this is meant"
    );
}

#[tokio::test]
async fn one_refused_address_refuses_the_whole_answer_wherever_it_stands() {
    let server = Server::ok().await;
    for answer in [["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "::ffff:127.0.0.1"]] {
        let egress = Egress::new().with_resolver(FakeResolver::answering(&[&answer]));
        let allowance = allowance(&[&named(&server), &server.literal()]);
        let refused = send(&egress, &allowance, &named(&server)).await.unwrap_err();
        assert!(matches!(refused, EgressError::AddressRefused { mixed: true, .. }), "{answer:?}: {refused}");
        assert!(refused.to_string().contains("refuses the whole answer"), "{refused}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_literal_grant_is_for_exactly_that_address_and_port() {
    let server = Server::ok().await;
    let egress = Egress::new().with_resolver(FakeResolver::answering(&[&["127.0.0.1"]]));
    for granted in ["http://127.0.0.1", "http://127.0.0.2:{port}", "http://localhost:{port}", "http://[::1]:{port}"] {
        let granted = granted.replace("{port}", &server.port.to_string());
        let refused = send(&egress, &allowance(&[&named(&server), &granted]), &named(&server)).await.unwrap_err();
        assert!(matches!(refused, EgressError::AddressRefused { .. }), "{granted}: {refused}");
    }
    assert_eq!(server.connections(), 0);

    let literal = server.literal();
    assert_eq!(send(&egress, &allowance(&[&literal]), &literal).await.unwrap().response.status(), 200);
}

#[tokio::test]
async fn the_systems_resolver_is_checked_like_any_other() {
    let server = Server::ok().await;
    let uri = format!("http://localhost:{}", server.port);
    let refused = send(&Egress::new(), &allowance(&[&uri]), &uri).await.unwrap_err();
    assert!(matches!(refused, EgressError::AddressRefused { .. }), "{refused}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_does_not_answer() {
    let server = Server::ok().await;
    let egress = Egress::new().with_resolver(FakeResolver::answering(&[&["127.0.0.2", "127.0.0.1"]]));
    let other = format!("http://127.0.0.2:{}", server.port);
    let allowance = allowance(&[&named(&server), &server.literal(), &other]);
    assert_eq!(send(&egress, &allowance, &named(&server)).await.unwrap().response.status(), 200);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_from_a_name_that_is_not() {
    let server = Server::ok().await;
    let literal = server.literal();
    let named = named(&server);
    drop(server);
    // The listener is closed when its task is gone, which is soon.
    let refused = loop {
        match send(&Egress::new(), &allowance(&[&literal]), &literal).await {
            Err(EgressError::ConnectionRefused { address }) => break address,
            _ => tokio::task::yield_now().await,
        }
    };
    assert!(literal.ends_with(&refused.to_string()));

    struct NoSuchName;
    impl Resolve for NoSuchName {
        fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
            Box::pin(async { Err(io::Error::other("NXDOMAIN")) })
        }
    }
    let nowhere = Egress::new().with_resolver(FakeResolver::answering(&[&[]]));
    let unknown = Egress::new().with_resolver(Arc::new(NoSuchName));
    for egress in [nowhere, unknown] {
        let failed = send(&egress, &allowance(&[&named]), &named).await.unwrap_err();
        assert!(matches!(failed, EgressError::Dns { .. }), "{failed}");
    }
}

#[tokio::test]
async fn a_resolver_that_hangs_is_cut_at_the_connect_timeout() {
    struct Hangs;
    impl Resolve for Hangs {
        fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
            Box::pin(std::future::pending())
        }
    }
    let egress = Egress::new().with_resolver(Arc::new(Hangs));
    let uri = "http://api.example.com";
    let timeouts = Timeouts { connect: SHORT, ..PATIENT };
    let cut = soon(egress.send(&allowance(&[uri]), get(uri), timeouts)).await.unwrap_err();
    assert!(matches!(cut, EgressError::DnsTimeout { .. }), "{cut}");
}
