//! The append machine: one message in flight, each chained to the one before it. It does no I/O: a driver carries its actions out.
//!
//! A message is durable when JetStream acknowledges it with the expected sequence, or when the stream's leader has these very bytes there.
//! Anything else says nothing, whatever it is called: not even "wrong last sequence" (10071), which the writer's own message causes as well
//! when its acknowledgement is lost. Then the same bytes are sent again with the same headers, and the leader is asked for what is at the
//! expected place. Only another's message *there* says that the journal was taken over.
//!
//! One message in flight, because a fence takes the sequence of one message only: messages behind it would match again. If there are such
//! messages all the same, of an older epoch, the chain goes on behind them, and whoever [reads](crate::replay) drops them.

mod queue;
mod snapshotting;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;

use self::queue::{Piece, Queue};
use self::snapshotting::{Snapshotting, Written};
use crate::group::{Group, MAX_BODY, OVERHEAD, RECORD_OVERHEAD, chain_hash};
use crate::record::FenceRecord;
use crate::snapshot::Snapshot;
use crate::subjects::{Kind, Subjects};

/// The size at which a group is closed. Groups of 64 to 256 KiB carry most of what the servers can take, and are acknowledged within
/// milliseconds.
pub const TARGET_BODY: usize = 256 * 1024;
/// The same while every acknowledgement is waited for: what is in flight when the time is over is not on record.
pub const HURRIED_BODY: usize = 64 * 1024;
/// No message is made smaller than this because the servers call it too large.
pub const MIN_BODY: usize = 4 * 1024;
/// How long an acknowledgement is waited for. An append takes some milliseconds, and a leader that is gone says nothing.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(2);
/// From then on [`Effect::Silent`] tells that nothing is acknowledged. The stream's servers need 4 to 9 s for another leader.
pub const SILENT_AFTER: Duration = Duration::from_secs(10);
/// The wait before the first try again, which doubles with each one that follows.
pub const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A stream that is gone, or ends before what it has acknowledged, is asked for so long: a server that has just started may not have it all.
pub const LOST_AFTER: Duration = Duration::from_secs(10);
/// And so often, at least.
const LOST_AFTER_ANSWERS: u32 = 3;
/// Each so many tries without an answer the stream's last sequence is asked for.
const INFO_EACH: u32 = 4;

/// "wrong last sequence", also of the subject.
const WRONG_LAST_SEQUENCE: u64 = 10_071;
/// Another message with an expectation of the same subject is under way.
const EXPECTATION_UNDER_WAY: u64 = 10_164;
/// The message exceeds the stream's `max_msg_size`.
const MESSAGE_TOO_LARGE: u64 = 10_054;
/// The stream's `max_bytes`, the servers' storage or the account's is used up.
const FULL: [u64; 5] = [10_077, 10_047, 10_023, 10_028, 10_002];
/// Another stream has the subject.
const OTHER_STREAM: u64 = 10_060;
/// JetStream, or the request's server, cannot answer just now.
const UNAVAILABLE: [u64; 5] = [503, 10_008, 10_009, 10_039, 10_074];

/// The end of a chain: all that has to be known to append to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The sequence of the fence behind which is written.
    pub epoch: u64,
    /// The sequence of the last message.
    pub last_sequence: u64,
    /// The [`chain_hash`] up to that message.
    pub hash: u64,
    /// The number of the last group.
    pub number: u64,
}

/// The append machine. Times are durations since any moment that the driver has chosen, by a clock that does not go back.
#[derive(Debug)]
pub struct Chain {
    subjects: Subjects,
    position: Position,
    queue: Queue,
    snapshot: Option<Snapshotting>,
    in_flight: Option<InFlight>,
    step: Step,
    is_hurried: bool,
    /// The largest body that the servers take, as far as is known.
    max_body: usize,
    tail_bytes: u64,
    /// Since when something waits and nothing was acknowledged.
    waiting_since: Option<Duration>,
    /// Whether it was told that nothing is acknowledged.
    silence_told: bool,
    suspicion: Option<Suspicion>,
    is_over: bool,
}

