//! A connection is used again by whoever it was made for, as long as the server keeps it; and no request arrives twice that must not.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{Empty, Full};
use lastword_egress::{
    Allowance, Egress, EgressError, Limits, Sent, Timeouts,
    limits::{ADDRESSES_STAY, IDLE_CONNECTION_STAYS, MAX_KEPT_HEADER_BYTES},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
};

use crate::support::{
    FakeResolver, PATIENT, SHORT, Server, allowance, allowance_of, allowance_with, at_a_stretch, get, later, read,
    read_head, send, soon,
};

const HI: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

/// Gets `uri` and reads the answer.
async fn ask(egress: &Egress, allowance: &Arc<Allowance>, uri: &str) {
    let sent = soon(send(egress, allowance, uri)).await.unwrap();
    assert_eq!(soon(read(sent)).await.unwrap(), "hi");
}

/// Sends a request with the body `hello`, or with none.
async fn request(
    egress: &Egress,
    allowance: &Arc<Allowance>,
    method: Method,
    uri: &str,
    has_body: bool,
) -> Result<Sent, EgressError> {
    let request = Request::builder().method(method).uri(uri);
    if has_body {
        soon(egress.send(allowance, request.body(Full::new(Bytes::from_static(b"hello"))).unwrap(), PATIENT)).await
    } else {
        soon(egress.send(allowance, request.body(Empty::<Bytes>::new()).unwrap(), PATIENT)).await
    }
}

/// The first words of the requests that the server has read.
fn methods(server: &Server) -> Vec<String> {
    server.heads().iter().map(|head| head.split(' ').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn requests_of_calls_of_one_plugin_for_one_tenant_go_over_one_connection() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n";
    for response in [HI, chunked] {
        let seen = at_a_stretch(IDLE_CONNECTION_STAYS, async || {
            let server = Server::keeping(response).await;
            let (egress, uri) = (Egress::new(), server.literal());
            for _ in 0..3 {
                ask(&egress, &allowance(&[&uri]), &uri).await;
                let posted = request(&egress, &allowance(&[&uri]), Method::POST, &uri, true).await.unwrap();
                assert_eq!(read(posted).await.unwrap(), "hi");
            }
            (server.connections(), server.heads().len())
        });
        assert_eq!(seen.await, (1, 6), "{response}");
    }
}

#[tokio::test]
async fn an_answer_without_a_body_need_not_be_read() {
    let seen = at_a_stretch(IDLE_CONNECTION_STAYS, async || {
        let server = Server::keeping("HTTP/1.1 204 No Content\r\n\r\n").await;
        let (egress, uri) = (Egress::new(), server.literal());
        for _ in 0..3 {
            drop(send(&egress, &allowance(&[&uri]), &uri).await.unwrap());
        }
        (server.connections(), server.heads().len())
    });
    assert_eq!(seen.await, (1, 3));
}

#[tokio::test]
async fn no_connection_is_shared_with_another_plugin_tenant_or_destination() {
    let seen = at_a_stretch(IDLE_CONNECTION_STAYS, async || {
        let server = Server::keeping(HI).await;
        let egress = Egress::new().with_resolver(FakeResolver::answering(&[&["127.0.0.1"]]));
        let (literal, named) = (server.literal(), format!("http://api.example.com:{}", server.port));
        let others = [("t", "p", &literal), ("u", "p", &literal), ("t", "q", &literal), ("t", "p", &named)];
        for _ in 0..3 {
            for (tenant, plugin, uri) in others {
                ask(&egress, &allowance_of(tenant, plugin, &[&literal, &named]), uri).await;
            }
        }
        (server.connections(), server.heads().len())
    });
    assert_eq!(seen.await, (4, 3 * 4));
}

#[tokio::test]
async fn a_call_with_another_limit_of_the_header_has_a_connection_of_its_own() {
    let connections = at_a_stretch(IDLE_CONNECTION_STAYS, async || {
        let server = Server::keeping(HI).await;
        let (egress, uri) = (Egress::new(), server.literal());
        for max_response_header_bytes in [1000, 2000, 1000, 2000] {
            let limits = Limits { max_response_header_bytes, ..Limits::default() };
            ask(&egress, &allowance_with(&[&uri], limits), &uri).await;
        }
        server.connections()
    });
    assert_eq!(connections.await, 2);
}

#[tokio::test]
async fn the_limit_of_a_header_is_that_of_each_response() {
    let response = with_a_header_of(600);
    let connections = at_a_stretch(IDLE_CONNECTION_STAYS, async || {
        let server = Server::keeping(response).await;
        let (egress, uri) = (Egress::new(), server.literal());
        let limits = Limits { max_response_header_bytes: 1000, ..Limits::default() };
        for _ in 0..4 {
            ask(&egress, &allowance_with(&[&uri], limits), &uri).await;
        }
        server.connections()
    });
    assert_eq!(connections.await, 1);
}

/// The answer `hi` with a field of so many bytes.
fn with_a_header_of(bytes: usize) -> &'static str {
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: {}\r\n\r\nhi", "x".repeat(bytes));
    Box::leak(response.into_boxed_str())
}

