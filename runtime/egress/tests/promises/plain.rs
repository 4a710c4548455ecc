//! Nothing is done that was not asked for: no redirects, proxies, cookies, decompression.

use std::process::Command;

use lastword_egress::{Egress, Limits};

use crate::support::{FakeResolver, PATIENT, Server, allowance, ask, get, read, send};

#[tokio::test]
async fn a_redirect_is_returned_and_not_followed() {
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = "http://169.254.169.254/latest/meta-data/";
        let server =
            Server::answering(format!("HTTP/1.1 {status}\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")).await;
        let resolver = FakeResolver::answering(&[&["127.0.0.1"]]);
        let egress = Egress::new().with_resolver(resolver.clone());
        // Even when it would be allowed.
        let granted = allowance(&[&server.literal(), "http://169.254.169.254"]);
        let sent = send(&egress, &granted, &server.literal()).await.unwrap();
        assert!(status.starts_with(sent.response.status().as_str()));
        assert_eq!(sent.response.headers()["location"], location);
        assert!(read(sent).await.unwrap().is_empty());
        assert_eq!((server.connections(), granted.usage().requests, resolver.lookups()), (1, 1, 0));
    }
}

#[tokio::test]
async fn a_cookie_is_not_given_back_on_the_same_connection() {
    let server = Server::keeping("HTTP/1.1 200 OK\r\nset-cookie: id=1\r\ncontent-length: 2\r\n\r\nhi").await;
    let (egress, granted) = (Egress::new(), allowance(&[&server.literal()]));
    for _ in 0..2 {
        let sent = send(&egress, &granted, &server.literal()).await.unwrap();
        assert_eq!(read(sent).await.unwrap(), "hi");
    }
    assert_eq!((server.connections(), server.heads().len()), (1, 2));
    for head in server.heads() {
        assert!(!head.to_ascii_lowercase().contains("cookie"), "{head}");
    }
}

#[tokio::test]
async fn a_request_can_be_spawned_with_nothing_borrowed() {
    let server = Server::ok().await;
    let (egress, granted, request) = (Egress::new(), allowance(&[&server.literal()]), get(&server.literal()));
    let sent = tokio::spawn(async move { egress.send(&granted, request, PATIENT).await }).await.unwrap().unwrap();
    assert_eq!(read(sent).await.unwrap(), "hi");
}

#[tokio::test]
async fn a_body_is_not_decompressed_and_compression_is_not_asked_for() {
    let server =
        Server::answering("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\nnot gzip.").await;
    let sent = ask(&server, Limits::default(), PATIENT).await.unwrap();
    assert_eq!(sent.response.headers()["content-encoding"], "gzip");
    assert_eq!(read(sent).await.unwrap(), "not gzip.");
    assert!(!server.heads()[0].to_ascii_lowercase().contains("accept-encoding"));
}

/// Runs itself with the variables set, since a process must not change its own environment.
#[tokio::test]
async fn a_proxy_in_the_environment_is_ignored() {
    const NAME: &str = "plain::a_proxy_in_the_environment_is_ignored";
    if std::env::var_os("HTTP_PROXY").as_deref() != Some("http://127.0.0.1:1".as_ref()) {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", NAME]);
        for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            child.env(variable, "http://127.0.0.1:1");
        }
        let output = child.env_remove("NO_PROXY").env_remove("no_proxy").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let server = Server::ok().await;
    let sent = ask(&server, Limits::default(), PATIENT).await.unwrap();
    assert_eq!(read(sent).await.unwrap(), "hi");
}
