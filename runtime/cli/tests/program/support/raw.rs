//! Connections to a daemon, with nothing but the standard library: an owner's, and one for a request.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{PATIENCE, end, start};

/// An owner's connection, which speaks the stdio protocol.
pub(crate) struct Raw {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Raw {
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = connect(socket);
        let lines = BufReader::new(stream.try_clone().unwrap());
        Self { stream, lines }
    }

    pub(crate) fn say(&mut self, line: impl AsRef<str>) {
        writeln!(self.stream, "{}", line.as_ref()).unwrap();
    }

    /// The next line that is of this event.
    #[track_caller]
    pub(crate) fn hear(&mut self, event: &str) -> Value {
        loop {
            let line = self.line(event);
            if line["event"] == event {
                return line;
            }
        }
    }

    /// The next line, which is no error; `wanted` is what somebody waits for.
    #[track_caller]
    fn line(&mut self, wanted: &str) -> Value {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).unwrap();
        assert!(read > 0, "the daemon closed the connection before it said {wanted:?}");
        let line: Value = serde_json::from_str(&line).unwrap();
        assert!(line["event"] != "error" || wanted == "error", "{line}");
        line
    }

    /// Starts a session, and gives what was accepted.
    pub(crate) fn start(&mut self, id: &str) -> Value {
        self.say(start(id));
        self.hear("accepted")
    }

    /// Ends a session, and gives what was accepted.
    pub(crate) fn end(&mut self, id: &str) -> Value {
        self.say(end(id, "reset"));
        self.hear("accepted")
    }

    /// Ends a session, waits until that is on record and a plugin was told of it, and gives the outcome: either may be said first.
    #[track_caller]
    pub(crate) fn end_and_be_told(&mut self, id: &str) -> Value {
        self.say(end(id, "reset"));
        let (mut is_accepted, mut outcome) = (false, None);
        while !is_accepted || outcome.is_none() {
            let line = self.line("accepted, and the outcome");
            is_accepted |= line["event"] == "accepted";
            if line["event"] == "outcome" && line["hook"] == "session-end" {
                outcome = Some(line);
            }
        }
        outcome.unwrap()
    }

    /// All that it says until it closes the connection.
    #[cfg(all(target_os = "linux", feature = "jetstream"))]
    pub(crate) fn rest(self) -> Vec<Value> {
        // One that is cut off in the middle of a line has not said it.
        let lines = self.lines.lines().map_while(Result::ok);
        lines.filter_map(|line| serde_json::from_str(&line).ok()).collect()
    }

    /// Another process has the connection from now on, and nobody else: it ends when that one does.
    pub(crate) fn give_to_a_process(self) -> Child {
        let Self { stream, lines } = self;
        let (read, write) = (OwnedFd::from(stream), OwnedFd::from(lines.into_inner()));
        let mut command = Command::new("sleep");
        command.arg(PATIENCE.as_secs().to_string()).stdin(Stdio::from(read)).stdout(Stdio::from(write));
        // The command has our copies until it is dropped.
        command.stderr(Stdio::null()).spawn().unwrap()
    }
}

/// What a daemon answers to one request: the status, and the body.
#[track_caller]
pub(crate) fn http(socket: &Path, method: &str, path: &str, body: &str) -> (u16, Value) {
    http_with(socket, method, path, &[], body)
}

/// What a daemon answers to one request with further headers.
#[track_caller]
pub(crate) fn http_with(socket: &Path, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let mut stream = connect(socket);
    let length = body.len();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    );
    // In one piece: a daemon that leaves may answer, and close, before the body's own write.
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}