#[tokio::test]
async fn a_connection_whose_buffers_had_to_grow_for_a_header_is_not_kept() {
    // What the request says beside its field, and what comes with the header of the response.
    const MORE: usize = 1024;
    let half = MAX_KEPT_HEADER_BYTES / 2;
    for (asks, answers, kept) in [
        (half - MORE, half - MORE, true),
        (MAX_KEPT_HEADER_BYTES, 0, false),
        (0, MAX_KEPT_HEADER_BYTES, false),
        (half, half, false),
    ] {
        let response = with_a_header_of(answers);
        let connections = at_a_stretch(IDLE_CONNECTION_STAYS, async || {
            let server = Server::keeping(response).await;
            let (egress, uri) = (Egress::new(), server.literal());
            for _ in 0..2 {
                let request = Request::get(&uri).header("x", "x".repeat(asks)).body(Empty::<Bytes>::new()).unwrap();
                let sent = soon(egress.send(&allowance(&[&uri]), request, PATIENT)).await.unwrap();
                assert_eq!(soon(read(sent)).await.unwrap(), "hi");
            }
            server.connections()
        });
        assert_eq!(connections.await, if kept { 1 } else { 2 }, "{asks} and {answers}");
    }
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_costs_no_request() {
    for method in [Method::POST, Method::PATCH, Method::GET] {
        // It closes when it is told to, after the first response.
        let close = Arc::new(Semaphore::new(0));
        let closing = Arc::clone(&close);
        let server = Server::start(move |mut stream| {
            let closing = Arc::clone(&closing);
            async move {
                stream.write_all(HI.as_bytes()).await?;
                closing.acquire().await.unwrap().forget();
                Ok(())
            }
        })
        .await;
        let (egress, uri) = (Egress::new(), server.literal());
        ask(&egress, &allowance(&[&uri]), &uri).await;
        close.add_permits(1);
        server.over(1).await;
        // What the server has sent before this has arrived by then.
        ask(&egress, &allowance_of("t", "another", &[&uri]), &uri).await;

        let sent = request(&egress, &allowance(&[&uri]), method.clone(), &uri, true).await.unwrap();
        assert_eq!(read(sent).await.unwrap(), "hi");
        assert_eq!(
            (server.connections(), methods(&server)),
            (3, ["GET", "GET", method.as_str()].map(str::to_owned).into())
        );
    }
}

#[tokio::test]
async fn a_request_that_may_have_arrived_is_not_sent_again() {
    let cases = [
        (Method::POST, true),
        (Method::POST, false),
        (Method::PATCH, true),
        (Method::PATCH, false),
        (Method::OPTIONS, false),
        // It could be made twice, but its body is gone.
        (Method::PUT, true),
        (Method::DELETE, true),
        (Method::GET, true),
        (Method::HEAD, true),
    ];
    for (method, has_body) in cases {
        let (sent, seen) = at_a_stretch(IDLE_CONNECTION_STAYS, async || {
            let server = Server::closing_after(1, HI).await;
            let (egress, uri) = (Egress::new(), server.literal());
            ask(&egress, &allowance(&[&uri]), &uri).await;
            let sent = request(&egress, &allowance(&[&uri]), method.clone(), &uri, has_body).await.map(drop);
            (sent, (server.connections(), methods(&server)))
        })
        .await;
        let failed = sent.unwrap_err();
        assert!(matches!(failed, EgressError::KeptConnectionLost(_)), "{method}: {failed}");
        assert!(failed.to_string().contains("it may have the request, which is therefore not sent again"), "{failed}");
        assert_eq!(seen, (1, ["GET", method.as_str()].map(str::to_owned).into()));
    }
}

#[tokio::test]
async fn a_request_that_may_arrive_twice_is_sent_again_once() {
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
        let seen = at_a_stretch(IDLE_CONNECTION_STAYS, async || {
            let server = Server::closing_after(1, HI).await;
            let (egress, uri) = (Egress::new(), server.literal());
            ask(&egress, &allowance(&[&uri]), &uri).await;
            let sent = request(&egress, &allowance(&[&uri]), method.clone(), &uri, false).await.unwrap();
            assert_eq!(sent.response.status(), 200);
            (server.connections(), methods(&server))
        });
        let again = ["GET", method.as_str(), method.as_str()].map(str::to_owned);
        assert_eq!(seen.await, (2, again.into()));
    }
    // The second time is on a new connection, and the last one.
    let server = Server::closing_after(0, HI).await;
    let (egress, uri) = (Egress::new(), server.literal());
    let failed = send(&egress, &allowance(&[&uri]), &uri).await.unwrap_err();
    assert!(matches!(failed, EgressError::Incomplete), "{failed}");
    assert_eq!((server.connections(), server.heads().len()), (1, 1));
}

