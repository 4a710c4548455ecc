//! The thread that reads the owner's lines.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::fd::Blocking;
use crate::limits::MAX_READ_AHEAD_LINES;
use lastword_protocol::limits::{KEPT_BUFFER_BYTES, REST_WAIT};
use lastword_protocol::owners::InputSettings;
use lastword_protocol::reader::{ReadLine, Reader};

/// The lines that the thread has read.
pub(super) struct Lines {
    /// The gathered lines, which come next.
    gathered: VecDeque<ReadLine>,
    read: mpsc::Receiver<ReadLine>,
    torn: TornLine,
}

/// The lines to report for torn input: a line whose rest or whose newline has not come. Both the reading thread and the
/// service may take them. Taking them empties the slot, so they are reported once.
#[derive(Clone, Default)]
struct TornLine(Arc<Mutex<Option<Vec<ReadLine>>>>);

impl TornLine {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<ReadLine>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// Returns the next line. `None` at the end of the input.
    pub(super) async fn recv(&mut self) -> Option<ReadLine> {
        match self.gathered.pop_front() {
            Some(line) => Some(line),
            None => self.read.recv().await,
        }
    }

    /// Gathers the lines read so far. A torn line is reported without its rest.
    pub(super) fn gather(&mut self) {
        // While this lock is held the thread sends no newer line, so the torn line is the last one.
        let mut torn = self.torn.lock();
        let read = (0..self.read.len()).map_while(|_| self.read.try_recv().ok());
        self.gathered.extend(read);
        self.gathered.extend(torn.take().into_iter().flatten());
    }

    /// Returns the next gathered line.
    pub(super) fn gathered(&mut self) -> Option<ReadLine> {
        self.gathered.pop_front()
    }
}

/// The source of an owner's lines.
pub(super) trait Source: Send + 'static {
    /// Waits for the next bytes, for `patience` at most.
    fn next(&mut self, patience: Option<Duration>) -> io::Result<SourceEvent<'_>>;
}

/// The result of waiting for a source.
pub(super) enum SourceEvent<'a> {
    Bytes(&'a [u8]),
    /// No bytes came within the patience.
    Timeout,
    End,
}

/// Our stdin.
pub(super) struct Stdin {
    input: Blocking,
    buffer: Vec<u8>,
}

impl Stdin {
    pub(super) fn new(input: Blocking) -> Self {
        Self { input, buffer: vec![0; KEPT_BUFFER_BYTES] }
    }
}

impl Source for Stdin {
    fn next(&mut self, patience: Option<Duration>) -> io::Result<SourceEvent<'_>> {
        if patience.is_some_and(|patience| !self.input.readable_within(patience)) {
            return Ok(SourceEvent::Timeout);
        }
        let read = self.input.read(&mut self.buffer)?;
        Ok(match self.buffer.get(..read) {
            Some([]) | None => SourceEvent::End,
            Some(bytes) => SourceEvent::Bytes(bytes),
        })
    }
}

/// Starts a thread that reads the owner's lines. The channel ends with the input.
///
/// A read cannot be interrupted, so the program leaves the thread behind when it exits.
pub(super) fn spawn(source: impl Source, format: impl Into<InputSettings>) -> io::Result<Lines> {
    let format = format.into();
    let (send, read) = mpsc::channel(MAX_READ_AHEAD_LINES);
    let torn = TornLine::default();
    let lines = Lines { gathered: VecDeque::new(), read, torn: torn.clone() };
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        if let Err(error) = self::read(source, format, &send, &torn) {
            tracing::warn!(%error, "stdin cannot be read any more; it is taken for ended");
        }
    })?;
    Ok(lines)
}

