//! TCP with TLS, and without.

use std::time::Instant;

use tokio::net::{TcpListener, TcpStream};

use crate::support::{Build, Client, Daemon, tokens};
use lastword_server::limits::TLS_HANDSHAKE_TIMEOUT;
use lastword_server::{Role, ServeError, tls_config};

#[tokio::test]
async fn with_a_certificate_a_client_that_trusts_it_is_served() {
    let (store, texts) = tokens(&[("t", Role::Operator, None)]);
    let daemon = Build { tokens: store, ..Build::default() }.start();
    let mut client = Client::tls(&daemon, Some(&texts[0])).await;
    let status = client.get("/v1/status").await.ok();
    assert!(status["pages"][0].as_str().unwrap().starts_with("https://127.0.0.1:"), "{status}");
}

#[tokio::test]
async fn a_handshake_that_is_under_way_holds_up_no_server_that_closes() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = tls_config(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
    let daemon = Daemon::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = daemon.server.clone();
    tokio::spawn(async move { serving.serve_tcp(listener, Some(tls)).await.unwrap() });
    let silent = TcpStream::connect(address).await.unwrap();
    while daemon.server.status().connections < 1 {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    daemon.server.close(began + TLS_HANDSHAKE_TIMEOUT).await;
    assert!(began.elapsed() < TLS_HANDSHAKE_TIMEOUT / 2, "it waited for a client that says nothing");
    drop(silent);
}

#[tokio::test]
async fn what_other_machines_reach_is_not_served_without_tls() {
    let daemon = Daemon::start();
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = daemon.server.serve_tcp(listener, None).await.unwrap_err();
    assert!(matches!(refused, ServeError::PlainOffLoopback(_)), "{refused}");
}
