//! One raw connection: lines in, answers and outcomes out.
//!
//! `lastword stdio` has a loop of its own, in `cli/src/stdio/service.rs`. Both read lines with [`Reader`], and answer an
//! event through [`ask`](crate::requests::ask). What they wait for differs. Here bytes are read between answers, a client
//! that reads slowly delays its own requests, and the connection is an owner among others. There a thread reads, signals
//! and failures end the program, and lines are taken during the drain as well. One loop would have a switch for each.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use lastword::events::{DrainReason, DrainReport, Hook};
use lastword_protocol::bad_line::BadLine;
use lastword_protocol::input::Input;
use lastword_protocol::limits::REST_WAIT;
use lastword_protocol::output::{Drain, Output, Ready, ReadyPlugin, Recovered};
use lastword_protocol::owners::InputFormat;
use lastword_protocol::reader::{ReadLine, Reader};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::recipients::ConnectionId;
use super::writer::write_lines;
use crate::limits::{MAX_PENDING_ANSWERS, MAX_RAW_LINES_BEHIND, RAW_LAST_OUTCOMES, RAW_READ_BYTES};
use crate::owners::{OwnerDrain, Registered};
use crate::requests::{Source, refused_line, take_in, take_in_other};
use crate::shared::Shared;

type Pending = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

/// How a connection's input ended.
enum Goodbye {
    /// The input ended without a goodbye.
    None,
    /// The owner said goodbye.
    Said(DrainReason),
    /// The daemon closes.
    Daemon,
    /// The reader is gone or does not read, so nothing can be told.
    Cut,
}

/// Serves a connection whose first bytes were read already.
pub(crate) async fn serve<R, W>(shared: Arc<Shared>, reader: R, writer: W, first: Vec<u8>)
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (lines, queue) = mpsc::channel(MAX_RAW_LINES_BEHIND);
    let writing = tokio::spawn(write_lines(writer, queue, shared.limits.write_timeout));
    let Ok(owner) = shared.owners.connected() else {
        tracing::warn!("a connection is closed: there are too many owners");
        let bad = BadLine::whole("too_many_owners", "there are too many connections: connect again later");
        lines.send(refused_line(1, &bad)).await.ok();
        drop(lines);
        writing.await.ok();
        return;
    };
    let (id, open) = shared.observer.recipients().join(lines.clone());
    let mut connection = Connection {
        source: Source { owner: Some(owner.id), connection: Some(id) },
        shared: shared.clone(),
        owner,
        id,
        lines,
        read: VecDeque::new(),
        pending: FuturesOrdered::new(),
    };
    connection.serve(reader, first, open).await;
    drop(connection);
    shared.observer.recipients().leave(id);
    // Writes the queued lines, as far as the reader takes them.
    writing.await.ok();
}

struct Connection {
    shared: Arc<Shared>,
    owner: Registered,
    source: Source,
    id: ConnectionId,
    lines: mpsc::Sender<Vec<u8>>,
    /// Lines that were read and not yet handed over.
    read: VecDeque<ReadLine>,
    /// Unanswered requests. Answers are written in the order of the lines.
    pending: FuturesOrdered<Pending>,
}

impl Connection {
    async fn serve(&mut self, reader: impl AsyncRead + Unpin, first: Vec<u8>, open: watch::Receiver<usize>) {
        let ready = ready_line(&self.shared);
        let goodbye = match self.lines.send(ready).await {
            Ok(()) => self.take_lines(reader, first).await,
            Err(_) => Goodbye::Cut,
        };
        match goodbye {
            Goodbye::None => {
                // Sessions that the connection has ended itself are not left behind.
                self.answer_the_rest().await;
                self.shared.owners.disconnected(self.owner.id);
                self.tell_last_outcomes(open).await;
            }
            Goodbye::Said(reason) => self.drain(reason).await,
            Goodbye::Daemon => self.answer_the_rest().await,
            Goodbye::Cut => self.shared.owners.disconnected(self.owner.id),
        }
    }

    /// Takes lines until the input ends.
    async fn take_lines(&mut self, mut bytes: impl AsyncRead + Unpin, first: Vec<u8>) -> Goodbye {
        let mut reader = Reader::new(InputFormat::Lastword);
        let mut piece = first;
        let mut silence_at: Option<Instant> = None;
        let mut closing = self.shared.connections.closing();
        let lines = self.lines.clone();
        let mut gone = pin!(lines.closed());
        loop {
            if !piece.is_empty() {
                reader.push(&piece, &mut |line| self.read.push_back(line));
                piece.clear();
                silence_at = Some(Instant::now() + REST_WAIT);
            }
            if let Some(reason) = self.hand_over() {
                return Goodbye::Said(reason);
            }
            let may_read = self.read.is_empty();
            tokio::select! {
                biased;
                () = &mut gone => return Goodbye::Cut,
                () = closing.comes() => return Goodbye::Daemon,
                Some(answer) = self.pending.next(), if !self.pending.is_empty() => {
                    // A reader that is far behind delays its own requests.
                    if self.lines.send(answer).await.is_err() {
                        return Goodbye::Cut;
                    }
                }
                () = sleep_until(silence_at), if may_read => {
                    reader.on_timeout(&mut |line| self.read.push_back(line));
                    silence_at = None;
                }
                read = read_some(&mut bytes, &mut piece), if may_read => match read {
                    Ok(0) | Err(_) => {
                        reader.end(&mut |line| self.read.push_back(line));
                        return self.last_lines().await;
                    }
                    Ok(_) => {}
                },
            }
        }
    }

