//! Whatever a server does, and whatever a guest sends, ends at a timeout or a limit.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use lastword_egress::{Egress, EgressError, Limits, Timeouts};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

use crate::support::{PATIENT, Repeated, SHORT, Server, allowance, allowance_with, ask, collect, read, send, soon};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
const SMALL: Limits = Limits {
    max_requests: 3,
    max_request_body_bytes: 40_000,
    max_response_body_bytes: 40_000,
    max_response_header_bytes: 1000,
};

#[tokio::test]
async fn a_server_that_never_answers_is_cut_at_the_first_byte_timeout() {
    let server = Server::then_silent("").await;
    let cut = ask(&server, SMALL, Timeouts { first_byte: SHORT, ..PATIENT }).await.unwrap_err();
    assert!(matches!(cut, EgressError::FirstByteTimeout), "{cut}");
}

#[tokio::test]
async fn a_server_that_drips_its_header_is_cut_at_the_first_byte_timeout() {
    let server = Server::dripping("HTTP/1.1 200 OK\r\n", "a").await;
    let cut = ask(&server, SMALL, Timeouts { first_byte: SHORT, ..PATIENT }).await.unwrap_err();
    assert!(matches!(cut, EgressError::FirstByteTimeout), "{cut}");
}

#[tokio::test]
async fn a_body_that_pauses_is_cut_at_the_between_bytes_timeout() {
    let server = Server::then_silent("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi").await;
    let sent = ask(&server, SMALL, Timeouts { between_bytes: SHORT, ..PATIENT }).await.unwrap();
    let cut = read(sent).await.unwrap_err();
    assert!(matches!(cut, EgressError::BetweenBytesTimeout), "{cut}");
}

#[tokio::test]
async fn a_body_that_drips_just_in_time_is_cut_at_the_total_timeout() {
    let server = Server::dripping(OK, "a").await;
    // Long enough for the header also on a machine that is busy.
    let sent = ask(&server, SMALL, Timeouts { total: 5 * SHORT, ..PATIENT }).await.unwrap();
    let driver = tokio::spawn(sent.connection);
    let cut = collect(sent.response.into_body()).await.unwrap_err();
    assert!(matches!(cut, EgressError::TotalTimeout), "{cut}");
    // The driver ends by itself: either it saw its body dropped, or the same deadline.
    drop(soon(driver).await.unwrap());
}

#[tokio::test]
async fn a_connection_that_nobody_reads_from_ends_at_the_total_timeout() {
    let server = Server::dripping(OK, "a").await;
    // Long enough for the header also on a machine that is busy.
    let sent = ask(&server, SMALL, Timeouts { total: 5 * SHORT, ..PATIENT }).await.unwrap();
    let cut = soon(sent.connection).await.unwrap_err();
    assert!(matches!(cut, EgressError::TotalTimeout), "{cut}");
}

#[tokio::test]
async fn the_total_timeout_covers_the_header_too() {
    let server = Server::then_silent("").await;
    let cut = ask(&server, SMALL, Timeouts { total: SHORT, ..PATIENT }).await.unwrap_err();
    assert!(matches!(cut, EgressError::TotalTimeout), "{cut}");
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_limit() {
    for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"] {
        let server = Server::endless(head, "a\r\n0123456789\r\n").await;
        let allowance = allowance_with(&[&server.literal()], SMALL);
        let sent = send(&Egress::new(), &allowance, &server.literal()).await.unwrap();
        let driver = tokio::spawn(sent.connection);
        let mut body = sent.response.into_body();
        let mut received = 0;
        let cut = loop {
            match body.frame().await.unwrap() {
                Ok(frame) => received += frame.into_data().unwrap().len() as u64,
                Err(error) => break error,
            }
        };
        assert!(matches!(cut, EgressError::ResponseBodyTooLarge { limit_bytes: 40_000 }), "{cut}");
        assert!(received <= 40_000 && received == allowance.usage().response_body_bytes);
        // The error ends the body, and the connection with it.
        assert!(body.frame().await.is_none());
        drop(soon(driver).await.unwrap());
    }
}

