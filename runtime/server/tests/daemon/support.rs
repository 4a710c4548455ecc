//! A daemon for one test, and clients of it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use lastword::events::{Event, Hook, HookCall, Identity, Outcome, PluginName};
use lastword::testing::ManualClock;
use lastword::{Journal, MemoryJournal, OutcomeRecord, Plugin, Runtime, Tenants};
use lastword_process::Process;
use lastword_server::{
    Cluster, NewToken, OwnerSettings, Role, Server, ServerBuilder, ServerLimits, ServerObserver, Token, TokenStore,
    tls_config,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// So long a test waits for what has to come, on a machine that does a lot besides.
pub(crate) const COMES: Duration = Duration::from_secs(30);

/// How long owners have to come back in tests with a clock of their own.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// The kind of the sessions that say when time has passed, and after how much silence they end.
const WITNESS: &str = "witness";
const WITNESS_SILENCE: Duration = Duration::from_secs(1);

/// An end that the plugin was told of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) tenant: String,
    pub(crate) session: String,
    pub(crate) generation: u32,
    pub(crate) reason: String,
    pub(crate) raw_reason: Option<String>,
}

pub(crate) struct Daemon {
    pub(crate) server: Server,
    pub(crate) runtime: Runtime,
    pub(crate) clock: ManualClock,
    pub(crate) socket: PathBuf,
    ends: mpsc::UnboundedReceiver<Told>,
    /// Ends that came while something else was waited for.
    early: VecDeque<Told>,
    witnesses: u32,
    _dir: TempDir,
}

/// How a daemon is built.
pub(crate) struct Build {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) owners: OwnerSettings,
    pub(crate) limits: ServerLimits,
    pub(crate) tokens: Arc<TokenStore>,
    /// The machine's clock, and not one that stands still.
    pub(crate) real_time: bool,
    pub(crate) with_tenants: bool,
    /// Names by which browsers may ask for the page.
    pub(crate) hosts: Vec<String>,
    /// What the plugin answers.
    pub(crate) outcome: Outcome,
    pub(crate) cluster: Option<Arc<dyn Cluster>>,
    /// Hears of each outcome before the server does.
    pub(crate) first_told: Box<dyn Fn(&OutcomeRecord<'_>) + Send + Sync>,
}

impl Default for Build {
    fn default() -> Self {
        Self {
            journal: Arc::new(MemoryJournal::new()),
            owners: OwnerSettings { grace: GRACE, ..OwnerSettings::default() },
            limits: ServerLimits::default(),
            tokens: Arc::default(),
            real_time: false,
            with_tenants: false,
            hosts: Vec::new(),
            outcome: Outcome::Delivered,
            cluster: None,
            first_told: Box::new(|_| ()),
        }
    }
}

impl Build {
    pub(crate) fn start(self) -> Daemon {
        let Self { journal, mut owners, limits, tokens, real_time, with_tenants, hosts, outcome, cluster, first_told } =
            self;
        owners.idle_after.insert(WITNESS.into(), WITNESS_SILENCE);
        let (plugin, ends) = plugin(outcome);
        let clock = ManualClock::new();
        let observer = if with_tenants { ServerObserver::with_tenants() } else { ServerObserver::new() };
        let mut builder = Runtime::builder()
            .plugin(plugin, Tenants::Every)
            .journal(journal)
            .attach_grace(Duration::from_secs(60))
            .on_outcome(first_told)
            .observer(observer.clone());
        if !real_time {
            builder = builder.clock(clock.clone());
        }
        let runtime = builder.build().unwrap();
        let server =
            Server::builder(runtime.clone(), observer).owners(owners).limits(limits).tokens(tokens).hosts(hosts);
        let server = match cluster {
            Some(cluster) => server.cluster(cluster),
            None => server,
        };
        let server = if real_time { server } else { ServerBuilder::clock(server, clock.clone()) };
        let server = server.build();
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        let serving = server.clone();
        tokio::spawn(async move { serving.serve_unix(listener).await });
        Daemon { server, runtime, clock, socket, ends, early: VecDeque::new(), witnesses: 0, _dir: dir }
    }
}

/// A plugin that has every hook, and tells of each end that it is called with.
fn plugin(outcome: Outcome) -> (Plugin, mpsc::UnboundedReceiver<Told>) {
    let (sender, ends) = mpsc::unbounded_channel();
    let hook = move |call: &HookCall| {
        if let Event::End(end) = &*call.event {
            let Identity { tenant, id, .. } = &call.session.identity;
            let told = Told {
                tenant: tenant.to_string(),
                session: id.to_string(),
                generation: call.session.generation,
                reason: end.reason.to_string(),
                raw_reason: end.raw_reason.clone(),
            };
            sender.send(told).ok();
        }
        outcome.clone()
    };
    let name = PluginName::new("memory").unwrap();
    (Plugin::native(name, Hook::ALL.into_iter().collect(), hook).unwrap(), ends)
}

impl Daemon {
    pub(crate) fn start() -> Self {
        Build::default().start()
    }