    /// The input has ended: hands over the lines that were read.
    async fn last_lines(&mut self) -> Goodbye {
        loop {
            if let Some(reason) = self.hand_over() {
                return Goodbye::Said(reason);
            }
            if self.read.is_empty() {
                return Goodbye::None;
            }
            if let Some(answer) = self.pending.next().await
                && self.lines.send(answer).await.is_err()
            {
                return Goodbye::Cut;
            }
        }
    }

    /// Hands over lines that were read, as far as there is room for their answers. Returns the owner's goodbye, if
    /// there is one.
    fn hand_over(&mut self) -> Option<DrainReason> {
        while self.pending.len() < MAX_PENDING_ANSWERS {
            let ReadLine { number, input } = self.read.pop_front()?;
            match input {
                Ok(Input::Shutdown(reason)) => return Some(reason),
                Ok(Input::Event(event)) => {
                    let answer = take_in(&self.shared, &self.source, *event);
                    self.pending.push_back(Box::pin(async move { answer.await.line(number) }));
                }
                Ok(Input::Unrelated { name, session }) => {
                    take_in_other(&self.shared, &self.source, &name, session.as_ref());
                }
                Ok(Input::Foreign(foreign)) => {
                    if let Some(bad) = foreign.error {
                        self.pending.push_back(Box::pin(std::future::ready(refused_line(number, &bad))));
                    }
                }
                Ok(Input::Blank) => {}
                Err(bad) => self.pending.push_back(Box::pin(std::future::ready(refused_line(number, &bad)))),
            }
        }
        None
    }

    async fn answer_the_rest(&mut self) {
        while let Some(answer) = self.pending.next().await {
            if self.lines.send(answer).await.is_err() {
                return;
            }
        }
    }

    /// Tells outcomes for a while: the owner may have closed its half only, and still read.
    async fn tell_last_outcomes(&mut self, mut open: watch::Receiver<usize>) {
        let until = self.shared.owners.grace() + RAW_LAST_OUTCOMES;
        let lines = self.lines.clone();
        let mut closing = self.shared.connections.closing();
        tokio::select! {
            () = lines.closed() => {}
            () = closing.comes() => {}
            () = nothing_is_open(&mut open, until) => {}
        }
    }

    /// Drains an owner that says goodbye, and writes the report. Answers its earlier requests within the same budget.
    async fn drain(&mut self, reason: DrainReason) {
        let owners = self.shared.owners.clone();
        let time = owners.drain_time();
        tokio::select! {
            biased;
            () = self.answer_the_rest() => {}
            () = owners.is_over(time) => {}
        }
        let drain = owners.drain_within(&self.shared.runtimes, self.owner.id, reason, time, Some(self.id)).await;
        // The drain's line is the last: of what else comes of the sessions nobody is told here.
        let dropped = self.shared.observer.recipients().leave(self.id);
        self.lines.send(drain_line(&drain, reason, dropped)).await.ok();
    }
}

async fn nothing_is_open(open: &mut watch::Receiver<usize>, until: Duration) {
    timeout(until, async { open.wait_for(|open| *open == 0).await.map(|_| ()) }).await.ok();
}

/// Reads available bytes. If the future is dropped, `piece` is unchanged, because nothing was read.
async fn read_some(bytes: &mut (impl AsyncRead + Unpin), piece: &mut Vec<u8>) -> std::io::Result<usize> {
    piece.reserve(RAW_READ_BYTES);
    bytes.read_buf(piece).await
}

/// Never resolves without a moment.
async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn ready_line(shared: &Shared) -> Vec<u8> {
    let plugins = shared.runtime.plugins();
    let plugins = plugins.iter().map(|plugin| {
        // `session-end`, which every plugin has, comes first.
        let order = [Hook::SessionEnd, Hook::SessionStart, Hook::SessionCompaction];
        ReadyPlugin { name: plugin.name(), hooks: order.into_iter().filter(|h| plugin.hooks().contains(*h)).collect() }
    });
    let recovered = shared.runtime.recovered();
    let (slots, slots_bound) = shared.slots();
    Output::Ready(Ready {
        journal: shared.runtime.journal_name(),
        plugins: plugins.collect(),
        slots,
        slots_bound,
        recovered: Recovered { sessions: recovered.sessions, deliveries: recovered.deliveries },
    })
    .line()
}

/// Returns the drain line, which is the last on stdio as well. Its counts are of this owner's sessions.
fn drain_line(drain: &OwnerDrain, reason: DrainReason, dropped: u64) -> Vec<u8> {
    let mut report = DrainReport::empty(reason, Duration::from_millis(drain.budget_ms));
    report.elapsed = Duration::from_millis(drain.elapsed_ms);
    (report.sessions, report.timed_out) = (drain.sessions, drain.timed_out);
    (report.delivered, report.failed, report.deferred) = (drain.delivered, drain.failed, drain.deferred);
    Output::Drain(Drain::new(&report, &drain.reason, dropped)).line()
}
