//! A server that can go away and come back.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};
use serde_json::Value;

/// A client that says nothing for longer than this is broken.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Request {
    pub(super) path: String,
    /// By their names in small letters.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Value,
}

pub(super) enum Answer {
    Status(u16),
    /// The client waits in vain.
    Never,
}

type Service = dyn Fn(Request) -> Answer + Send + Sync;

pub(super) struct Server {
    address: SocketAddrV4,
    service: Arc<Service>,
    state: State,
}

enum State {
    /// Nobody listens, and nobody else can have the address: clients are refused.
    Down(OwnedFd),
    Up {
        thread: JoinHandle<()>,
        leaves: Arc<AtomicBool>,
    },
}

impl Server {
    /// A server that is down.
    pub(super) fn new(service: impl Fn(Request) -> Answer + Send + Sync + 'static) -> Self {
        let (place, address) = reserve(0);
        Self { address, service: Arc::new(service), state: State::Down(place) }
    }

    /// `http://127.0.0.1:37777`.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn up(&mut self) {
        let State::Down(place) = &self.state else { return };
        listen(place, 128).unwrap();
        let listener = TcpListener::from(place.try_clone().unwrap());
        let (service, leaves) = (self.service.clone(), Arc::new(AtomicBool::new(false)));
        let leaving = leaves.clone();
        let thread = thread::spawn(move || {
            // Kept open for as long as the server is there.
            let mut unanswered = Vec::new();
            for stream in listener.incoming().map_while(|stream| (!leaving.load(Ordering::Relaxed)).then_some(stream)) {
                // A client that was killed in the middle of its request has not made it.
                unanswered.extend(serve(stream.unwrap(), service.as_ref()).ok().flatten());
            }
        });
        self.state = State::Up { thread, leaves };
    }

    pub(super) fn down(&mut self) {
        let placeholder = State::Down(reserve(0).0);
        let State::Up { thread, leaves } = std::mem::replace(&mut self.state, placeholder) else { return };
        leaves.store(true, Ordering::Relaxed);
        // It looks when somebody comes.
        drop(TcpStream::connect(SocketAddr::from(self.address)).unwrap());
        thread.join().unwrap();
        self.state = State::Down(reserve(self.address.port()).0);
    }
}

/// A port that is ours, where nobody listens.
fn reserve(port: u16) -> (OwnedFd, SocketAddrV4) {
    let place = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    // The program that is tested must not hold it.
    fcntl_setfd(&place, FdFlags::CLOEXEC).unwrap();
    sockopt::set_socket_reuseaddr(&place, true).unwrap();
    bind(&place, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).unwrap();
    let address = rustix::net::getsockname(&place).unwrap().try_into().unwrap();
    (place, address)
}

/// Gives back a client that is not answered.
fn serve(mut stream: TcpStream, service: &Service) -> std::io::Result<Option<TcpStream>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    match service(read(&stream)?) {
        Answer::Never => Ok(Some(stream)),
        Answer::Status(status) => {
            write!(stream, "HTTP/1.1 {status} \r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
            Ok(None)
        }
    }
}

fn read(stream: &TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let missing = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let (first, fields) = head.split_first().ok_or_else(missing)?;
    let path = first.strip_prefix("POST ").unwrap().split(' ').next().unwrap().to_owned();
    let fields = fields.iter().map(|line| line.split_once(": ").unwrap());
    let headers: BTreeMap<_, _> = fields.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body)?;
    Ok(Request { path, headers, body: serde_json::from_slice(&body).unwrap() })
}
