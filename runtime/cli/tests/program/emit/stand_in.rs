//! Somebody in the daemon's place, who does not do what a daemon does.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// Somebody in the daemon's place.
pub(super) struct StandIn {
    socket: PathBuf,
    requests: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
    stops: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What becomes of a request. True: no other one is taken, and the socket is gone.
type Serve = dyn Fn(&mut UnixStream, &str, &[u8]) -> bool + Send;

impl StandIn {
    /// Hands each request on to the real daemon, and closes the connection when that has answered.
    pub(super) fn that_loses_the_answer(socket: PathBuf, real: &Path) -> Self {
        let real = real.to_owned();
        Self::start(
            socket,
            Box::new(move |_, _, request| {
                let mut real = UnixStream::connect(&real).unwrap();
                real.write_all(request).unwrap();
                // The head of the answer is enough: the event is on record.
                real.read_exact(&mut [0; 12]).unwrap();
                false
            }),
        )
    }

    /// Answers every hook with this status, and says that it is this version and leaves when it is idle. It leaves when
    /// it is asked to hand over.
    pub(super) fn of_version(socket: PathBuf, version: &'static str, answer: &'static str) -> Self {
        Self::start(
            socket,
            Box::new(move |stream, head, _| {
                let is_hand_over = head.starts_with("POST /v1/hand-over ");
                let status = if is_hand_over { "202 Accepted" } else { answer };
                // A hook that waits no longer is gone.
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\nserver: lastword/{version}\r\nlastword-leaves-when-idle: true\r\n\
                     content-length: 2\r\n\r\n{{}}"
                )
                .ok();
                is_hand_over
            }),
        )
    }

    /// Takes connections, and never answers.
    pub(super) fn that_hangs(socket: PathBuf) -> Self {
        let kept = Mutex::new(Vec::new());
        Self::start(
            socket,
            Box::new(move |stream, _, _| {
                kept.lock().unwrap().push(stream.try_clone().unwrap());
                false
            }),
        )
    }

    fn start(socket: PathBuf, serve: Box<Serve>) -> Self {
        let listener = UnixListener::bind(&socket).unwrap();
        let (requests, heads, stops) = (Arc::default(), Arc::<Mutex<Vec<String>>>::default(), Arc::default());
        let (counted, seen, stopped): (Arc<AtomicUsize>, _, Arc<AtomicBool>) =
            (Arc::clone(&requests), Arc::clone(&heads), Arc::clone(&stops));
        let path = socket.clone();
        let thread = thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // Whoever only looks whether somebody is there asks nothing.
                let Some((head, request)) = read(&mut stream) else { continue };
                counted.fetch_add(1, Ordering::SeqCst);
                seen.lock().unwrap().push(head.clone());
                if serve(&mut stream, &head, &request) {
                    drop(listener);
                    fs::remove_file(&path).unwrap();
                    return;
                }
            }
        });
        Self { socket, requests, heads, stops, thread: Some(thread) }
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Whether a request of this kind has come.
    pub(super) fn has_heard(&self, request: &str) -> bool {
        self.heads.lock().unwrap().iter().any(|head| head.starts_with(request))
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::SeqCst);
        // It looks up.
        UnixStream::connect(&self.socket).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// A whole request: its head, and all of it.
fn read(stream: &mut UnixStream) -> Option<(String, Vec<u8>)> {
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let many = stream.read(&mut piece).ok().filter(|many| *many > 0)?;
        request.extend_from_slice(&piece[..many]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some((head.to_owned(), request));
        }
    }
}
