//! NATS servers that have the stream of one journal. What they take, refuse and forget is `lastword_stream`'s; here is drawn when: how long
//! requests and answers are on their way, which of them are lost, when a message is stored, and when the stream has no leader or no quorum.
//!
//! Each message that is stored is carried out at once on a state of its own, so what is on record is known without a reader.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lastword_jetstream::chain::Heard;
use lastword_jetstream::group::Group;
use lastword_jetstream::subjects::{Kind, Subjects};
use lastword_journal::Recovered;
use lastword_schedules_jetstream::{Answer, Servers};
use lastword_stream::{Publish, Stream};
use tokio::sync::{Notify, oneshot};

use crate::draw::{chance, linger, linger_in_task, one_of, up_to};
use crate::over_nats::journal_name;
use crate::record::OnRecord;
use crate::shadow::Shadow;
use crate::trace::trace;

/// In bad weather so many things happen to the servers at most.
const MOST_FAULTS: usize = 4;
/// JetStream cannot answer just now.
const UNAVAILABLE: [u64; 4] = [503, 10_008, 10_009, 10_039];
/// "maximum bytes exceeded".
const FULL: u64 = 10_077;
/// Of a stream that may become so large a snapshot is made behind each group, and of the other none.
const SMALL: u64 = 200;
const LARGE: u64 = 1 << 30;

/// How it goes with the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// They answer whatever they are asked.
    Good,
    /// Requests and answers are lost, leaders too; there is no quorum, and no room.
    Bad,
}

pub(crate) struct Nats {
    subjects: Subjects,
    max_bytes: u64,
    /// Of `std`: looking at it is no step of a schedule.
    state: Mutex<State>,
    /// There may be a quorum again.
    changed: Notify,
    /// Held by each request that is on its way, or waits to be stored.
    under_way: Arc<()>,
    on_record: Arc<OnRecord>,
}

struct State {
    stream: Stream<Reply<Heard>>,
    shadow: Shadow,
    weather: Weather,
    has_leader: bool,
    has_quorum: bool,
    is_full: bool,
}

/// A node's connection. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Connection {
    nats: Arc<Nats>,
    /// Nothing arrives.
    is_cut: Arc<AtomicBool>,
}

/// Who waits for an answer.
struct Reply<T> {
    connection: Connection,
    waits: oneshot::Sender<T>,
}

impl Nats {
    pub(crate) fn new() -> Arc<Self> {
        let state = State {
            stream: Stream::default(),
            shadow: Shadow::new(journal_name()),
            weather: Weather::Good,
            has_leader: true,
            has_quorum: true,
            is_full: false,
        };
        Arc::new(Self {
            subjects: Subjects::new("LW", journal_name()),
            max_bytes: one_of(&[LARGE, LARGE, SMALL]),
            state: Mutex::new(state),
            changed: Notify::new(),
            under_way: Arc::default(),
            on_record: Arc::default(),
        })
    }

    pub(crate) fn on_record(&self) -> &Arc<OnRecord> {
        &self.on_record
    }

    pub(crate) fn connect(self: &Arc<Self>) -> Connection {
        Connection { nats: self.clone(), is_cut: Arc::default() }
    }

    /// What happens to the servers, one thing after the other.
    pub(crate) fn suffer(&self) {
        for _ in 0..up_to(MOST_FAULTS) {
            linger();
            if self.is(Weather::Good) {
                return;
            }
            match up_to(2) {
                0 => self.lose_leader(),
                1 => self.change("no quorum", |state| state.has_quorum = false),
                _ => self.change("no room", |state| state.is_full = true),
            }
            linger();
            self.mend();
        }
    }

    pub(crate) fn have_weather(&self, weather: Weather) {
        self.change("another weather", |state| state.weather = weather);
        self.mend();
    }

    /// Waits until no request is on its way, not even of those who wait for no answer any more.
    pub(crate) fn wait_for_late_requests(&self) {
        while Arc::strong_count(&self.under_way) > 1 {
            shuttle::thread::yield_now();
        }
    }

