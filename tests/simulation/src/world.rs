//! The fleet, and what happens to it.

mod endings;
mod faults;
mod jetstream;
mod journals;
mod members;
mod owners;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use endings::Ending;
use lastword_cluster::Entry;
use lastword_events::JournalName;
use lastword_jetstream::subjects::Subjects;

use crate::full::Full;
use crate::ledger::{Ledger, SessionId};
use crate::network::{Network, SERVERS, ServerId};
use crate::node::Node;
use crate::queue::Queue;
use crate::report::{Broken, Report};
use crate::request::{REGISTRY, Reply, Request, RunId, StreamId};
use crate::settings::{Mutation, Settings};
use crate::stream::Stream;

/// After the last fault, so that everything has come to rest before the fleet is drained.
const REST: Duration = Duration::from_mins(3);
/// The longest that the drain of the whole fleet may take.
const MAX_DRAIN: Duration = Duration::from_mins(30);

/// Something that happens.
#[derive(Debug)]
pub(crate) enum Event {
    /// A member is called.
    Tick(RunId),
    /// A writer looks whether its time is over.
    Wake(RunId, StreamId),
    /// A request reaches its leader.
    Arrive(Box<Request>),
    /// The oldest proposal of a stream is on two servers.
    Commit { stream: StreamId, term: u32 },
    /// A stream has a leader.
    Elected { stream: StreamId, term: u32 },
    /// An answer reaches its node.
    Answered(Box<Reply>),
    /// The time of a request of an opening or a member is over.
    TimedOut(RunId, u64),
    /// The registry has changed, and its watches have it.
    Watched { journal: StreamId, entry: Option<Entry>, revision: u64 },
    /// The opening goes on.
    OpenAgain(RunId, StreamId),
    /// A journal is read up to its fence.
    Read(RunId, StreamId),
    /// The owners of sessions that were active when a journal was taken over, behind that fence, do not come.
    Crashed(RunId, StreamId, u64, Vec<SessionId>),
    /// Calls of a journal have returned.
    Called(RunId, StreamId, Vec<SessionId>),
    /// Somewhere a session starts.
    Start,
    /// Whether a session of this node ends now, or it is only looked at again.
    End(RunId, bool),
    /// A drain's budget is over.
    DrainOver(RunId),
    /// A process that was drained is not waited for any longer.
    Kill(RunId),
    /// A process that has no journal until then gives up.
    GiveUp(RunId),
    /// A node starts.
    Boot(usize),
    /// Something goes wrong.
    Fault,
    /// A node is connected again.
    Connect(usize),
    /// A process goes on.
    Resume(RunId),
    /// A watch goes on.
    Sees(usize),
    /// A server is there again.
    ServerUp(ServerId),
    /// A server reaches the others again.
    Joined(ServerId),
    /// The next node is upgraded.
    Upgrade { node: usize, format: u32 },
    /// The faults are over.
    Calm,
    /// The whole fleet ends its sessions.
    DrainAll,
    /// Whether everything is told.
    Finish,
}

pub(crate) struct World {
    settings: Settings,
    now: Duration,
    queue: Queue<Event>,
    random: fastrand::Rng,
    network: Network,
    streams: Vec<Stream>,
    /// By number: what the world knows of a journal beside its stream.
    journals: Vec<Journal>,
    by_name: HashMap<JournalName, StreamId>,
    registry: BTreeMap<StreamId, (Entry, u64)>,
    revision: u64,
    /// Entries that were deleted: an entry of that name does not count as one that never was.
    deleted: BTreeSet<StreamId>,
    nodes: Vec<Node>,
    ledger: Ledger,
    report: Report,
    requests: u64,
    /// When the first node has heard the second one, for each pair.
    heard: Vec<Vec<Duration>>,
    /// Sessions whose start was acknowledged and whose end was not asked for, in all nodes.
    active: usize,
    is_calm: bool,
    is_draining: bool,
    is_upgrading: bool,
    /// What is to be told of the last event.
    notes: Vec<String>,
}

/// What the world knows of a journal.
#[derive(Debug)]
struct Journal {
    name: JournalName,
    /// Counts who has read it to go on with it.
    turn: u32,
    /// Records that whoever reads it next must find: somebody was told that they are durable.
    told: u64,
    /// Records that the last one to take it over has read.
    read: u64,
    /// How often its node has lost it, the first time first.
    endings: Vec<Ending>,
}

/// What a run tells while it goes on.
#[derive(Debug)]
pub enum Tells {
    /// How far it is, at each fiftieth of the virtual time.
    Progress(Progress),
    /// What happens next, if [`Settings::trace`] asks for it: the time, and what it is.
    Happens(Duration, String),
}

