//! Servers that end with the test, names that lead where the test wants, and short times.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use lastword_egress::{
    Account, Allowance, Egress, EgressError, Limits, Resolve, Resolving, ResponseBody, Sent, Timeouts,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// Long enough never to be reached by a test that passes.
pub(crate) const PATIENT: Timeouts = Timeouts {
    connect: Duration::from_secs(20),
    first_byte: Duration::from_secs(20),
    between_bytes: Duration::from_secs(20),
    total: Duration::from_secs(20),
};
/// A timeout that a test waits for.
pub(crate) const SHORT: Duration = Duration::from_millis(100);

/// A server on 127.0.0.1 that remembers the heads of requests.
pub(crate) struct Server {
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
    /// Connections that are over, whoever has closed them.
    over: watch::Receiver<usize>,
    heads: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Accepts, and leaves everything else to `serve`.
    pub(crate) async fn raw<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let (tell, over) = watch::channel(0);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (served, tell) = (serve(stream), tell.clone());
                serving.spawn(async move {
                    // A client that goes away is what many of these tests want.
                    drop(served.await);
                    tell.send_modify(|over| *over += 1);
                });
            }
        });
        Self { port, connections, over, heads: Arc::default(), _tasks: tasks }
    }

    /// Reads the head of the request, then leaves the connection to `serve`.
    pub(crate) async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&heads);
        let serve = Arc::new(serve);
        let server = Self::raw(move |mut stream| {
            let (seen, serve) = (Arc::clone(&seen), Arc::clone(&serve));
            async move {
                let head = read_head(&mut stream).await?;
                seen.lock().unwrap().push(head);
                serve(stream).await
            }
        })
        .await;
        Self { heads, ..server }
    }

    /// Gives every request the same response, and closes.
    pub(crate) async fn answering(response: impl Into<String>) -> Self {
        let response: Arc<str> = response.into().into();
        Self::start(move |mut stream| {
            let response = Arc::clone(&response);
            async move { stream.write_all(response.as_bytes()).await }
        })
        .await
    }

    pub(crate) async fn ok() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi").await
    }

    /// Answers requests whose bodies have a length, one after the other, for as long as the client keeps the connection.
    pub(crate) async fn keeping(response: &'static str) -> Self {
        Self::closing_after(usize::MAX, response).await
    }

    /// Answers so many requests on a connection. It reads the next one too, and then closes.
    pub(crate) async fn closing_after(answers: usize, response: &'static str) -> Self {
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&heads);
        let server = Self::raw(move |mut stream| {
            let seen = Arc::clone(&seen);
            async move {
                for answered in 0.. {
                    let head = read_head(&mut stream).await?;
                    let length = body_length(&head);
                    seen.lock().unwrap().push(head);
                    stream.read_exact(&mut vec![0; length]).await?;
                    if answered == answers {
                        break;
                    }
                    stream.write_all(response.as_bytes()).await?;
                }
                Ok(())
            }
        })
        .await;
        Self { heads, ..server }
    }

    /// Writes `first`, and then `more` for as long as somebody reads.
    pub(crate) async fn endless(first: &'static str, more: &'static str) -> Self {
        Self::start(move |mut stream| async move {
            stream.write_all(first.as_bytes()).await?;
            loop {
                stream.write_all(more.as_bytes()).await?;
            }
        })
        .await
    }

    /// Writes `first`, and then `more` every 10 ms for as long as somebody reads.
    pub(crate) async fn dripping(first: &'static str, more: &'static str) -> Self {
        Self::start(move |mut stream| async move {
            let mut ticks = tokio::time::interval(SHORT / 10);
            stream.write_all(first.as_bytes()).await?;
            loop {
                ticks.tick().await;
                stream.write_all(more.as_bytes()).await?;
            }
        })
        .await
    }

    /// Writes `response`, and then keeps the connection open without a word until the client closes it.
    pub(crate) async fn then_silent(response: &'static str) -> Self {
        Self::start(move |mut stream| async move {
            stream.write_all(response.as_bytes()).await?;
            stream.read_to_end(&mut Vec::new()).await.map(drop)
        })
        .await
    }

    pub(crate) fn literal(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until so many connections are over.
    pub(crate) async fn over(&self, connections: usize) {
        soon(self.over.clone().wait_for(|over| *over >= connections)).await.unwrap();
    }

    /// How many connections are over by now.
    pub(crate) fn over_by_now(&self) -> usize {
        *self.over.borrow()
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

fn body_length(head: &str) -> usize {
    let lines = head.lines().map(str::to_ascii_lowercase);
    let length = lines.filter_map(|line| line.strip_prefix("content-length: ").map(str::to_owned)).next();
    length.map_or(0, |length| length.parse().unwrap())
}

/// Gives its answers in turn, the last for ever, and counts how often it was asked.
#[derive(Default)]
pub(crate) struct FakeResolver {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    lookups: AtomicUsize,
}

impl FakeResolver {
    pub(crate) fn answering(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers.iter().map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
        Arc::new(Self { answers: Mutex::new(answers), lookups: AtomicUsize::new(0) })
    }

    pub(crate) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }
}

impl Resolve for FakeResolver {
    fn resolve<'a>(&'a self, _host: &'a str) -> Resolving<'a> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(async move { Ok(answer.unwrap_or_default()) })
    }
}