    /// The next end that the plugin is called with.
    pub(crate) async fn next_end(&mut self) -> Told {
        match self.early.pop_front() {
            Some(end) => end,
            None => timeout(COMES, self.ends.recv()).await.unwrap().unwrap(),
        }
    }

    /// Two ends come next, in whichever order, of these sessions and with these reasons.
    pub(crate) async fn assert_two_ends(&mut self, expected: [(&str, &str); 2]) {
        let mut ends = [self.next_end().await, self.next_end().await].map(|end| (end.session, end.reason));
        ends.sort();
        assert_eq!(ends.each_ref().map(|(session, reason)| (session.as_str(), reason.as_str())), expected);
    }

    pub(crate) fn is_active(&self, tenant: &str, id: &str) -> bool {
        self.runtime.session(&Identity::new(tenant, id)).is_some()
    }

    /// Lets so much time pass, of which the first second is for the witness. What is due then has been done when it returns, as a session
    /// says that ends of silence at the same moment.
    pub(crate) async fn pass(&mut self, time: Duration) {
        self.witnesses += 1;
        let witness = format!("witness-{}", self.witnesses);
        let start = serde_json::json!({"session": {"id": witness, "owner_kind": WITNESS}}).to_string();
        self.client().await.post("/v1/sessions", &start).await.ok();
        self.clock.advance(time.max(WITNESS_SILENCE));
        loop {
            let end = timeout(COMES, self.ends.recv()).await.unwrap().unwrap();
            if end.session == witness {
                return;
            }
            self.early.push_back(end);
        }
    }

    /// Waits until so many owners were lost.
    pub(crate) async fn lost(&self, owners: u64) {
        let are_lost = async {
            while self.server.status().owners_lost < owners {
                tokio::task::yield_now().await;
            }
        };
        timeout(COMES, are_lost).await.unwrap();
    }

    pub(crate) async fn client(&self) -> Client {
        Client::over(UnixStream::connect(&self.socket).await.unwrap(), None).await
    }

    /// A listener on loopback, for those with tokens.
    pub(crate) async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = self.server.clone();
        tokio::spawn(async move { serving.serve_tcp(listener, None).await.unwrap() });
        address
    }
}

/// A client that is not ours: hyper's.
pub(crate) struct Client {
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    token: Option<String>,
}

/// What a request was answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        token: Option<&str>,
    ) -> Self {
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(async move { connection.await.ok() });
        Self { sender, token: token.map(str::to_owned) }
    }

    pub(crate) async fn tcp(address: SocketAddr, token: Option<&str>) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), token).await
    }

    /// With TLS, to a daemon that is served so from now on.
    pub(crate) async fn tls(daemon: &Daemon, token: Option<&str>) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let tls = tls_config(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = daemon.server.clone();
        tokio::spawn(async move { serving.serve_tcp(listener, Some(tls)).await.unwrap() });
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        Self::over(TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap(), token).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.ask(Method::GET, path, "", &[]).await
    }

    pub(crate) async fn put(&mut self, path: &str, body: &str) -> Answer {
        self.ask(Method::PUT, path, body, &[]).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> Answer {
        self.ask(Method::POST, path, body, &[]).await
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, "", &[]).await
    }

    pub(crate) async fn ask(&mut self, method: Method, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if headers.iter().all(|(name, _)| *name != "host") {
            request = request.header("host", "localhost");
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let asked = async {
            self.sender.ready().await.unwrap();
            let response = self.sender.send_request(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Answer { status: parts.status.as_u16(), headers: parts.headers, body }
        };
        timeout(COMES, asked).await.unwrap()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// What was asked was done.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// What was asked was not done, and the answer says so as the standard has it.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        problem["code"].as_str().unwrap().to_owned()
    }
}

/// A process that does nothing until it is killed.
pub(crate) struct Agent {
    child: Child,
    pub(crate) process: Process,
}

impl Agent {
    pub(crate) fn start() -> Self {
        let child = Command::new("sleep").arg("1000").stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        Self { child, process }
    }

    /// What a client says of it in a query.
    pub(crate) fn query(&self) -> String {
        let Process { pid, start_time, boot_id } = &self.process;
        format!("pid={pid}&start_time={start_time}&boot_id={boot_id}")
    }

    /// What a client says of it when it registers.
    pub(crate) fn body(&self) -> String {
        let Process { pid, start_time, boot_id } = &self.process;
        serde_json::json!({"kind": "test", "pid": pid, "start_time": start_time, "boot_id": boot_id}).to_string()
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Tokens, and what their holders send.
pub(crate) fn tokens(of: &[(&str, Role, Option<&str>)]) -> (Arc<TokenStore>, Vec<String>) {
    let mut tokens = Vec::new();
    let texts = of.iter().map(|(name, role, tenant)| {
        let new = NewToken::generate().unwrap();
        tokens.push(Token::new(name, &new.hash(), *role, *tenant).unwrap());
        new.text().to_owned()
    });
    let texts = texts.collect();
    (Arc::new(TokenStore::new(tokens)), texts)
}

pub(crate) fn start_body(id: &str) -> String {
    serde_json::json!({"session": {"id": id}}).to_string()
}