fn read(
    mut source: impl Source,
    format: InputSettings,
    send: &mpsc::Sender<ReadLine>,
    torn: &TornLine,
) -> io::Result<()> {
    let mut reader = Reader::new(format);
    let mut on_line = |line: ReadLine| {
        // A service that has ended needs no lines.
        send.blocking_send(line).ok();
    };
    while !send.is_closed() {
        let open = reader.open();
        let patience = (!open.is_empty()).then_some(REST_WAIT);
        // Every line before the torn one has been sent.
        *torn.lock() = patience.map(|_| open);
        let event = source.next(patience);
        if torn.lock().take().is_none() && patience.is_some() {
            reader.discard_open();
        }
        match event {
            Ok(SourceEvent::Bytes(bytes)) => reader.push(bytes, &mut on_line),
            Ok(SourceEvent::Timeout) => reader.on_timeout(&mut on_line),
            Ok(SourceEvent::End) => break,
            Err(error) => {
                reader.end(&mut on_line);
                return Err(error);
            }
        }
    }
    reader.end(&mut on_line);
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::mpsc as std_mpsc;

    use lastword_protocol::owners::InputFormat;

    use super::*;

    /// A scripted input: bytes, or silence for an empty text. It ends when its sender is dropped.
    struct Told {
        come: std_mpsc::Receiver<String>,
        came: String,
        /// The patience of each wait.
        waited: std_mpsc::Sender<Option<Duration>>,
    }

    impl Source for Told {
        fn next(&mut self, patience: Option<Duration>) -> io::Result<SourceEvent<'_>> {
            self.waited.send(patience).ok();
            let Ok(came) = self.come.recv() else { return Ok(SourceEvent::End) };
            self.came = came;
            Ok(if self.came.is_empty() { SourceEvent::Timeout } else { SourceEvent::Bytes(self.came.as_bytes()) })
        }
    }

    struct Owner {
        say: std_mpsc::Sender<String>,
        waited: std_mpsc::Receiver<Option<Duration>>,
        lines: Lines,
    }

    impl Owner {
        fn new() -> Self {
            let (say, come) = std_mpsc::channel();
            let (wait, waited) = std_mpsc::channel();
            let lines = spawn(Told { come, came: String::new(), waited: wait }, InputFormat::Lastword).unwrap();
            let owner = Self { say, waited, lines };
            assert_eq!(owner.waited.recv().unwrap(), None);
            owner
        }

        /// Sends a text, and returns the patience of the next wait.
        fn says(&self, said: impl Into<String>) -> Option<Duration> {
            self.say.send(said.into()).unwrap();
            self.waited.recv().unwrap()
        }

        /// Ends the input, and returns the lines that were read and not gathered.
        fn leaves(self) -> Vec<(u64, Result<(), &'static str>)> {
            let Self { say, mut lines, .. } = self;
            drop(say);
            std::iter::from_fn(|| lines.read.blocking_recv()).map(summary).collect()
        }
    }

    fn summary(line: ReadLine) -> (u64, Result<(), &'static str>) {
        (line.number, line.input.map(drop).map_err(|bad| bad.code))
    }

    /// Returns these lines once they are read. The input stays open as long as the first value is kept.
    pub(in crate::stdio) fn said(lines: &str) -> (impl Sized + use<>, Lines) {
        let owner = Owner::new();
        for line in lines.lines() {
            owner.says(line.to_owned() + "\n");
        }
        let Owner { say, lines, .. } = owner;
        (say, lines)
    }

    const SHUTDOWN: &str = "{\"op\":\"shutdown\"}\n";
    const TORN: &str = "{\"op\":\n";
    const REST: &str = "\"shutdown\"}\n";

    #[test]
    fn bad_lines_are_numbered_and_the_run_goes_on() {
        let owner = Owner::new();
        for said in ["null and void\n\n", SHUTDOWN, "\u{0}\n", "{\"op\""] {
            assert_eq!(owner.says(said), None);
        }
        assert_eq!(owner.leaves(), [(1, Err("bad_json")), (3, Ok(())), (4, Err("bad_json")), (5, Err("bad_json"))]);
    }

    #[test]
    fn the_rest_of_a_torn_line_is_waited_for_2_s_and_not_longer() {
        let owner = Owner::new();
        assert_eq!(owner.says(TORN), Some(Duration::from_secs(2)));
        assert_eq!(owner.says(REST), None);
        assert_eq!(owner.says(TORN), Some(REST_WAIT));
        assert_eq!(owner.says(""), None, "it is settled, and nothing is waited for");
        assert_eq!(owner.says(REST), None);
        assert_eq!(owner.leaves(), [(1, Ok(())), (3, Err("bad_json")), (4, Err("bad_json"))]);
    }

    #[test]
    fn a_torn_line_is_an_error_at_the_end_of_the_input() {
        let owner = Owner::new();
        owner.says(SHUTDOWN);
        owner.says(TORN);
        assert_eq!(owner.leaves(), [(1, Ok(())), (2, Err("bad_json"))]);
    }

    #[test]
    fn a_torn_line_that_was_gathered_is_the_last_and_is_not_said_again() {
        let mut owner = Owner::new();
        owner.says(SHUTDOWN);
        owner.says(TORN);
        owner.lines.gather();
        let gathered: Vec<_> = std::iter::from_fn(|| owner.lines.gathered()).map(summary).collect();
        assert_eq!(gathered, [(1, Ok(())), (2, Err("bad_json"))]);
        owner.lines.gather();
        assert!(owner.lines.gathered().is_none());
        // Bytes that come then are no rest of it.
        assert_eq!(owner.says(REST), None);
        assert_eq!(owner.leaves(), [(3, Err("bad_json"))]);
    }

    #[tokio::test]
    async fn what_was_gathered_comes_before_what_is_read_then() {
        let mut owner = Owner::new();
        owner.says(TORN);
        owner.lines.gather();
        owner.says(SHUTDOWN);
        assert_eq!(summary(owner.lines.recv().await.unwrap()), (1, Err("bad_json")));
        assert_eq!(summary(owner.lines.recv().await.unwrap()), (2, Ok(())));
    }
}