#[tokio::test]
async fn what_a_server_sends_without_being_asked_is_nobodys_response() {
    let (go, sent) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (going, sending) = (Arc::clone(&go), Arc::clone(&sent));
    let server = Server::start(move |mut stream| {
        let (going, sending) = (Arc::clone(&going), Arc::clone(&sending));
        async move {
            stream.write_all(HI.as_bytes()).await?;
            going.acquire().await.unwrap().forget();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil").await?;
            sending.add_permits(1);
            stream.read_to_end(&mut Vec::new()).await.map(drop)
        }
    })
    .await;
    let (egress, uri) = (Egress::new(), server.literal());
    ask(&egress, &allowance(&[&uri]), &uri).await;
    go.add_permits(1);
    soon(sent.acquire()).await.unwrap().forget();
    ask(&egress, &allowance_of("t", "another", &[&uri]), &uri).await;

    let posted = request(&egress, &allowance(&[&uri]), Method::POST, &uri, true).await.unwrap();
    assert_eq!(read(posted).await.unwrap(), "hi");
    assert_eq!(methods(&server), ["GET", "GET", "POST"]);
    // The one that was not asked for is closed.
    server.over(1).await;
}

#[tokio::test]
async fn a_response_that_is_not_read_to_its_end_closes_its_connection() {
    let server = Server::then_silent("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi").await;
    let (egress, uri) = (Egress::new(), server.literal());
    for n in 1..=2 {
        // The response is gone before its end, with its driver or before it.
        let sent = send(&egress, &allowance(&[&uri]), &uri).await.unwrap();
        if n == 1 {
            drop(sent);
        } else {
            let driver = tokio::spawn(sent.connection);
            drop(sent.response);
            drop(soon(driver).await.unwrap());
        }
        server.over(n).await;
        assert_eq!(server.connections(), n);
    }
}