/// Runs it.
pub fn run(settings: &Settings, mut tell: impl FnMut(Tells)) -> Report {
    let mut world = World::new(settings.clone());
    world.begin();
    let mut told = 0_u32;
    while world.report.broken.is_none() {
        let Some((at, event)) = world.queue.next() else { break };
        world.now = at;
        if matches!(event, Event::Finish) {
            if world.is_finished() {
                break;
            }
            continue;
        }
        if settings.trace.is_some_and(|from| at >= from) {
            tell(Tells::Happens(at, format!("{event:?}")));
        }
        world.happens(event);
        for note in world.notes.drain(..) {
            tell(Tells::Happens(at, note));
        }
        let part = settings.length / 50;
        if at >= part * told && at <= settings.length {
            tell(Tells::Progress(world.progress()));
            told += 1;
        }
    }
    world.finished()
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The virtual time.
    pub now: Duration,
    /// Sessions that are active.
    pub active: usize,
    /// Nodes whose process is there.
    pub nodes: usize,
    /// Deaths until now.
    pub deaths: u64,
    /// Journals that were taken over.
    pub taken_over: u64,
    /// Ends that were delivered.
    pub delivered: u64,
}

impl World {
    fn new(settings: Settings) -> Self {
        let mut random = fastrand::Rng::with_seed(settings.seed);
        let name = |random: &mut fastrand::Rng| JournalName::from_random(std::array::from_fn(|_| random.u8(..)));
        let node = |number: usize, random: &mut fastrand::Rng| Node {
            run: 0,
            process: None,
            server: number % SERVERS,
            cuts: 0,
            mute_until: Duration::ZERO,
            blind_until: Duration::ZERO,
            drift: random.i32(-5..=5),
            format: 1,
            beat_arrived: Duration::ZERO,
            sent: Duration::ZERO,
            received: Duration::ZERO,
            unsent: Vec::new(),
        };
        // The registry has a stream as well, of which only its leader counts.
        let of_registry = name(&mut random);
        let mut registry = Stream::new(Subjects::new("LW", of_registry), 0, false);
        registry.exists = true;
        Self {
            now: Duration::ZERO,
            queue: Queue::new(),
            network: Network::new(),
            streams: vec![registry],
            journals: vec![Journal::new(of_registry)],
            by_name: HashMap::new(),
            registry: BTreeMap::new(),
            revision: 0,
            deleted: BTreeSet::new(),
            nodes: (0..settings.nodes).map(|number| node(number, &mut random)).collect(),
            ledger: Ledger::default(),
            report: Report { length: settings.length, nodes: settings.nodes, ..Report::default() },
            requests: 0,
            heard: vec![vec![Duration::ZERO; settings.nodes]; settings.nodes],
            active: 0,
            is_calm: false,
            is_draining: false,
            is_upgrading: false,
            notes: Vec::new(),
            random,
            settings,
        }
    }

    fn begin(&mut self) {
        for node in 0..self.nodes.len() {
            let at = Duration::from_millis(self.random.u64(0..2_000));
            self.queue.add(at, Event::Boot(node));
        }
        self.queue.add(Duration::from_secs(3), Event::Start);
        if !self.settings.faults.is_empty() {
            self.queue.add(Duration::from_secs(20), Event::Fault);
        }
        self.queue.add(self.settings.length, Event::Calm);
        self.queue.add(self.settings.length + REST, Event::DrainAll);
        for second in 0..MAX_DRAIN.as_secs() {
            self.queue.add(self.settings.length + REST + Duration::from_secs(second + 1), Event::Finish);
        }
    }

