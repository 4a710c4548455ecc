//! A server that writes down what the guests `http-reports` tell it: what was delivered, as the world outside saw it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use lastword_events::{DeliveryId, EventKey};
use rustix::net::listen;

/// Refusals of one delivery: fewer than make the program give it up.
const MAX_REFUSALS: u32 = 2;
/// Clients whose connections wait to be taken.
const MAX_CLIENTS: i32 = 1_024;
/// A client that says nothing for longer than this is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// One attempt that got as far as the server, which knew of it before it answered.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The run of the program that made it, counted by the test.
    pub(crate) run: u32,
    pub(crate) id: DeliveryId,
    pub(crate) tenant: String,
    pub(crate) session: String,
    pub(crate) generation: u32,
    pub(crate) attempt: u32,
    pub(crate) late: bool,
}

impl Report {
    pub(crate) fn is_end(&self) -> bool {
        self.id.event == EventKey::End
    }
}

/// How the server answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Behavior {
    /// So many of a hundred attempts are refused, which fails them.
    pub(crate) refused: u8,
    /// How long it takes at most.
    pub(crate) slow: Duration,
}

pub(crate) struct ReportServer {
    address: SocketAddr,
    state: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    run: u32,
    reports: Vec<Report>,
    refusals: BTreeMap<DeliveryId, u32>,
    behavior: Behavior,
    /// No request is answered.
    held: bool,
    random: Rng,
}

impl ReportServer {
    /// Serves one client after the other, so that reports are in the order in which the attempts came. The answers are not.
    pub(crate) fn serve(random: Rng) -> Self {
        Self::begin(Ipv4Addr::LOCALHOST, random, |state, stream| {
            // Whoever was killed in the middle of its request has not made it.
            serve(state, stream).ok();
        })
    }

    /// Serves all clients at once, and refuses none: one that stands still in the middle of its request holds up no other.
    #[cfg(all(target_os = "linux", feature = "jetstream"))]
    pub(crate) fn serve_at_once() -> Self {
        Self::serve_at_once_on(Ipv4Addr::LOCALHOST)
    }

    /// The same, on an address of this machine.
    #[cfg(all(target_os = "linux", feature = "jetstream"))]
    pub(crate) fn serve_at_once_on(address: Ipv4Addr) -> Self {
        Self::begin(address, Rng::with_seed(0), |state, stream| {
            let state = state.clone();
            thread::spawn(move || serve(&state, stream).ok());
        })
    }

    fn begin(address: Ipv4Addr, random: Rng, serve_one: impl Fn(&Arc<Shared>, TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        // In the place of the library's 128: as many calls may be under way, each with a connection.
        listen(&listener, MAX_CLIENTS).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Shared::default());
        state.lock().random = random;
        let served = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve_one(&served, stream.unwrap());
            }
        });
        Self { address, state }
    }

    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// What came so far belongs to earlier runs of the program, which has ended.
    pub(crate) fn next_run(&self, behavior: Behavior) -> u32 {
        // Comes after everything that a killed program has left in the queue.
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(b"GET /sync HTTP/1.1\r\n\r\n").unwrap();
        assert!(BufReader::new(stream).read_line(&mut String::new()).unwrap() > 0);
        let mut state = self.state.lock();
        state.behavior = behavior;
        state.run += 1;
        state.run
    }

    pub(crate) fn all(&self) -> Vec<Report> {
        self.state.lock().reports.clone()
    }

    /// Looks at what was reported so far.
    #[cfg(all(target_os = "linux", feature = "jetstream"))]
    pub(crate) fn look<T>(&self, look: impl FnOnce(&[Report]) -> T) -> T {
        look(&self.state.lock().reports)
    }

    /// From now on nobody is answered, until this says otherwise.
    pub(crate) fn hold(&self, held: bool) {
        self.state.lock().held = held;
        self.state.changed.notify_all();
    }

    /// Waits for so many reports.
    pub(crate) fn wait(&self, wanted: usize) {
        let had_enough = self.state.wait(|state| state.reports.len() >= wanted);
        assert!(had_enough, "waited in vain for {wanted} reports: {:#?}", self.all());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, mut enough: impl FnMut(&State) -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.lock();
        while !enough(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

fn serve(state: &Arc<Shared>, mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let path = read_path(&stream)?;
    let (refused, wait) = if path == "/sync" { (false, Duration::ZERO) } else { state.lock().note(&path) };
    state.changed.notify_all();
    let status = if refused { "503 Service Unavailable" } else { "200 OK" };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    if wait.is_zero() && !state.lock().held {
        return stream.write_all(answer.as_bytes());
    }
    let state = state.clone();
    thread::spawn(move || {
        // Nothing to wait for: this is how long the server takes.
        thread::park_timeout(wait);
        state.wait(|state| !state.held);
        stream.write_all(answer.as_bytes()).ok();
    });
    Ok(())
}

/// Reads the whole head of a request.
fn read_path(stream: &TcpStream) -> std::io::Result<String> {
    let mut lines = BufReader::new(stream).lines();
    let missing = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let first = lines.next().ok_or_else(missing)??;
    while !lines.next().ok_or_else(missing)??.is_empty() {}
    Ok(first.split(' ').nth(1).unwrap().to_owned())
}

impl State {
    /// Writes an attempt down, and says whether to refuse it, and when.
    fn note(&mut self, path: &str) -> (bool, Duration) {
        let (id, about) = path.trim_start_matches('/').split_once('?').unwrap();
        let id: DeliveryId = id.parse().unwrap();
        let about: Vec<&str> = about.split('/').collect();
        let (&[tenant, session, generation, attempt], late) = about.split_first_chunk::<4>().unwrap();
        self.reports.push(Report {
            run: self.run,
            id: id.clone(),
            tenant: tenant.to_owned(),
            session: session.to_owned(),
            generation: generation.parse().unwrap(),
            attempt: attempt.parse().unwrap(),
            late: late == ["late"],
        });
        let Behavior { refused, slow } = self.behavior;
        let refusals = self.refusals.entry(id).or_default();
        let refused = *refusals < MAX_REFUSALS && self.random.u8(..100) < refused;
        *refusals += u32::from(refused);
        (refused, slow.mul_f64(self.random.f64()))
    }
}