pub(crate) fn allowance(granted: &[&str]) -> Arc<Allowance> {
    allowance_with(granted, Limits::default())
}

pub(crate) fn allowance_with(granted: &[&str], limits: Limits) -> Arc<Allowance> {
    let list = granted.iter().map(|destination| destination.parse().unwrap()).collect();
    Arc::new(Allowance::new(Arc::new(list), limits))
}

/// What a call of `plugin` for `tenant` may do.
pub(crate) fn allowance_of(tenant: &str, plugin: &str, granted: &[&str]) -> Arc<Allowance> {
    let list = granted.iter().map(|destination| destination.parse().unwrap()).collect();
    Arc::new(Allowance::new(Arc::new(list), Limits::default()).charged_to(Account::new(tenant, plugin)))
}

pub(crate) fn get(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).unwrap()
}

/// Sends a GET with all the time in the world.
pub(crate) async fn send(egress: &Egress, allowance: &Arc<Allowance>, uri: &str) -> Result<Sent, EgressError> {
    egress.send(allowance, get(uri), PATIENT).await
}

/// Sends a GET to a server that is granted as a literal.
pub(crate) async fn ask(server: &Server, limits: Limits, timeouts: Timeouts) -> Result<Sent, EgressError> {
    let allowance = allowance_with(&[&server.literal()], limits);
    Egress::new().send(&allowance, get(&server.literal()), timeouts).await
}

/// As if so much time had gone by. The clock stands still for that moment only: where it does, whoever waits for a server waits
/// for the next timeout.
pub(crate) async fn later(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// What a scenario came to that took less than `most`. A busy machine may pause for so long between two requests that a connection is
/// not kept any more: then it is begun anew.
pub(crate) async fn at_a_stretch<T>(most: Duration, scenario: impl AsyncFn() -> T) -> T {
    loop {
        let began = Instant::now();
        let seen = scenario().await;
        if began.elapsed() < most {
            return seen;
        }
    }
}

/// What must come by itself, so that a broken timeout is a failure and not a test that hangs.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENT.total, future).await.unwrap()
}

/// Reads the body to its end, driving the connection.
pub(crate) async fn read(sent: Sent) -> Result<Bytes, EgressError> {
    tokio::spawn(sent.connection);
    collect(sent.response.into_body()).await
}

pub(crate) async fn collect(body: ResponseBody) -> Result<Bytes, EgressError> {
    body.collect().await.map(http_body_util::Collected::to_bytes)
}

/// A request body of any length, 16 KiB a frame.
pub(crate) struct Repeated {
    pub(crate) frames: usize,
}

impl http_body::Body for Repeated {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.frames.checked_sub(1).map(|frames| {
            self.frames = frames;
            Ok(http_body::Frame::data(Bytes::from_static(&[b'x'; 16 * 1024])))
        }))
    }
}
