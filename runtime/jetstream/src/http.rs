//! One small request over HTTP: what a server's monitoring port says.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::{FACTS_TIMEOUT, MAX_FACTS_BYTES};

/// Where a monitoring port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    authority: String,
    address: (String, u16),
    path: String,
}

/// Reads the address of a monitoring port. The error says what to write.
pub(crate) fn target(url: &str) -> Result<Target, String> {
    let no_address =
        || format!("{} is no address of a monitoring port: write http://HOST:8222", lastword_events::text::quoted(url));
    let uri: Uri = url.parse().map_err(|_| no_address())?;
    if uri.scheme_str() == Some("https") {
        let url = lastword_events::text::quoted(url);
        return Err(format!(
            "{url} has TLS, which is not spoken here: give the plain monitoring port, or a system account"
        ));
    }
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(no_address)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let path = format!("{}/varz", uri.path().trim_end_matches('/'));
    Ok(Target { authority: authority.to_string(), address: (host, authority.port_u16().unwrap_or(80)), path })
}

/// What the monitoring port answers to `/varz`.
pub(crate) async fn varz(url: &str) -> Result<Bytes, String> {
    let target = target(url)?;
    timeout(FACTS_TIMEOUT, get(&target)).await.unwrap_or_else(|_| Err(format!("no answer within {FACTS_TIMEOUT:?}")))
}

async fn get(target: &Target) -> Result<Bytes, String> {
    let (host, port) = &target.address;
    let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let request = hyper::Request::get(&target.path)
        .header(hyper::header::HOST, &target.authority)
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("it answers {} to {}", response.status(), target.path));
        }
        let body =
            Limited::new(response.into_body(), MAX_FACTS_BYTES).collect().await.map_err(|error| error.to_string())?;
        Ok(body.to_bytes())
    };
    tokio::pin!(exchange, connection);
    // The connection is driven here, so nothing of it is left when this is over.
    tokio::select! {
        answer = &mut exchange => answer,
        closed = &mut connection => match closed {
            // The response may be complete all the same.
            Ok(()) => exchange.await,
            Err(error) => Err(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_of_a_monitoring_port_is_http_alone() {
        let read = |url| target(url).map(|target| (target.address, target.path));
        assert_eq!(read("http://10.0.0.1:8222"), Ok((("10.0.0.1".to_owned(), 8222), "/varz".to_owned())));
        assert_eq!(read("http://[::1]:8222/n1/"), Ok((("::1".to_owned(), 8222), "/n1/varz".to_owned())));
        for bad in ["https://a:8222", "10.0.0.1:8222", "nats://a:4222", "", "http://"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    async fn answered(answer: &'static [u8]) -> Result<Bytes, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            String::from_utf8(request).unwrap()
        };
        let (answer, request) = tokio::join!(varz(&url), server);
        assert!(request.starts_with("GET /varz HTTP/1.1\r\n"), "{request}");
        answer
    }

    #[tokio::test]
    async fn an_answer_is_read_whole() {
        let answer = answered(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await;
        assert_eq!(answer.as_deref(), Ok(&b"{}"[..]));
        let until_closed = answered(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"a\":1}").await;
        assert_eq!(until_closed.as_deref(), Ok(&b"{\"a\":1}"[..]));
    }

    #[tokio::test]
    async fn an_answer_of_something_else_is_an_error() {
        let error = answered(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await.unwrap_err();
        assert!(error.contains("404") && error.contains("/varz"), "{error}");
        assert!(answered(b"220 ready\r\n").await.is_err());
    }
}
