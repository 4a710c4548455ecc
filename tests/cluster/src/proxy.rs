//! Stands between a client and the servers, and decides what becomes of each acknowledgement of a stream.
//!
//! The client's own messages arrive in any case. So a message whose acknowledgement is lost is stored, and its writer does not know.

use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;

use crate::frames::Frame;

/// A server that is suspended takes connections for a while; one that is dead refuses them at once.
const CONNECTS_WITHIN: Duration = Duration::from_secs(1);
/// Where the answers to a client's requests go, acknowledgements among them.
const INBOX: &str = "_INBOX.";
/// Requests to the servers themselves, which are no messages of a stream.
const OF_THE_SERVER: char = '$';

/// What a server says of a message that was to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The stream.
    pub stream: String,
    /// The message's sequence. 0: it was refused.
    pub sequence: u64,
    /// Why it was refused, as the server's `err_code`.
    pub refused: Option<u64>,
}

/// What becomes of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Arrives,
    /// It is lost.
    Lost,
    /// It arrives after the client has sent its next message, on this connection.
    Late,
    /// It is lost, and the connection with it.
    CutOff,
}

type Script = dyn FnMut(&Acknowledgement) -> Fate + Send;

/// A proxy on a port of its own. Connections go to the first of its servers that takes one, from the next one on each time.
pub struct NatsProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    servers: Vec<SocketAddr>,
    script: Mutex<Box<Script>>,
    next: AtomicUsize,
    published: AtomicUsize,
    connections: Mutex<Vec<TcpStream>>,
    is_over: AtomicBool,
}

/// The way from a server to a client: what is held back on it, and where it goes.
struct ToClient {
    stream: TcpStream,
    held: Vec<Vec<u8>>,
}

impl NatsProxy {
    /// In front of these servers. `script` is asked for each acknowledgement.
    ///
    /// # Panics
    /// There is no port left.
    #[must_use]
    pub fn in_front_of(
        servers: Vec<SocketAddr>,
        script: impl FnMut(&Acknowledgement) -> Fate + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            servers,
            script: Mutex::new(Box::new(script)),
            next: AtomicUsize::new(0),
            published: AtomicUsize::new(0),
            connections: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let serving = shared.clone();
        thread::spawn(move || serving.serve(&listener));
        Self { address, shared }
    }

    /// `nats://host:port` of the proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Messages that clients have published, but for what they ask servers.
    #[must_use]
    pub fn published(&self) -> usize {
        self.shared.published.load(Ordering::SeqCst)
    }

    /// Cuts all connections. Clients connect again.
    pub fn cut(&self) {
        for connection in self.shared.connections.lock().drain(..) {
            connection.shutdown(Shutdown::Both).ok();
        }
    }
}

impl Drop for NatsProxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.cut();
        // Whoever waits for a connection sees that it is over.
        TcpStream::connect(self.address).ok();
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else { continue };
            if let Some(server) = self.connect() {
                // A connection that has failed meanwhile is one that was cut.
                self.join(client, server).ok();
            }
        }
    }

    fn connect(&self) -> Option<TcpStream> {
        let from = self.next.fetch_add(1, Ordering::SeqCst);
        (0..self.servers.len()).find_map(|step| {
            let server = self.servers.get((from + step) % self.servers.len())?;
            TcpStream::connect_timeout(server, CONNECTS_WITHIN).ok()
        })
    }

    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) -> io::Result<()> {
        // Small messages, each of which is waited for.
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        self.connections.lock().extend([client.try_clone()?, server.try_clone()?]);
        let to_client = Arc::new(Mutex::new(ToClient { stream: client.try_clone()?, held: Vec::new() }));
        let (shared, way, from, to) = (self.clone(), to_client.clone(), client.try_clone()?, server.try_clone()?);
        thread::spawn(move || {
            shared.forward_to_server(from, to, &way).ok();
        });
        let shared = self.clone();
        thread::spawn(move || {
            shared.forward_to_client(server, &to_client).ok();
            client.shutdown(Shutdown::Both).ok();
        });
        Ok(())
    }

    fn forward_to_server(
        &self,
        client: TcpStream,
        mut server: TcpStream,
        to_client: &Mutex<ToClient>,
    ) -> io::Result<()> {
        let mut client = BufReader::new(client);
        while let Some(frame) = Frame::read(&mut client)? {
            server.write_all(frame.bytes())?;
            if frame.published().is_some_and(|subject| !subject.starts_with(OF_THE_SERVER)) {
                self.published.fetch_add(1, Ordering::SeqCst);
                to_client.lock().send_held()?;
            }
        }
        server.shutdown(Shutdown::Both)
    }

    /// Until one of the connections is closed, or cut.
    fn forward_to_client(&self, server: TcpStream, to_client: &Mutex<ToClient>) -> io::Result<()> {
        let mut server = BufReader::new(server);
        while let Some(frame) = Frame::read(&mut server)? {
            let fate =
                acknowledged(&frame).map_or(Fate::Arrives, |acknowledgement| (*self.script.lock())(&acknowledgement));
            match fate {
                Fate::Arrives => to_client.lock().stream.write_all(frame.bytes())?,
                Fate::Lost => (),
                Fate::Late => to_client.lock().held.push(frame.bytes().to_vec()),
                Fate::CutOff => return server.get_ref().shutdown(Shutdown::Both),
            }
        }
        Ok(())
    }
}

impl ToClient {
    fn send_held(&mut self) -> io::Result<()> {
        std::mem::take(&mut self.held).iter().try_for_each(|frame| self.stream.write_all(frame))
    }
}

/// The acknowledgement that this frame is. An answer of the servers' API has a `type`, and an acknowledgement has none.
fn acknowledged(frame: &Frame) -> Option<Acknowledgement> {
    frame.delivered().filter(|subject| subject.starts_with(INBOX))?;
    let said: Value = serde_json::from_slice(frame.payload()).ok()?;
    if said.get("type").is_some() {
        return None;
    }
    Some(Acknowledgement {
        stream: said.get("stream")?.as_str()?.to_owned(),
        sequence: said.get("seq").and_then(Value::as_u64).unwrap_or(0),
        refused: said.pointer("/error/err_code").and_then(Value::as_u64),
    })
}
