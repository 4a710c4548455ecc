//! Sends requests to the collector: a connection for each, HTTP/1.1, with TLS for `https`.

use std::net::ToSocketAddrs;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// A collector's answer is a few bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The client of one collector. Use it on a thread of its own, in a tokio runtime: looking its name up blocks. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Client {
    timeout: Duration,
    /// Reading the system's roots takes milliseconds, so only the first `https` request does.
    tls: Arc<OnceLock<Arc<ClientConfig>>>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Client {
    /// Makes a client whose requests take no longer than `timeout`.
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, tls: Arc::default(), failure: Arc::default() }
    }

    /// Returns why the last request has failed, once. OpenTelemetry's exporter only says that one has.
    pub(super) fn take_failure(&self) -> Option<String> {
        self.failure.lock().take()
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let uri = request.uri().clone();
        let host = uri.host().ok_or("the endpoint has no host")?;
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        // The brackets of an IPv6 address are the URL's.
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<_> = (name, port).to_socket_addrs()?.collect();
        let stream = TcpStream::connect(&*addresses).await?;
        let request = in_origin_form(request, &uri, host)?;
        if is_tls {
            let stream =
                TlsConnector::from(self.tls()?).connect(ServerName::try_from(name.to_owned())?, stream).await?;
            send(stream, request).await
        } else {
            send(stream, request).await
        }
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        if let Some(config) = self.tls.get() {
            return Ok(config.clone());
        }
        // Set explicitly, because there is no provider for the whole process.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_platform_verifier()?
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(self.tls.get_or_init(|| Arc::new(config)).clone())
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = match timeout(self.timeout, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {:?}", self.timeout).into()),
        };
        *self.failure.lock() = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answers {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        answer
    }
}

/// Makes the request one for the server itself: the path, and the server's name as a header.
fn in_origin_form(request: Request<Bytes>, uri: &Uri, host: &str) -> Result<Request<Full<Bytes>>, HttpError> {
    let mut request = request.map(Full::new);
    *request.uri_mut() = uri.path_and_query().map_or("/", |path| path.as_str()).parse()?;
    let host = uri.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    request.headers_mut().insert(HOST, HeaderValue::from_str(&host)?);
    Ok(request)
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, HttpError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The connection is done when the answer is there.
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
    connection.abort();
    Ok(Response::from_parts(parts, body?.to_bytes()))
}
