//! What an operator may write, and that nothing else goes out.

use lastword_egress::{Destination, Egress, EgressError};

use crate::support::{FakeResolver, Server, allowance, send};

fn parse(text: &str) -> Result<String, String> {
    text.parse::<Destination>().map(|destination| destination.to_string()).map_err(|error| error.to_string())
}

#[test]
fn a_destination_has_one_canonical_form() {
    for (text, canonical) in [
        ("https://api.example.com", "https://api.example.com"),
        ("HTTPS://API.Example.COM.:443/", "https://api.example.com"),
        ("http://127.0.0.1:37777", "http://127.0.0.1:37777"),
        ("http://127.0.0.1.:80/", "http://127.0.0.1"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        ("https://[0:0::1]:443", "https://[::1]"),
        ("https://example.com:80", "https://example.com:80"),
        ("http://memory_store:8080", "http://memory_store:8080"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ] {
        assert_eq!(parse(text).as_deref(), Ok(canonical), "{text}");
        assert_eq!(parse(canonical).as_deref(), Ok(canonical));
    }
}

#[test]
fn a_string_that_is_no_destination_is_refused_with_what_to_write() {
    let long = format!("http://{}.example", "a".repeat(64));
    for (text, hint) in [
        ("api.example.com", "write scheme and host"),
        ("", "write scheme and host"),
        ("ftp://example.com", "must be http or https"),
        ("*://example.com", "must be http or https"),
        ("http://", "host is missing"),
        ("http://:80", "host is missing"),
        ("http://.", "host is missing"),
        ("https://example.com/v1", "a path cannot be granted"),
        ("https://example.com//", "a path cannot be granted"),
        ("https://example.com/?q", "a query cannot be granted"),
        ("https://example.com?q", "a query cannot be granted"),
        ("https://example.com#f", "a fragment"),
        ("https://example.com/#f", "a fragment"),
        ("https://user:hunter2@example.com", "remove the user name"),
        ("https://*.example.com", "wildcards"),
        ("https://bücher.example", "punycode"),
        ("http://[fe80::1%eth0]", "zone ids"),
        ("http://::1", "in brackets"),
        ("http://[127.0.0.1]", "must be an IPv6 address"),
        ("http://[::1", "must be an IPv6 address"),
        ("http://[::1]8080", "port must be"),
        ("http://example.com:", "port must be"),
        ("http://example.com:0", "port must be"),
        ("http://example.com:65536", "port must be"),
        ("http://example.com:+80", "port must be"),
        ("http://exa mple.com", "labels"),
        ("http://example..com", "labels"),
        ("http://-example.com", "labels"),
        (&long, "labels"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains(hint), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn an_ipv4_address_in_an_odd_form_is_never_a_name() {
    for host in [
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "127.1",
        "0x7f000001",
        "0X7F.0.0.1",
        "127.0.0.1.1",
        "127.0.0.01",
        "0",
        "0x",
        "a.0x1",
    ] {
        let error = parse(&format!("http://{host}")).expect_err(host);
        assert!(error.contains("four decimal numbers"), "{host}: {error}");
    }
}

#[tokio::test]
async fn only_exactly_what_is_granted_goes_out_and_the_rest_is_denied_before_any_look_up() {
    let server = Server::ok().await;
    let port = server.port;
    let resolver = FakeResolver::answering(&[&["127.0.0.1"]]);
    let egress = Egress::new().with_resolver(resolver.clone());
    let granted = format!("http://api.example.com:{port}");

    for uri in [
        format!("https://api.example.com:{port}/"),
        "http://api.example.com/".to_owned(),
        format!("http://api.example.com:{}/", port.wrapping_add(1).max(1)),
        format!("http://example.com:{port}/"),
        format!("http://api.example.com.evil.example:{port}/"),
        format!("http://evil.api.example.com:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://127.0.0.2:{port}/"),
    ] {
        let denied = send(&egress, &allowance(&[&granted, &server.literal()]), &uri).await.unwrap_err();
        assert!(matches!(denied, EgressError::Denied { .. }), "{uri}: {denied}");
        assert!(denied.to_string().contains("grant \"http"), "{denied}");
    }
    assert_eq!((resolver.lookups(), server.connections()), (0, 0));

    let allowance = allowance(&[&granted, &server.literal()]);
    assert_eq!(
        send(&egress, &allowance, &format!("http://API.example.com.:{port}/")).await.unwrap().response.status(),
        200
    );
    assert_eq!((resolver.lookups(), server.connections()), (1, 1));
}

#[tokio::test]
async fn a_guests_uri_that_could_be_read_in_two_ways_is_refused() {
    let server = Server::ok().await;
    let port = server.port;
    let resolver = FakeResolver::answering(&[&["127.0.0.1"]]);
    let egress = Egress::new().with_resolver(resolver.clone());
    for uri in [
        format!("http://user@127.0.0.1:{port}/"),
        format!("http://api.example.com:80@127.0.0.1:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0177.0.0.1:{port}/"),
        format!("http://127.1:{port}/"),
        "http://127.0.0.1:99999/".to_owned(),
        "/only/a/path".to_owned(),
    ] {
        let allowance = allowance(&[&server.literal(), "http://127.0.0.1", "http://api.example.com"]);
        let refused = send(&egress, &allowance, &uri).await.unwrap_err();
        assert!(matches!(refused, EgressError::InvalidUri(_)), "{uri}: {refused}");
    }
    assert_eq!((resolver.lookups(), server.connections()), (0, 0));
}

#[tokio::test]
async fn refusals_are_counted_and_the_first_is_kept_for_the_log() {
    let allowance = allowance(&[]);
    for host in ["first.example", "second.example"] {
        send(&Egress::new(), &allowance, &format!("https://{host}/")).await.unwrap_err();
    }
    let usage = allowance.usage();
    assert_eq!((usage.requests, usage.refusals), (2, 2));
    assert!(usage.first_refusal.unwrap().contains("https://first.example is not granted"));
}