#[tokio::test]
async fn the_response_limit_is_for_all_responses_of_a_call() {
    let server =
        Server::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: 30000\r\n\r\n{}", "x".repeat(30_000))).await;
    let allowance = allowance_with(&[&server.literal()], SMALL);
    let first = send(&Egress::new(), &allowance, &server.literal()).await.unwrap();
    assert_eq!(read(first).await.unwrap().len(), 30_000);
    let second = send(&Egress::new(), &allowance, &server.literal()).await.unwrap();
    let cut = read(second).await.unwrap_err();
    assert!(matches!(cut, EgressError::ResponseBodyTooLarge { .. }), "{cut}");
}

#[tokio::test]
async fn a_header_that_does_not_end_is_cut_at_the_limit() {
    for more in ["x", "x: y\r\n"] {
        let server = Server::endless("HTTP/1.1 200 OK\r\nx: ", more).await;
        for limits in [SMALL, Limits::default()] {
            let cut = ask(&server, limits, PATIENT).await.unwrap_err();
            assert!(matches!(cut, EgressError::ResponseHeaderTooLarge { .. }), "{cut}");
        }
    }
}

#[tokio::test]
async fn informational_responses_that_do_not_end_are_cut_at_the_limit_or_the_timeout() {
    let continues = "HTTP/1.1 100 Continue\r\n\r\n";
    let server = Server::endless("", continues).await;
    for limits in [SMALL, Limits::default()] {
        let cut = ask(&server, limits, PATIENT).await.unwrap_err();
        assert!(matches!(cut, EgressError::ResponseHeaderTooLarge { .. }), "{cut}");
    }
    let server = Server::dripping("", continues).await;
    let cut = ask(&server, Limits::default(), Timeouts { first_byte: SHORT, ..PATIENT }).await.unwrap_err();
    assert!(matches!(cut, EgressError::FirstByteTimeout), "{cut}");
}