#[tokio::test]
async fn a_call_that_is_cut_closes_its_connection() {
    let server = Server::then_silent("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await;
    let (egress, uri) = (Egress::new(), server.literal());
    let sent = send(&egress, &allowance(&[&uri]), &uri).await.unwrap();
    tokio::spawn(sent.connection).abort();
    server.over(1).await;
    // Also before the header has come, and on a connection that was kept.
    let (cut, connections) = at_a_stretch(IDLE_CONNECTION_STAYS, async || {
        let silent = Server::start(|mut stream| async move {
            stream.write_all(HI.as_bytes()).await?;
            read_head(&mut stream).await?;
            stream.read_to_end(&mut Vec::new()).await.map(drop)
        })
        .await;
        let uri = silent.literal();
        ask(&egress, &allowance(&[&uri]), &uri).await;
        let timeouts = Timeouts { first_byte: SHORT, ..PATIENT };
        let cut = egress.send(&allowance(&[&uri]), get(&uri), timeouts).await.map(drop);
        silent.over(1).await;
        (cut, silent.connections())
    })
    .await;
    let cut = cut.unwrap_err();
    assert!(matches!(cut, EgressError::FirstByteTimeout), "{cut}");
    assert_eq!(connections, 1);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_some_seconds() {
    let connections = at_a_stretch(IDLE_CONNECTION_STAYS / 2, async || {
        let server = Server::keeping(HI).await;
        let (egress, uri) = (Egress::new(), server.literal());
        ask(&egress, &allowance(&[&uri]), &uri).await;
        later(IDLE_CONNECTION_STAYS / 2).await;
        ask(&egress, &allowance(&[&uri]), &uri).await;
        let connections = server.connections();
        later(IDLE_CONNECTION_STAYS).await;
        server.over(1).await;
        connections
    });
    assert_eq!(connections.await, 1);
}

#[tokio::test]
async fn where_the_server_has_closed_all_of_them_a_request_tries_two() {
    const KEPT: usize = 4;
    let over = at_a_stretch(IDLE_CONNECTION_STAYS, async || {
        let [answer, close, closed] = [(); 3].map(|()| Arc::new(Semaphore::new(0)));
        let theirs = [&answer, &close, &closed].map(Arc::clone);
        let server = Server::start(move |mut stream| {
            let [answer, close, closed] = theirs.clone();
            async move {
                answer.acquire().await.unwrap().forget();
                stream.write_all(HI.as_bytes()).await?;
                close.acquire().await.unwrap().forget();
                stream.shutdown().await?;
                closed.add_permits(1);
                stream.read_to_end(&mut Vec::new()).await.map(drop)
            }
        })
        .await;
        let (egress, uri) = (Egress::new(), server.literal());
        let granted = allowance(&[&uri]);
        let at_once = [(); KEPT].map(|()| {
            let (egress, granted, uri) = (egress.clone(), Arc::clone(&granted), uri.clone());
            tokio::spawn(async move { ask(&egress, &granted, &uri).await })
        });
        soon(async {
            while server.connections() < KEPT {
                tokio::task::yield_now().await;
            }
        })
        .await;
        answer.add_permits(KEPT);
        for asked in at_once {
            asked.await.unwrap();
        }
        close.add_permits(KEPT);
        soon(closed.acquire_many(KEPT.try_into().unwrap())).await.unwrap().forget();
        // What the server has sent before this has arrived by then.
        answer.add_permits(2);
        ask(&egress, &allowance_of("t", "another", &[&uri]), &uri).await;
        ask(&egress, &granted, &uri).await;
        server.over(2).await;
        server.over_by_now()
    });
    assert_eq!(over.await, 2);
}

#[tokio::test]
async fn a_connection_is_not_used_when_its_name_leads_elsewhere_by_now() {
    let (failed, seen) = at_a_stretch(IDLE_CONNECTION_STAYS - ADDRESSES_STAY / 2, async || {
        let server = Server::keeping(HI).await;
        let egress = Egress::new().with_resolver(FakeResolver::answering(&[&["127.0.0.1"], &["127.0.0.2"]]));
        let named = format!("http://api.example.com:{}", server.port);
        let granted = allowance(&[&named, &server.literal(), &format!("http://127.0.0.2:{}", server.port)]);
        ask(&egress, &granted, &named).await;
        later(ADDRESSES_STAY / 2).await;
        ask(&egress, &granted, &named).await;
        later(ADDRESSES_STAY / 2).await;
        // Nobody listens there.
        let timeouts = Timeouts { connect: SHORT, ..PATIENT };
        let failed = egress.send(&granted, get(&named), timeouts).await.map(drop);
        (failed, (server.connections(), server.heads().len()))
    })
    .await;
    let failed = failed.unwrap_err();
    assert!(!failed.is_refusal(), "{failed}");
    assert_eq!(seen, (1, 2));
}

#[tokio::test]
async fn a_server_that_wants_to_close_is_left_in_peace() {
    for response in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    ] {
        let server = Server::keeping(response).await;
        let (egress, uri) = (Egress::new(), server.literal());
        for n in 1..=2 {
            ask(&egress, &allowance(&[&uri]), &uri).await;
            server.over(n).await;
        }
        assert_eq!(server.connections(), 2, "{response}");
    }
}

mod timed {
    use std::time::Instant;

    use super::*;

    /// What is closed by itself is closed later.
    fn assert_soon(began: Instant) {
        assert!(began.elapsed() < IDLE_CONNECTION_STAYS / 2, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn idle_connections_are_closed_when_that_is_asked_for_and_when_nobody_can_use_them() {
        let server = Server::keeping(HI).await;
        let (egress, uri) = (Egress::new(), server.literal());
        ask(&egress, &allowance(&[&uri]), &uri).await;
        let began = Instant::now();
        egress.close_idle_connections();
        server.over(1).await;
        assert_soon(began);

        ask(&egress, &allowance(&[&uri]), &uri).await;
        let began = Instant::now();
        drop(egress);
        server.over(2).await;
        assert_soon(began);
    }
}