/// The message that is being appended.
#[derive(Debug)]
struct InFlight {
    kind: Kind,
    body: Bytes,
    /// What it is made of, to make smaller ones of it.
    content: Content,
    /// How often there was no answer that says anything.
    tries: u32,
    /// Whether it may have reached the stream.
    may_be_stored: bool,
    /// Whether the servers have called it too large.
    too_large: bool,
    full_told: bool,
    /// The sequence that the stream named when it last refused the message: its last one, or that of its last fence.
    refused_with: Option<u64>,
}

#[derive(Debug)]
enum Content {
    Records(Vec<Piece>),
    Snapshot(Written),
}

/// What the chain waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing.
    Free,
    /// What comes of this action.
    Under(What),
    /// The time of this action.
    At(What, Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Publish,
    Look,
    Info,
}

/// The stream is gone, ends too early, or has no fence. It may be a server that is not up to date yet.
#[derive(Clone, Copy, Debug)]
struct Suspicion {
    since: Duration,
    answers: u32,
}

/// What the driver has to do. It does one action at a time, and says what it [heard](Heard).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Publish this message and wait for JetStream's acknowledgement. Without one in `timeout`: [`Heard::TimedOut`].
    Publish {
        /// The subject.
        subject: String,
        /// The headers, as names with values.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: Bytes,
        /// How long to wait.
        timeout: Duration,
    },
    /// Ask the stream's leader (`STREAM.MSG.GET`, never a direct get) for the message with this sequence.
    Look {
        /// The sequence.
        sequence: u64,
        /// How long to wait.
        timeout: Duration,
    },
    /// Ask for the stream's first sequence and its last one (`STREAM.INFO`).
    Info {
        /// How long to wait.
        timeout: Duration,
    },
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// JetStream has stored the message under this sequence.
    Acked {
        /// The sequence.
        sequence: u64,
    },
    /// JetStream has answered with an error.
    Refused {
        /// JetStream's `err_code`, e.g. 10071; without one the `code`, e.g. 503.
        code: u64,
        /// JetStream's description.
        description: String,
    },
    /// The message exceeds the server's `max_payload`: it was not sent.
    TooLarge,
    /// No answer came in time.
    TimedOut,
    /// Nobody listens on the subject: the stream has no leader, or is gone. The connection is lost.
    NoResponders,
    /// The answer to [`Action::Look`].
    Found {
        /// The sequence that was asked for.
        sequence: u64,
        /// The subject and the body of the message. None if there is no such message.
        message: Option<(String, Bytes)>,
    },
    /// The answer to [`Action::Info`].
    Info {
        /// The sequence of the stream's first message; one more than the last one's if it has none.
        first_sequence: u64,
        /// The sequence of the stream's last message.
        last_sequence: u64,
    },
    /// The answer to [`Action::Info`] or [`Action::Look`]: there is no such stream (10059).
    NoStream,
}

/// What has come of records, and what the driver has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The records up to this number are durable.
    Durable {
        /// The number that [`Chain::queue`] gave.
        up_to: u64,
    },
    /// A snapshot is complete: everything below this sequence can be purged.
    Snapshot {
        /// The sequence of the fence with which the snapshot begins.
        purge_below: u64,
        /// The size of the snapshot's messages.
        bytes: u64,
    },
    /// The stream has a message that is not ours where ours had to be, or begins behind that place: somebody has taken the journal over.
    /// Nothing will be durable any more.
    Fenced {
        /// The sequence of that message, or of the stream's first one.
        by: u64,
    },
    /// The stream has no room (10077 and the like). The message is sent again and again.
    Full {
        /// JetStream's description.
        description: String,
    },
    /// The cluster has lost what it had acknowledged, or the whole stream. Nothing will be durable any more in this stream.
    Lost {
        /// What was found.
        why: String,
    },
    /// For a while nothing was acknowledged although something waits: the stream has no quorum, or cannot be reached.
    Silent {
        /// Since when.
        since: Duration,
    },
}

impl Chain {
    /// A chain that goes on at `position`.
    #[must_use]
    pub fn new(subjects: Subjects, position: Position) -> Self {
        Self {
            subjects,
            position,
            queue: Queue::default(),
            snapshot: None,
            in_flight: None,
            step: Step::Free,
            is_hurried: false,
            max_body: MAX_BODY,
            tail_bytes: 0,
            waiting_since: None,
            silence_told: false,
            suspicion: None,
            is_over: false,
        }
    }

