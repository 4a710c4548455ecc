//! An owner that starts sessions and ends them for as long as it is told to, and says which of them are on record.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lastword_cluster_tests::{PATIENCE, look_for};
use serde_json::{Value, json};

use super::servers::Node;
use crate::support::reports::ReportServer;

/// Lines that an owner in a hurry says before it waits for their answers.
const AT_ONCE: usize = 256;
/// The same of one that takes its time, and what it waits before it says the next ones: some hundred lines a second.
const SOME_AT_ONCE: usize = 8;
const PAUSE: Duration = Duration::from_millis(50);

/// How an owner speaks.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// So many sessions it starts as fast as it can. Then it takes its time.
    pub(super) hurries_for: usize,
    /// Whether it starts its sessions again when it has lost its connection. If not it takes them for ended.
    pub(super) comes_back: bool,
}

/// An owner, on a thread of its own. It ends every second session soon, and leaves the others active. When its connection is lost it
/// connects again.
pub(super) struct Owner {
    orders: Sender<Order>,
    started: Arc<AtomicUsize>,
    thread: JoinHandle<Said>,
}

/// What came of what an owner has said.
#[derive(Default)]
pub(super) struct Said {
    /// The sessions whose start is on record.
    pub(super) started: BTreeSet<String>,
    /// The sessions whose end was asked for, whatever was answered.
    pub(super) ends: BTreeSet<String>,
    /// How often a session that was active was started again, and went on.
    pub(super) went_on: usize,
    /// With it the owner's sessions would end.
    _connection: Option<Connection>,
}

enum Order {
    Hurry,
    EndAll,
    Stop,
}

impl Owner {
    /// Begins. Ids begin with `name`, and what plugins have to report goes to that server.
    pub(super) fn begin(node: &Node, name: &str, reports: &ReportServer, manner: Manner) -> Self {
        let (orders, ordered) = channel();
        let started = Arc::<AtomicUsize>::default();
        let speaker = Speaker {
            socket: node.home.socket(),
            name: name.to_owned(),
            server: reports.authority(),
            manner,
            orders: ordered,
            started: started.clone(),
            phase: Phase::Starts,
            next: 0,
            to_say: VecDeque::new(),
            unanswered: VecDeque::new(),
            active: BTreeSet::new(),
            said: Said::default(),
        };
        Self { orders, started, thread: thread::spawn(move || speaker.speak()) }
    }

    /// Waits until so many of its starts are on record.
    #[track_caller]
    pub(super) fn wait_for(&self, started: usize) {
        look_for(&format!("{started} starts on record"), || {
            assert!(!self.thread.is_finished(), "the owner has panicked");
            (self.started.load(Ordering::SeqCst) >= started).then_some(())
        });
    }

    /// Waits until so many more are.
    #[track_caller]
    pub(super) fn wait_for_more(&self, more: usize) {
        self.wait_for(self.started.load(Ordering::SeqCst) + more);
    }

    /// It starts sessions as fast as it can from now on.
    pub(super) fn hurry(&self) {
        self.order(Order::Hurry);
    }

    /// It starts no more, ends all that are active, and waits until these ends are on record.
    pub(super) fn end_all(self) -> Said {
        self.order(Order::EndAll);
        self.thread.join().unwrap()
    }

    /// It says no more. Its node may be gone.
    pub(super) fn stop(self) -> Said {
        self.order(Order::Stop);
        self.thread.join().unwrap()
    }

    fn order(&self, order: Order) {
        // One that has panicked is seen when it is joined.
        self.orders.send(order).ok();
    }
}

struct Connection(BufReader<UnixStream>);

impl Connection {
    fn begin(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// False: the node is gone.
    fn say(&mut self, text: &str) -> bool {
        self.0.get_mut().write_all(text.as_bytes()).is_ok()
    }

    /// The next whole line of the protocol. None: the node is gone, or does not serve any more.
    fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(_) => serde_json::from_str(&line).ok(),
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "the node does not answer");
                None
            }
        }
    }
}

/// A line about the session with this number.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Line {
    op: Op,
    number: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Start,
    /// Of a session that is active: it goes on.
    StartAgain,
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Sessions are started, and every second one is ended.
    Starts,
    /// All that are active are ended, and none is started.
    Ends,
    Stops,
}

struct Speaker {
    socket: PathBuf,
    name: String,
    server: String,
    manner: Manner,
    orders: Receiver<Order>,
    started: Arc<AtomicUsize>,
    phase: Phase,
    /// The number of the next session.
    next: usize,
    /// What is said before another session is started.
    to_say: VecDeque<Line>,
    /// Lines that were said, in the order of the answers that are still to come.
    unanswered: VecDeque<Line>,
    /// Sessions that are active as far as it knows.
    active: BTreeSet<usize>,
    said: Said,
}

impl Speaker {
    fn speak(mut self) -> Said {
        while let Some(mut connection) = self.connect() {
            loop {
                self.unanswered = self.next_lines();
                if self.unanswered.is_empty() {
                    self.said._connection = Some(connection);
                    return self.said;
                }
                let is_answered = self.is_answered(&mut connection);
                if !is_answered || !self.is_in_a_hurry() {
                    // Nothing to wait for: this is how fast it speaks, or connects again to a node that leaves.
                    thread::park_timeout(PAUSE);
                }
                if !is_answered {
                    self.lose_connection();
                    break;
                }
            }
        }
        self.said
    }