    fn happens(&mut self, event: Event) {
        // What a process does that stands still, it does later.
        if let Some(run) = event.run()
            && let Some(inbox) = self.process(run).and_then(|process| process.inbox.as_mut())
        {
            inbox.push(event);
            return;
        }
        match event {
            Event::Tick(run) => self.tick(run),
            Event::Wake(run, journal) => self.wake_writer(run, journal),
            Event::Arrive(request) => self.arrive(*request),
            Event::Commit { stream, term } => self.commit(stream, term),
            Event::Elected { stream, term } => self.elect(stream, term),
            Event::Answered(reply) => self.answered(*reply),
            Event::TimedOut(run, number) => self.timed_out(run, number),
            Event::Watched { journal, entry, revision } => self.watched(journal, entry.as_ref(), revision),
            Event::OpenAgain(run, journal) => self.open_again(run, journal),
            Event::Read(run, journal) => self.read(run, journal),
            Event::Crashed(run, journal, epoch, sessions) => self.crashed(run, journal, epoch, &sessions),
            Event::Called(run, journal, sessions) => self.called(run, journal, &sessions),
            Event::Start => self.start_somewhere(),
            Event::End(run, is_drawn) => self.end_one(run, is_drawn),
            Event::DrainOver(run) => self.drain_over(run),
            Event::Kill(run) => self.kill(run),
            Event::GiveUp(run) => self.give_up(run),
            Event::Boot(node) => self.boot(node),
            Event::Fault => self.fault(),
            Event::Connect(node) => self.connect(node),
            Event::Resume(run) => self.resume(run),
            Event::Sees(node) => self.sees(node),
            Event::ServerUp(server) => self.server_up(server),
            Event::Joined(server) => self.joined(server),
            Event::Upgrade { node, format } => self.upgrade(node, format),
            Event::Calm => self.calm(),
            Event::DrainAll => self.drain_all(),
            Event::Finish => {}
        }
    }

    /// Something that must never be.
    fn broken(&mut self, what: String) {
        if self.report.broken.is_none() {
            self.report.broken = Some(Broken { at: self.now, what });
        }
    }

    /// Tells something if everything is told.
    fn note(&mut self, what: impl FnOnce() -> String) {
        if self.settings.trace.is_some_and(|from| self.now >= from) {
            self.notes.push(what());
        }
    }

    fn mutates(&self, mutation: Mutation) -> bool {
        self.settings.mutation == Some(mutation)
    }

    /// A time that is exponentially distributed.
    fn about(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.random.f64()).ln())
    }

    /// A time between two.
    fn between(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.random.u64(least..=most))
    }

    fn progress(&self) -> Progress {
        Progress {
            now: self.now,
            active: self.active,
            nodes: self.nodes.iter().filter(|node| node.process.is_some()).count(),
            deaths: self.report.deaths,
            taken_over: self.report.taken_over,
            delivered: self.ledger.delivered,
        }
    }

    fn is_finished(&self) -> bool {
        self.ledger.owing == 0
    }

    fn finished(mut self) -> Report {
        let lost: Vec<usize> = self.ledger.untold().collect();
        if self.report.broken.is_none() {
            self.report.lost = Some(lost.len() as u64);
            if let Some(session) = lost.first() {
                let where_it_is = self.where_is(*session);
                self.broken(format!("{} ends are lost, the first of session {session}: {where_it_is}", lost.len()));
            }
        }
        self.count_endings();
        self.report.sessions = self.ledger.started;
        self.report.refused = self.ledger.refused;
        self.report.delivered = self.ledger.delivered;
        self.report.delivered_again = self.ledger.delivered_again;
        self.report.events = self.queue.added();
        self.report
    }

    /// The sessions that a stream has: those that are active, and those whose end is owed.
    fn owed_in(&self, stream: &Stream) -> Result<(Vec<SessionId>, Vec<SessionId>), String> {
        if stream.last() == 0 {
            return Ok(Default::default());
        }
        if self.settings.is_full {
            let replayed = stream.replay(stream.last())?;
            Full::new(replayed).map(|(_, active, owed)| (active, owed))
        } else {
            stream.read(stream.last()).map(|reader| reader.owed())
        }
    }

    /// Which journals have a session, for whoever looks for it.
    fn where_is(&self, session: usize) -> String {
        for (number, stream) in self.streams.iter().enumerate().skip(REGISTRY + 1).filter(|(_, stream)| stream.exists) {
            let (active, owed) = self.owed_in(stream).unwrap_or_default();
            let is_here = |sessions: &[SessionId]| sessions.iter().any(|&here| here as usize == session);
            if is_here(&active) || is_here(&owed) {
                return format!("in journal {number}, of which the registry says {:?}", self.registry.get(&number));
            }
        }
        "in no journal".to_owned()
    }
}

impl Journal {
    fn new(name: JournalName) -> Self {
        Self { name, turn: 0, told: 0, read: 0, endings: Vec::new() }
    }
}

impl Event {
    /// The process that it is for, which may stand still.
    fn run(&self) -> Option<RunId> {
        match self {
            Self::Tick(run)
            | Self::Wake(run, _)
            | Self::TimedOut(run, _)
            | Self::OpenAgain(run, _)
            | Self::Read(run, _)
            | Self::Crashed(run, ..)
            | Self::Called(run, ..)
            | Self::End(run, _)
            | Self::GiveUp(run)
            | Self::DrainOver(run) => Some(*run),
            Self::Answered(reply) => Some(reply.to),
            _ => None,
        }
    }
}
