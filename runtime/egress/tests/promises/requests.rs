//! The request on the wire speaks of nothing but the destination that was checked.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::{Empty, Full};
use lastword_egress::{Egress, EgressError, Limits};

use crate::support::{PATIENT, Server, allowance, allowance_with, get};

/// The lines of the only request, in lower case.
fn lines(server: &Server) -> Vec<String> {
    let heads = server.heads();
    let [head] = heads.as_slice() else { panic!("{heads:?}") };
    head.trim_end().split("\r\n").map(str::to_ascii_lowercase).collect()
}

#[tokio::test]
async fn the_host_is_the_checked_one_and_the_request_line_names_no_other() {
    let server = Server::ok().await;
    let mut request = get(&format!("{}/a/b?q=1", server.literal()));
    request.headers_mut().append("host", HeaderValue::from_static("evil.example"));
    request.headers_mut().append("host", HeaderValue::from_static("169.254.169.254"));
    request.headers_mut().append("x-mine", HeaderValue::from_static("kept"));
    Egress::new().send(&allowance(&[&server.literal()]), request, PATIENT).await.unwrap();

    let mut lines = lines(&server);
    assert_eq!(lines.remove(0), "get /a/b?q=1 http/1.1");
    lines.sort();
    assert_eq!(lines, [format!("host: 127.0.0.1:{}", server.port), "x-mine: kept".into()]);
}

#[tokio::test]
async fn an_empty_path_is_the_root() {
    for (tail, line) in [("", "get / http/1.1"), ("?q=1", "get /?q=1 http/1.1"), ("/?q=1", "get /?q=1 http/1.1")] {
        let server = Server::ok().await;
        let request = get(&format!("{}{tail}", server.literal()));
        Egress::new().send(&allowance(&[&server.literal()]), request, PATIENT).await.unwrap();
        assert_eq!(lines(&server)[0], line);
    }
}

#[tokio::test]
async fn headers_for_the_next_hop_are_taken_out() {
    let server = Server::ok().await;
    let mut request = get(&server.literal());
    for (name, value) in [
        ("connection", "x-private, Keep-Alive"),
        ("x-private", "named by connection"),
        ("keep-alive", "timeout=60"),
        ("proxy-authorization", "Basic c2VjcmV0"),
        ("proxy-authenticate", "Basic"),
        ("proxy-connection", "keep-alive"),
        ("te", "trailers"),
        ("trailer", "x-end"),
        ("transfer-encoding", "gzip"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
    ] {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    Egress::new().send(&allowance(&[&server.literal()]), request, PATIENT).await.unwrap();
    let lines = lines(&server);
    assert_eq!(lines[0], "get / http/1.1");
    assert_eq!(lines[1..], [format!("host: 127.0.0.1:{}", server.port)]);
}

#[tokio::test]
async fn tunnels_and_upgrades_are_refused() {
    let server = Server::ok().await;
    let literal = server.literal();
    let granted = allowance(&[&literal]);
    let egress = Egress::new();

    let connect = Request::builder().method(Method::CONNECT).uri(&literal).body(Empty::<Bytes>::new()).unwrap();
    let refused = egress.send(&granted, connect, PATIENT).await.unwrap_err();
    assert!(matches!(refused, EgressError::TunnelRefused), "{refused}");

    for (name, value) in [("upgrade", "websocket"), ("connection", "close, UPGRADE"), ("connection", "upgrade")] {
        let mut request = get(&literal);
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        let refused = egress.send(&granted, request, PATIENT).await.unwrap_err();
        assert!(matches!(refused, EgressError::UpgradeRefused), "{name}: {value}: {refused}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_path_that_names_another_server_is_refused() {
    let server = Server::ok().await;
    let mut refusals = 0;
    for path in ["http://evil.example/", "evil.example:443", "*", "x"] {
        // Some of them are refused by the `http` crate already, depending on its version.
        let uri = Uri::builder().scheme("http").authority(&server.literal()["http://".len()..]).path_and_query(path);
        let Ok(uri) = uri.build() else { continue };
        let request = Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
        let refused = Egress::new().send(&allowance(&[&server.literal()]), request, PATIENT).await.unwrap_err();
        assert!(matches!(refused, EgressError::InvalidPath), "{refused}");
        refusals += 1;
    }
    assert!(refusals > 0);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_content_length_must_be_one_number_within_the_limit() {
    let server = Server::ok().await;
    let limits = Limits { max_request_body_bytes: 10, ..Limits::default() };
    let send = async |lengths: &[&'static str]| {
        let mut request = Request::post(server.literal()).body(Full::new(Bytes::from_static(b"12345"))).unwrap();
        for length in lengths {
            request.headers_mut().append("content-length", HeaderValue::from_static(length));
        }
        Egress::new().send(&allowance_with(&[&server.literal()], limits), request, PATIENT).await
    };
    for lengths in [&["5", "6"][..], &["5", "5"], &["+5"], &["five"], &[""]] {
        let refused = send(lengths).await.unwrap_err();
        assert!(matches!(refused, EgressError::InvalidContentLength), "{lengths:?}: {refused}");
    }
    let refused = send(&["11"]).await.unwrap_err();
    assert!(matches!(refused, EgressError::RequestBodyTooLarge { limit_bytes: 10 }), "{refused}");
    assert_eq!(server.connections(), 0);

    send(&["5"]).await.unwrap();
    assert!(lines(&server).contains(&"content-length: 5".to_owned()));
}