    /// None: it was told to stop, and no node is there.
    fn connect(&mut self) -> Option<Connection> {
        look_for("a node to connect to", || {
            self.follow_orders();
            if self.phase == Phase::Stops {
                return Some(None);
            }
            Some(Some(Connection::begin(UnixStream::connect(&self.socket).ok()?)))
        })
    }

    fn follow_orders(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            self.follow(&order);
        }
    }

    fn follow(&mut self, order: &Order) {
        match order {
            Order::Hurry => self.manner.hurries_for = usize::MAX,
            Order::Stop => self.phase = Phase::Stops,
            Order::EndAll => {
                self.phase = Phase::Ends;
                let ending = self.ending();
                let ends = self.active.iter().filter(|number| !ending.contains(*number));
                self.to_say.extend(ends.map(|number| Line { op: Op::End, number: *number }));
            }
        }
    }

    /// The sessions whose end is to be said, or was said and not answered.
    fn ending(&self) -> BTreeSet<usize> {
        let lines = self.to_say.iter().chain(&self.unanswered);
        lines.filter(|line| line.op == Op::End).map(|line| line.number).collect()
    }

    fn is_in_a_hurry(&self) -> bool {
        self.phase == Phase::Ends || self.next < self.manner.hurries_for
    }

    /// What to say now. Nothing: it is done.
    fn next_lines(&mut self) -> VecDeque<Line> {
        self.follow_orders();
        if self.phase == Phase::Stops {
            return VecDeque::new();
        }
        let at_once = if self.is_in_a_hurry() { AT_ONCE } else { SOME_AT_ONCE };
        let waiting = self.to_say.len().min(at_once);
        let mut lines: VecDeque<Line> = self.to_say.drain(..waiting).collect();
        if self.phase == Phase::Starts {
            let new = self.next..self.next + at_once - waiting;
            self.next = new.end;
            lines.extend(new.map(|number| Line { op: Op::Start, number }));
        }
        lines
    }

    /// Says the lines, and takes their answers. False: the connection is lost.
    fn is_answered(&mut self, connection: &mut Connection) -> bool {
        let text: String = self.unanswered.iter().map(|line| self.text(*line)).collect();
        let ends = self.unanswered.iter().filter(|line| line.op == Op::End).map(|line| self.id(line.number));
        let ends: Vec<String> = ends.collect();
        self.said.ends.extend(ends);
        if !connection.say(&text) {
            return false;
        }
        while let Some(line) = self.unanswered.front().copied() {
            let Some(answer) = connection.line() else { return false };
            let is_accepted = match answer["event"].as_str() {
                Some("accepted") => true,
                Some("error") => false,
                // `ready`, outcomes and the report of a drain.
                _ => continue,
            };
            self.unanswered.pop_front();
            if is_accepted {
                self.accepted(line, &answer);
            } else {
                self.refused(line, &answer);
            }
        }
        true
    }

    fn accepted(&mut self, line: Line, answer: &Value) {
        let Line { op, number } = line;
        let id = self.id(number);
        assert_eq!(answer["session"], id, "answers come in the order of the lines: {answer}");
        assert_eq!(answer["generation"], 1, "no id is used twice, and what is active goes on: {answer}");
        match op {
            Op::Start => {
                if self.said.started.insert(id) {
                    self.started.fetch_add(1, Ordering::SeqCst);
                }
                self.active.insert(number);
                if self.phase == Phase::Ends || number.is_multiple_of(2) {
                    self.to_say.push_back(Line { op: Op::End, number });
                }
            }
            Op::StartAgain => self.said.went_on += 1,
            Op::End => {
                self.active.remove(&number);
            }
        }
    }

    fn refused(&mut self, line: Line, answer: &Value) {
        assert!(answer["code"] == "draining" || answer["code"] == "journal", "{answer}");
        if line.op != Op::Start {
            self.to_say.push_back(line);
        }
    }

    /// What was not answered is said again, under the same `op_id`. Of an end among it nobody knows whether it is on record, so that
    /// session is not started again: it would be another one.
    fn lose_connection(&mut self) {
        if !self.manner.comes_back {
            self.unanswered.clear();
            self.to_say.clear();
            self.active.clear();
            return;
        }
        let ending = self.ending();
        let mut again = std::mem::take(&mut self.unanswered);
        again.append(&mut self.to_say);
        again.retain(|line| line.op != Op::StartAgain);
        let active = self.active.iter().filter(|number| !ending.contains(*number));
        self.to_say = active.map(|number| Line { op: Op::StartAgain, number: *number }).collect();
        self.to_say.append(&mut again);
    }

    fn id(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }

    fn text(&self, line: Line) -> String {
        let id = self.id(line.number);
        let session = json!({"id": id, "key": self.server});
        let line = match line.op {
            Op::Start => json!({"op": "start", "op_id": format!("{id}-start"), "session": session}),
            Op::StartAgain => json!({"op": "start", "session": session}),
            Op::End => json!({"op": "end", "op_id": format!("{id}-end"), "session": session, "reason": "reset"}),
        };
        format!("{line}\n")
    }
}