    /// What a run of the journal has to find that began with the last fence, if nothing was stored since.
    pub(crate) fn recovered(&self) -> Recovered {
        self.state.lock().unwrap().shadow.recovered()
    }

    fn mend(&self) {
        self.change("all is well", |state| (state.has_leader, state.has_quorum, state.is_full) = (true, true, false));
        self.changed.notify_waiters();
    }

    fn change(&self, what: &str, change: impl FnOnce(&mut State)) {
        trace!("nats: {what}");
        change(&mut self.state.lock().unwrap());
    }

    fn is(&self, weather: Weather) -> bool {
        self.state.lock().unwrap().weather == weather
    }

    /// In bad weather, in so many cases of so many.
    fn happens(&self, cases: u32, of: u32) -> bool {
        self.is(Weather::Bad) && chance(cases, of)
    }

    fn lose_leader(&self) {
        let mut state = self.state.lock().unwrap();
        let stored = up_to(state.stream.proposals());
        trace!("nats: the leader is lost, with {stored} of {} proposals stored", state.stream.proposals());
        let last = state.stream.last();
        state.stream.lose_leader(stored).unwrap();
        state.has_leader = false;
        for sequence in last + 1..=state.stream.last() {
            self.carry_out(&mut state, sequence);
        }
    }

    /// A message has reached the leader, if there is one.
    fn take(self: &Arc<Self>, publish: Publish, reply: Reply<Heard>) {
        let refusal = |code: u64, why: &str| Heard::Refused { code, description: why.to_owned() };
        let Some(reply) = self.led(reply) else { return };
        if self.happens(1, 24) {
            return reply.send(refusal(one_of(&UNAVAILABLE), "not just now"));
        }
        let proposed = {
            let mut state = self.state.lock().unwrap();
            match publish.kind {
                // The room of a fence is kept free by our own limit.
                Kind::Group | Kind::Chunk if state.is_full => Err((refusal(FULL, "maximum bytes exceeded"), reply)),
                _ => state.stream.propose(publish, reply),
            }
        };
        match proposed {
            Ok(()) => drop(shuttle::future::spawn(self.clone().store(self.under_way.clone()))),
            Err((refused, reply)) => {
                trace!("nats: {refused:?}");
                reply.send(refused);
            }
        }
    }

    /// Gives whoever waits if there is a leader. Otherwise the answer is nobody's, or there is none.
    fn led(&self, reply: Reply<Heard>) -> Option<Reply<Heard>> {
        if self.state.lock().unwrap().has_leader {
            return Some(reply);
        }
        if chance(1, 2) {
            reply.send(Heard::NoResponders);
        }
        None
    }

    /// The oldest proposal is stored, whenever the scheduler comes to it.
    async fn store(self: Arc<Self>, _under_way: Arc<()>) {
        linger_in_task().await;
        while !self.state.lock().unwrap().has_quorum {
            self.changed.notified().await;
        }
        let acknowledged = {
            let mut state = self.state.lock().unwrap();
            let acknowledged = state.stream.commit().unwrap();
            if acknowledged.is_some() {
                let sequence = state.stream.last();
                self.carry_out(&mut state, sequence);
            }
            acknowledged
        };
        if let Some((heard, reply)) = acknowledged {
            reply.send(heard);
        }
    }

    /// A message is stored.
    fn carry_out(&self, state: &mut State, sequence: u64) {
        let State { stream, shadow, .. } = state;
        let (kind, body) = stream.message(sequence).unwrap();
        trace!("nats: {sequence} is a {kind}");
        self.on_record.change(|record| shadow.message(*kind, body, record));
    }

    fn found(&self, sequence: u64) -> Heard {
        let state = self.state.lock().unwrap();
        let message = state.stream.message(sequence);
        Heard::Found {
            sequence,
            message: message.map(|(kind, body)| (self.subjects.of(*kind).to_owned(), body.clone())),
        }
    }

