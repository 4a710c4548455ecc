//! Owners: lines over a pipe or the raw socket, and requests one by one.

use std::io::{BufRead, BufReader, Read as _, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::program::Running;

/// Starts and ends sessions with lines, as many as may wait for their answers at once. Gives the time from the first line to the last answer.
///
/// # Errors
/// When a line is refused, or the connection ends.
pub(super) fn live_and_end(
    mut writer: impl Write,
    reader: impl BufRead,
    name: &str,
    sessions: u32,
    at_once: u32,
) -> anyhow::Result<Duration> {
    let mut lines = reader.lines();
    let (all, mut sent, mut answered) = (2 * sessions, 0, 0);
    let began = Instant::now();
    while answered < all {
        let mut text = String::new();
        while sent < all && sent - answered < at_once {
            text.push_str(&line(name, sent));
            sent += 1;
        }
        writer.write_all(text.as_bytes())?;
        writer.flush()?;
        let enough = all.min(answered + at_once / 2);
        while answered < enough {
            let line = lines.next().context("it has left")??;
            answered += answers(&line)?;
        }
    }
    Ok(began.elapsed())
}

/// Each session is started, and then ended.
fn line(name: &str, number: u32) -> String {
    let id = format!("{name}{}", number / 2);
    match number % 2 {
        0 => format!("{{\"op\":\"start\",\"session\":{{\"id\":\"{id}\"}}}}\n"),
        _ => format!("{{\"op\":\"end\",\"session\":{{\"id\":\"{id}\"}},\"reason\":\"reset\"}}\n"),
    }
}

/// How many lines this answers: it may be one for several, where its reader is behind.
fn answers(line: &str) -> anyhow::Result<u32> {
    if line.starts_with("{\"event\":\"error\"") {
        bail!("{line}");
    }
    if !line.starts_with("{\"event\":\"accepted\"") {
        return Ok(0);
    }
    let Some((_, lines)) = line.split_once("\"lines\":[") else { return Ok(1) };
    let (first, rest) = lines.split_once(',').context("lines has two numbers")?;
    let (last, _) = rest.split_once(']').context("lines has two numbers")?;
    Ok(last.trim().parse::<u32>()? + 1 - first.trim().parse::<u32>()?)
}

/// A connection for requests, one after the other.
pub(super) struct Http {
    stream: BufReader<UnixStream>,
}

impl Http {
    /// # Errors
    /// When the daemon is not there.
    pub(super) fn connect(daemon: &Running) -> anyhow::Result<Self> {
        Ok(Self { stream: BufReader::new(daemon.connect()?) })
    }

    /// Starts a session. Gives the time until that was answered.
    ///
    /// # Errors
    /// When it is refused.
    pub(super) fn start(&mut self, id: &str) -> anyhow::Result<Duration> {
        self.post("/v1/sessions", &format!("{{\"session\":{{\"id\":\"{id}\"}}}}"))
    }

    /// Ends a session. Gives the time until that was answered.
    ///
    /// # Errors
    /// When it is refused.
    pub(super) fn end(&mut self, id: &str) -> anyhow::Result<Duration> {
        self.post(&format!("/v1/sessions/{id}/end"), "{\"reason\":\"reset\"}")
    }

    fn post(&mut self, path: &str, body: &str) -> anyhow::Result<Duration> {
        let length = body.len();
        let request = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}");
        let began = Instant::now();
        self.stream.get_mut().write_all(request.as_bytes())?;
        let status = self.head_line()?;
        let mut length = 0;
        loop {
            let line = self.head_line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        let took = began.elapsed();
        ensure!(status.starts_with("HTTP/1.1 200"), "{status}: {}", String::from_utf8_lossy(&answer));
        Ok(took)
    }

    fn head_line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line)? > 0, "the daemon has closed the connection");
        Ok(line.trim_end().to_owned())
    }
}