#[tokio::test]
async fn a_header_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() {
    let start = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: ";
    for (bytes, fits) in [(1000, true), (1001, false)] {
        let head = format!("{start}{}\r\n\r\n", "x".repeat(bytes - start.len() - 4));
        assert_eq!(head.len(), bytes);
        let server = Server::answering(format!("{head}hi")).await;
        match ask(&server, SMALL, PATIENT).await {
            Ok(sent) => assert!(fits && read(sent).await.unwrap() == "hi"),
            Err(error) => assert!(!fits && matches!(error, EgressError::ResponseHeaderTooLarge { .. }), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_call_makes_so_many_requests_and_no_more() {
    let server = Server::ok().await;
    let allowance = allowance_with(&[&server.literal()], SMALL);
    // A refused one counts too.
    send(&Egress::new(), &allowance, "http://elsewhere.example").await.unwrap_err();
    for _ in 0..2 {
        send(&Egress::new(), &allowance, &server.literal()).await.unwrap();
    }
    let refused = send(&Egress::new(), &allowance, &server.literal()).await.unwrap_err();
    assert!(matches!(refused, EgressError::TooManyRequests { limit: 3 }), "{refused}");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_request_body_that_does_not_end_is_cut_at_the_limit() {
    let (report, mut received) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream| {
        let report = report.clone();
        async move {
            let mut body = Vec::new();
            let read = stream.read_to_end(&mut body).await;
            report.send(body.len()).map_err(io::Error::other)?;
            read.map(drop)
        }
    })
    .await;
    let allowance = allowance_with(&[&server.literal()], SMALL);
    let request = Request::post(server.literal()).body(Repeated { frames: usize::MAX }).unwrap();
    let cut = Egress::new().send(&allowance, request, PATIENT).await.unwrap_err();
    assert!(matches!(cut, EgressError::RequestBodyTooLarge { limit_bytes: 40_000 }), "{cut}");
    assert_eq!(allowance.usage().request_body_bytes, 2 * 16 * 1024);
    // Chunk framing adds a little.
    assert!(received.recv().await.unwrap() < 41_000);
}

#[tokio::test]
async fn the_request_limit_is_for_all_requests_of_a_call() {
    let server = Server::start(|mut stream| async move {
        let mut body = [0; 30_000];
        stream.read_exact(&mut body).await?;
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await
    })
    .await;
    let allowance = allowance_with(&[&server.literal()], SMALL);
    let post = || Request::post(server.literal()).body(Full::new(Bytes::from(vec![0; 30_000]))).unwrap();
    Egress::new().send(&allowance, post(), PATIENT).await.unwrap();
    let cut = Egress::new().send(&allowance, post(), PATIENT).await.unwrap_err();
    assert!(matches!(cut, EgressError::RequestBodyTooLarge { .. }), "{cut}");
}

#[tokio::test]
async fn a_request_body_that_fails_keeps_its_error() {
    struct Fails;
    impl http_body::Body for Fails {
        type Data = Bytes;
        type Error = io::Error;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, io::Error>>> {
            Poll::Ready(Some(Err(io::Error::other("the guest gave up"))))
        }
    }
    let server = Server::then_silent("").await;
    let request = Request::post(server.literal()).body(Fails).unwrap();
    let failed = Egress::new().send(&allowance(&[&server.literal()]), request, PATIENT).await.unwrap_err();
    assert!(matches!(failed, EgressError::RequestBody(_)), "{failed}");
    let mut cause: &dyn std::error::Error = &failed;
    while let Some(next) = cause.source() {
        cause = next;
    }
    assert_eq!(cause.downcast_ref::<io::Error>().unwrap().to_string(), "the guest gave up");
}

#[tokio::test]
async fn a_broken_response_is_told_from_one_that_ends_too_soon() {
    for response in ["", "HTTP/1.1 200 OK\r\nx", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi"] {
        let server = Server::answering(response).await;
        let failed = match ask(&server, SMALL, PATIENT).await {
            Err(error) => error,
            Ok(sent) => read(sent).await.unwrap_err(),
        };
        assert!(matches!(failed, EgressError::Incomplete), "{response:?}: {failed}");
    }
    for response in [
        "220 mail.example ESMTP\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nhi",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: tunnel\r\nconnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let server = Server::answering(response).await;
        let failed = match ask(&server, SMALL, PATIENT).await {
            Err(error) => error,
            Ok(sent) => read(sent).await.unwrap_err(),
        };
        assert!(matches!(failed, EgressError::Protocol(_)), "{response:?}: {failed}");
    }
}

/// Answers with `response`, says that it did, and says when the client has closed the connection.
async fn reporting(response: &'static str) -> (Server, mpsc::UnboundedReceiver<&'static str>) {
    let (report, reports) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream| {
        let report = report.clone();
        async move {
            stream.write_all(response.as_bytes()).await?;
            report.send("answered").map_err(io::Error::other)?;
            stream.read_to_end(&mut Vec::new()).await?;
            report.send("closed").map_err(io::Error::other)
        }
    })
    .await;
    (server, reports)
}

#[tokio::test]
async fn dropping_the_request_closes_the_connection() {
    let (server, mut reports) = reporting("").await;
    tokio::select! {
        sent = ask(&server, SMALL, PATIENT) => panic!("{sent:?}"),
        report = reports.recv() => assert_eq!(report, Some("answered")),
    }
    assert_eq!(reports.recv().await, Some("closed"));
}

#[tokio::test]
async fn aborting_the_driver_closes_the_connection_and_ends_the_body() {
    let (server, mut reports) = reporting(OK).await;
    let sent = ask(&server, SMALL, PATIENT).await.unwrap();
    assert_eq!(reports.recv().await, Some("answered"));
    tokio::spawn(sent.connection).abort();
    assert_eq!(reports.recv().await, Some("closed"));
    collect(sent.response.into_body()).await.unwrap_err();
}