    fn first_and_last(&self) -> Heard {
        let state = self.state.lock().unwrap();
        Heard::Info { first_sequence: state.stream.first(), last_sequence: state.stream.last() }
    }

    fn fence(&self) -> Option<Option<(u64, Bytes)>> {
        let state = self.state.lock().unwrap();
        state.has_leader.then(|| state.stream.fence().cloned())
    }

    fn purge(&self, below: u64) -> Option<()> {
        let mut state = self.state.lock().unwrap();
        (state.has_leader && state.has_quorum).then(|| {
            trace!("nats: what is before {below} is purged");
            drop(state.stream.purge(below));
        })
    }

    fn behind(&self, sequence: u64) -> Option<(u64, String, Bytes)> {
        let state = self.state.lock().unwrap();
        let (sequence, (kind, body)) = state.stream.messages().find(|(of, _)| *of > sequence)?;
        Some((sequence, self.subjects.of(*kind).to_owned(), body.clone()))
    }
}

impl Connection {
    /// Nothing arrives at either end, until it is mended.
    pub(crate) fn cut(&self) {
        trace!("nats: a connection is cut");
        self.is_cut.store(true, Ordering::Relaxed);
    }

    pub(crate) fn mend(&self) {
        self.is_cut.store(false, Ordering::Relaxed);
    }

    /// A request or an answer is on its way for a while. Gives whether it arrives.
    async fn is_travelled(&self) -> bool {
        if self.nats.happens(1, 16) {
            return false;
        }
        linger_in_task().await;
        !self.is_cut.load(Ordering::Relaxed)
    }

    fn request<T: Send + 'static>(&self, arrives: impl FnOnce(&Arc<Nats>, Reply<T>) + Send + 'static) -> Answer<T> {
        let (waits, answered) = oneshot::channel();
        let (reply, under_way) = (Reply { connection: self.clone(), waits }, self.nats.under_way.clone());
        drop(shuttle::future::spawn(async move {
            let _held = under_way;
            if reply.connection.is_travelled().await {
                let nats = reply.connection.nats.clone();
                arrives(&nats, reply);
            }
        }));
        Box::pin(async move {
            match answered.await {
                Ok(answer) => answer,
                // It is lost. Whoever waits knows how long.
                Err(_) => pending().await,
            }
        })
    }
}

impl<T: Send + 'static> Reply<T> {
    fn send(self, answer: T) {
        drop(shuttle::future::spawn(async move {
            if self.connection.is_travelled().await {
                self.waits.send(answer).ok();
            }
        }));
    }
}

/// What a journal asks for itself. Where there is no leader, there is no answer.
impl Servers for Connection {
    fn publish(&self, subject: String, headers: Vec<(&'static str, String)>, body: Bytes) -> Answer<Heard> {
        let kind = self.nats.subjects.kind(&subject).unwrap();
        let publish = Publish::new(kind, Group::decode(&body).unwrap().epoch, body, &headers);
        self.request(move |nats, reply| nats.take(publish, reply))
    }

    fn message(&self, sequence: u64) -> Answer<Heard> {
        self.request(move |nats, reply| {
            if let Some(reply) = nats.led(reply) {
                reply.send(nats.found(sequence));
            }
        })
    }

    fn info(&self) -> Answer<Heard> {
        self.request(move |nats, reply| {
            if let Some(reply) = nats.led(reply) {
                reply.send(nats.first_and_last());
            }
        })
    }

    fn last_fence(&self) -> Answer<Option<Option<(u64, Bytes)>>> {
        self.request(move |nats, reply| {
            reply.send(nats.fence());
        })
    }

    fn message_behind(&self, sequence: u64) -> Answer<Option<(u64, String, Bytes)>> {
        self.request(move |nats, reply| reply.send(nats.behind(sequence)))
    }

    fn purge(&self, below: u64) -> Answer<Option<()>> {
        self.request(move |nats, reply| {
            reply.send(nats.purge(below));
        })
    }

    fn max_bytes(&self) -> u64 {
        self.nats.max_bytes
    }
}
