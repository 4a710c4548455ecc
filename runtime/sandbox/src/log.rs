//! Turns a guest's output into `tracing` events, one a line, target `lastword::guest`, with the fields `plugin`, `tenant`, `session` and
//! `stream`.
//!
//! Printing never blocks and never fails: output beyond [`Limits::log_bytes`](crate::Limits::log_bytes) is dropped, and one more event
//! says so. No state exists before a guest asks for a stream.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use lastword_events::{PluginName, Session, printable};
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::limits::{MAX_LOG_LINE_BYTES, MIN_LOG_LINE_BYTES};

/// Bytes that a guest may write at once, as with WASI's own buffered streams.
const WRITE_PERMIT_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Both streams of one call. The last half line is logged when this is dropped, with the call's store.
pub(crate) struct GuestLog {
    plugin: PluginName,
    session: Arc<Session>,
    limit: u64,
    left: u64,
    cut: bool,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl GuestLog {
    pub(crate) fn new(plugin: PluginName, session: Arc<Session>, limit: u64) -> Self {
        Self { plugin, session, limit, left: limit, cut: false, stdout: Vec::new(), stderr: Vec::new() }
    }

    pub(crate) fn write(&mut self, stream: Stream, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.cut {
            let partial = self.partial(stream);
            let room = MAX_LOG_LINE_BYTES.saturating_sub(partial.len());
            let (piece, ends_line, rest) = match bytes.iter().take(room + 1).position(|b| *b == b'\n') {
                Some(at) => (bytes.get(..at), true, bytes.get(at + 1..)),
                None if bytes.len() > room => (bytes.get(..room), true, bytes.get(room..)),
                None => (Some(bytes), false, None),
            };
            partial.extend_from_slice(piece.unwrap_or_default());
            bytes = rest.unwrap_or_default();
            if ends_line {
                self.end_line(stream);
            } else {
                self.check_partial(stream);
            }
        }
    }

    fn partial(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn end_line(&mut self, stream: Stream) {
        let line = std::mem::take(self.partial(stream));
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        match self.left.checked_sub(length.max(MIN_LOG_LINE_BYTES)) {
            Some(left) => {
                self.left = left;
                self.say(stream, &line);
            }
            None => self.cut_here(stream, &line),
        }
        // The next line uses its allocation.
        let mut line = line;
        line.clear();
        *self.partial(stream) = line;
    }

    /// Cuts the log when a line without an end is longer than what is left of it.
    fn check_partial(&mut self, stream: Stream) {
        let length = u64::try_from(self.partial(stream).len()).unwrap_or(u64::MAX);
        if length > self.left {
            self.end_line(stream);
        }
    }

    fn cut_here(&mut self, stream: Stream, line: &[u8]) {
        self.cut = true;
        let keep = usize::try_from(self.left).unwrap_or(usize::MAX).min(line.len());
        if keep > 0 {
            self.say(stream, line.get(..keep).unwrap_or_default());
        }
        self.left = 0;
        tracing::warn!(
            target: "lastword::guest",
            plugin = self.plugin.as_str(),
            tenant = &*self.session.identity.tenant,
            session = &*self.session.identity.id,
            stream = stream.as_str(),
            limit_bytes = self.limit,
            "the log of this call is cut here: the plugin printed more than its log limit"
        );
    }

    fn say(&self, stream: Stream, line: &[u8]) {
        tracing::info!(
            target: "lastword::guest",
            plugin = self.plugin.as_str(),
            tenant = &*self.session.identity.tenant,
            session = &*self.session.identity.id,
            stream = stream.as_str(),
            "{}",
            shown(line)
        );
    }
}

impl Drop for GuestLog {
    fn drop(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.partial(stream).is_empty() && !self.cut {
                self.end_line(stream);
            }
        }
    }
}

/// A line as text, without the rest of a CRLF.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    printable(text.strip_suffix('\r').unwrap_or(&text)).into_owned()
}

/// One of the two streams, for WASI.
#[derive(Clone)]
pub(crate) struct LogStream {
    pub(crate) log: Arc<Mutex<GuestLog>>,
    pub(crate) stream: Stream,
}

impl LogStream {
    fn take(&self, bytes: &[u8]) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).write(self.stream, bytes);
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for LogStream {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_PERMIT_BYTES)
    }

    /// The function that guests call most. It never has to wait.
    async fn blocking_write_and_flush(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.write(bytes)
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