    /// The same chain, where so many bytes of groups follow the last snapshot already: [`Replayed::tail_bytes`](crate::replay::Replayed).
    #[must_use]
    pub fn with_tail(self, tail_bytes: u64) -> Self {
        Self { tail_bytes, ..self }
    }

    /// The same chain, with small messages.
    #[cfg(test)]
    pub(crate) fn with_max_body(self, max_body: usize) -> Self {
        Self { max_body, ..self }
    }

    /// Adds a record. Gives its number: 1, 2, ….
    pub fn queue(&mut self, record: Vec<u8>, now: Duration) -> u64 {
        self.waiting_since.get_or_insert(now);
        self.queue.push(record.into())
    }

    /// Writes a snapshot of the state with all records that are queued so far. Messages with records go in between. Another snapshot that is
    /// being written is given up. `fence` is written first, with `begins_run: false`: once the snapshot is complete and the rest is purged the
    /// stream begins with it. (A purge takes the fence before it away, and without one the stream would refuse everything.)
    pub fn begin_snapshot(&mut self, snapshot: Snapshot, fence: &FenceRecord) {
        self.snapshot = Some(Snapshotting::new(snapshot, fence.clone(), self.queue.last_number()));
    }

    /// Whether a snapshot is being written.
    #[must_use]
    pub fn is_snapshotting(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Whether messages are small, because every acknowledgement is waited for: [`HURRIED_BODY`] instead of [`TARGET_BODY`]. Chunks of a
    /// snapshot wait meanwhile as long as records do.
    pub fn hurry(&mut self, hurry: bool) {
        self.is_hurried = hurry;
    }

    /// What is to be done now. None if nothing is, or before what is under way was heard of.
    pub fn next(&mut self, now: Duration) -> Option<Action> {
        if self.is_over {
            return None;
        }
        if self.step == Step::Free {
            if self.in_flight.is_none() {
                self.in_flight = Some(self.form()?);
            }
            self.step = Step::At(What::Publish, now);
        }
        let Step::At(what, at) = self.step else { return None };
        if now < at {
            return None;
        }
        self.step = Step::Under(what);
        let timeout = ACK_TIMEOUT;
        match what {
            What::Publish => {
                let InFlight { kind, body, .. } = self.in_flight.as_ref()?;
                let subject = self.subjects.of(*kind).to_owned();
                Some(Action::Publish { subject, headers: self.headers(), body: body.clone(), timeout })
            }
            What::Look => Some(Action::Look { sequence: self.expected(), timeout }),
            What::Info => Some(Action::Info { timeout }),
        }
    }

    /// When to ask [`next`](Self::next) again without having heard of anything. None: not before something is queued or heard.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        match self.step {
            Step::At(_, at) if !self.is_over => Some(at),
            _ => None,
        }
    }

    /// What came of the action that [`next`](Self::next) gave. What comes after its time was over can be told as well.
    pub fn heard(&mut self, heard: Heard, now: Duration) -> Vec<Effect> {
        if self.is_over || self.in_flight.is_none() {
            return Vec::new();
        }
        let mut effects = Vec::new();
        match heard {
            Heard::Acked { sequence } if sequence == self.expected() => self.stored(now, &mut effects),
            Heard::Found { sequence, message } if sequence == self.expected() => {
                self.found(message, now, &mut effects);
            }
            // It belongs to another message, which says nothing of this one.
            Heard::Acked { .. } | Heard::Found { .. } => self.ask(What::Look, now),
            Heard::Refused { code, description } => self.refused(code, description, now, &mut effects),
            Heard::TooLarge => self.too_large(now, &mut effects),
            Heard::TimedOut => self.unknown(now, now),
            Heard::NoResponders => self.unknown(now, now + self.wait()),
            Heard::Info { first_sequence, last_sequence } => {
                self.info(first_sequence, last_sequence, now, &mut effects);
            }
            Heard::NoStream => {
                let why = format!("the servers say that there is no stream {}", self.subjects.stream);
                self.suspect(why, now, &mut effects);
            }
        }
        if let Some(since) = self.waiting_since
            && !self.is_over
            && now.saturating_sub(since) >= SILENT_AFTER
            && !std::mem::replace(&mut self.silence_told, true)
        {
            effects.push(Effect::Silent { since });
        }
        effects
    }

    /// The end of the chain as far as it is durable.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// How many records are queued and not durable.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.queue.waiting()
    }

    /// The bytes of these records.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        self.queue.waiting_bytes()
    }

    /// Since when records wait and nothing was acknowledged. None if none waits.
    #[must_use]
    pub fn waiting_since(&self) -> Option<Duration> {
        self.waiting_since
    }

    /// Bytes of the groups that a reader has to read after the last snapshot.
    #[must_use]
    pub fn tail_bytes(&self) -> u64 {
        self.tail_bytes
    }

    /// The sequence that the message in flight will have.
    fn expected(&self) -> u64 {
        self.position.last_sequence + 1
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![
            ("Nats-Expected-Stream", self.subjects.stream.clone()),
            ("Nats-Expected-Last-Sequence", self.position.last_sequence.to_string()),
            ("Nats-Expected-Last-Subject-Sequence", self.position.epoch.to_string()),
            ("Nats-Expected-Last-Subject-Sequence-Subject", self.subjects.fence.clone()),
        ]
    }

    /// The next message, of what waits.
    fn form(&mut self) -> Option<InFlight> {
        let until = match &mut self.snapshot {
            None => u64::MAX,
            // The snapshot has all records up to this one, and none behind it.
            Some(snapshot) if !snapshot.has_begun() && self.queue.has_up_to(snapshot.behind()) => snapshot.behind(),
            Some(snapshot)
                if self.queue.is_empty() || !snapshot.has_begun() || (!self.is_hurried && snapshot.is_turn()) =>
            {
                match snapshot.next(self.max_body) {
                    Some(written) => return self.form_snapshot(written),
                    None => self.snapshot = None,
                }
                u64::MAX
            }
            Some(_) => u64::MAX,
        };
        let target = if self.is_hurried { HURRIED_BODY } else { TARGET_BODY };
        let pieces = self.queue.take(until, target, self.max_body);
        if pieces.is_empty() {
            return None;
        }
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.give_turn();
        }
        let continued = pieces.first().is_some_and(|piece| piece.is_rest);
        let continues = pieces.last().is_some_and(|piece| piece.goes_on);
        let records = pieces.iter().map(|piece| piece.bytes.clone()).collect();
        let Position { epoch, number, hash, .. } = self.position;
        let (number, previous) = (number + 1, hash);
        let group = Group { kind: Kind::Group, epoch, number, previous, continued, continues, records };
        Some(InFlight::new(&group, Content::Records(pieces)))
    }

    fn form_snapshot(&mut self, written: Written) -> Option<InFlight> {
        let Position { epoch, number, hash: previous, .. } = self.position;
        let number = if written.kind() == Kind::Fence { number } else { number + 1 };
        let Ok(records) = written.records() else {
            // The snapshot cannot be written. Everything else can.
            self.snapshot = None;
            return self.form();
        };
        let (kind, continued, continues) = (written.kind(), false, false);
        let group = Group { kind, epoch, number, previous, continued, continues, records };
        Some(InFlight::new(&group, Content::Snapshot(written)))
    }

    /// The message in flight is in the stream, at its place.
    fn stored(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let Some(InFlight { kind, body, content, .. }) = self.in_flight.take() else { return };
        let sequence = self.expected();
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        self.position.last_sequence = sequence;
        self.position.hash = chain_hash(self.position.hash, &body);
        match kind {
            Kind::Fence => self.position.epoch = sequence,
            Kind::Group | Kind::Chunk => self.position.number += 1,
        }
        match content {
            Content::Records(pieces) => {
                self.tail_bytes = self.tail_bytes.saturating_add(bytes);
                if let Some(snapshot) = &mut self.snapshot {
                    snapshot.group_stored(bytes);
                }
                if let Some(up_to) = self.queue.stored(&pieces) {
                    effects.push(Effect::Durable { up_to });
                }
            }
            Content::Snapshot(written) => {
                let done = self.snapshot.as_mut().and_then(|snapshot| snapshot.stored(&written, sequence, bytes));
                if let Some(done) = done {
                    self.snapshot = None;
                    self.tail_bytes = done.tail_bytes;
                    effects.push(Effect::Snapshot { purge_below: done.purge_below, bytes: done.bytes });
                }
            }
        }
        self.waiting_since = (self.queue.waiting() > 0).then_some(now);
        (self.silence_told, self.suspicion, self.step) = (false, None, Step::Free);
    }

    fn refused(&mut self, code: u64, description: String, now: Duration, effects: &mut Vec<Effect>) {
        match code {
            // Whose message it is that is in the way, only the message itself can tell.
            WRONG_LAST_SEQUENCE | EXPECTATION_UNDER_WAY => {
                self.may_be_stored();
                if let Some(in_flight) = &mut self.in_flight {
                    in_flight.refused_with = last_number(&description);
                }
                self.ask(What::Look, now);
            }
            MESSAGE_TOO_LARGE => self.too_large(now, effects),
            OTHER_STREAM => self.ask(What::Info, now),
            code if UNAVAILABLE.contains(&code) => self.unknown(now, now + self.wait()),
            code if FULL.contains(&code) => {
                self.full(description, effects);
                self.again(now + self.wait());
            }
            _ => {
                self.may_be_stored();
                let at = now + self.wait();
                self.tried();
                self.step = Step::At(What::Look, at);
            }
        }
    }

    fn full(&mut self, description: String, effects: &mut Vec<Effect>) {
        if let Some(in_flight) = &mut self.in_flight
            && !std::mem::replace(&mut in_flight.full_told, true)
        {
            effects.push(Effect::Full { description });
        }
    }

    /// The servers do not take a message of this size: smaller ones are made of what is in it, unless it is in the stream all the same.
    fn too_large(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let Some(in_flight) = &mut self.in_flight else { return };
        if in_flight.may_be_stored && !in_flight.too_large {
            in_flight.too_large = true;
            self.ask(What::Look, now);
            return;
        }
        let size = in_flight.body.len();
        if size <= MIN_BODY || in_flight.kind == Kind::Fence {
            self.full(format!("the servers do not even take a message of {size} bytes"), effects);
            self.again(now + self.wait());
            return;
        }
        self.max_body = (size / 2).max(MIN_BODY);
        match self.in_flight.take().map(|in_flight| in_flight.content) {
            Some(Content::Records(pieces)) => self.queue.put_back(pieces),
            Some(Content::Snapshot(written)) => {
                if let Some(snapshot) = &mut self.snapshot {
                    snapshot.put_back(written);
                }
            }
            None => (),
        }
        self.step = Step::Free;
    }

    /// Nothing is known of what became of the message.
    fn unknown(&mut self, now: Duration, at: Duration) {
        self.may_be_stored();
        let tries = self.tried();
        if self.suspicion.is_some() || tries.is_multiple_of(INFO_EACH) {
            self.step = Step::At(What::Info, at.max(now));
        } else {
            self.step = Step::At(What::Publish, at);
        }
    }

    /// What the stream has at the expected place.
    fn found(&mut self, message: Option<(String, Bytes)>, now: Duration, effects: &mut Vec<Effect>) {
        let Some(in_flight) = &self.in_flight else { return };
        let Some((subject, body)) = message else {
            if in_flight.too_large {
                return self.too_large(now, effects);
            }
            if self.misses_fence() {
                let (stream, epoch) = (&self.subjects.stream, self.position.epoch);
                let why = format!("the stream {stream} has no fence {epoch} any more: was it purged?");
                return self.suspect(why, now, effects);
            }
            let at = now + self.wait();
            return self.unknown(now, at);
        };
        if subject == self.subjects.of(in_flight.kind) && body == in_flight.body {
            return self.stored(now, effects);
        }
        if self.is_stale(&subject, &body) {
            // It is no part of the chain. The message in flight was not stored, and cannot be any more with the sequence that it expected.
            self.position.last_sequence += 1;
            self.ask(What::Publish, now);
            return;
        }
        self.is_over = true;
        effects.push(Effect::Fenced { by: self.expected() });
    }

    /// Whether this is a message of an older epoch, which its writer has sent before it could know of our fence.
    fn is_stale(&self, subject: &str, body: &Bytes) -> bool {
        let is_no_fence = matches!(self.subjects.kind(subject), Some(Kind::Group | Kind::Chunk));
        is_no_fence && Group::decode(body).is_ok_and(|group| group.epoch < self.position.epoch)
    }

    fn info(&mut self, first_sequence: u64, last_sequence: u64, now: Duration, effects: &mut Vec<Effect>) {
        let acknowledged = self.position.last_sequence;
        if last_sequence < acknowledged {
            let why = format!(
                "the stream {} ends at {last_sequence}, and had acknowledged {acknowledged}",
                self.subjects.stream
            );
            return self.suspect(why, now, effects);
        }
        // Our purges end at a fence of ours, and never come to the message in flight. A successor's do, and what is at the expected place
        // cannot be asked for any more. Whoever purges behind a fence leaves the fence: a stream without any message has no successor.
        if first_sequence > self.expected() {
            if last_sequence < first_sequence {
                let why = format!("the stream {} was purged up to {last_sequence}, its end", self.subjects.stream);
                return self.suspect(why, now, effects);
            }
            self.is_over = true;
            effects.push(Effect::Fenced { by: first_sequence });
            return;
        }
        if !self.misses_fence() {
            self.suspicion = None;
        }
        if last_sequence == acknowledged {
            self.again(now + self.wait());
        } else {
            self.ask(What::Look, now);
        }
    }

    /// Whether the stream refuses the message because it does not have our fence. Nothing that it acknowledges has such a number.
    fn misses_fence(&self) -> bool {
        let refused_with = self.in_flight.as_ref().and_then(|in_flight| in_flight.refused_with);
        refused_with.is_some_and(|sequence| sequence < self.position.epoch)
    }

    fn suspect(&mut self, why: String, now: Duration, effects: &mut Vec<Effect>) {
        let suspicion = self.suspicion.get_or_insert(Suspicion { since: now, answers: 0 });
        suspicion.answers += 1;
        if suspicion.answers >= LOST_AFTER_ANSWERS && now.saturating_sub(suspicion.since) >= LOST_AFTER {
            self.is_over = true;
            effects.push(Effect::Lost { why });
            return;
        }
        self.step = Step::At(What::Info, now + LONGEST_WAIT);
    }

    fn ask(&mut self, what: What, at: Duration) {
        self.step = Step::At(what, at);
    }

    /// Sends the message again then.
    fn again(&mut self, at: Duration) {
        self.tried();
        self.step = Step::At(What::Publish, at);
    }

    fn may_be_stored(&mut self) {
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.may_be_stored = true;
        }
    }

    /// Counts a try.
    fn tried(&mut self) -> u32 {
        self.in_flight.as_mut().map_or(0, |in_flight| {
            in_flight.tries = in_flight.tries.saturating_add(1);
            in_flight.tries
        })
    }

    /// How long to wait before the next try.
    fn wait(&self) -> Duration {
        let tries = self.in_flight.as_ref().map_or(0, |in_flight| in_flight.tries);
        FIRST_WAIT.saturating_mul(1 << tries.min(8)).min(LONGEST_WAIT)
    }
}

impl InFlight {
    fn new(group: &Group, content: Content) -> Self {
        let (kind, body) = (group.kind, group.encode());
        Self {
            kind,
            body,
            content,
            tries: 0,
            may_be_stored: false,
            too_large: false,
            full_told: false,
            refused_with: None,
        }
    }
}

/// The number at the end of "wrong last sequence: 1303".
fn last_number(description: &str) -> Option<u64> {
    description.rsplit_once(": ")?.1.trim().parse().ok()
}

/// The most bytes that a record, or a part of one, can have in a message of so many bytes.
fn room(body: usize) -> usize {
    body.saturating_sub(OVERHEAD + RECORD_OVERHEAD)
}
