//! What a node says of ends on its stream of events, where those of adopted journals are as well.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

use serde_json::Value;

use super::servers::Node;

/// The end of a session that a plugin was called with.
pub(super) struct Told {
    pub(super) session: String,
    pub(super) reason: String,
}

/// A run of a node that is watched until its end.
pub(super) struct Watched(JoinHandle<Vec<Told>>);

impl Watched {
    pub(super) fn begin(node: &Node) -> Self {
        let mut stream = UnixStream::connect(node.home.socket()).unwrap();
        stream.write_all(b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut lines = BufReader::new(stream).lines();
        let status = lines.next().unwrap().unwrap();
        assert!(status.starts_with("HTTP/1.1 200 "), "{status}");
        Self(thread::spawn(move || lines.map_while(Result::ok).filter_map(|line| Told::of(&line)).collect()))
    }

    /// What it has said. The node has to be gone, or this waits for that.
    pub(super) fn told(self) -> Vec<Told> {
        self.0.join().unwrap()
    }
}

impl Told {
    /// None: the line says something else.
    fn of(line: &str) -> Option<Self> {
        let said: Value = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
        let text = |name: &str| said[name].as_str().map(str::to_owned);
        Some(Self { session: text("session")?, reason: text("reason")? })
    }
}
