//! A node of the fleet: its member, and the journals that it writes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use lastword_cluster::Member;
use lastword_jetstream::chain::{Chain, Effect};

use crate::full::Full;
use crate::ledger::SessionId;
use crate::network::ServerId;
use crate::reader::Reader;
use crate::request::{Asks, Request, StreamId, Whose};
use crate::slots;
use crate::world::Event;

/// A node. Its number stays; what is in `process` goes with each run.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) run: u32,
    pub(crate) process: Option<Process>,
    /// The server that it is connected to.
    pub(crate) server: ServerId,
    /// How often something has cut its connection and not mended it yet.
    pub(crate) cuts: u32,
    /// Its heartbeats do not arrive until then.
    pub(crate) mute_until: Duration,
    /// Its watch of the registry brings nothing until then.
    pub(crate) blind_until: Duration,
    /// Its clock goes so many thousandths fast.
    pub(crate) drift: i32,
    /// The form of records that its program knows.
    pub(crate) format: u32,
    /// When a heartbeat of it last reached all those who can be reached.
    pub(crate) beat_arrived: Duration,
    /// When the last message on its connection arrives, in each direction: none overtakes another.
    pub(crate) sent: Duration,
    pub(crate) received: Duration,
    /// Sent without a connection: it is on its way when there is one.
    pub(crate) unsent: Vec<Request>,
}

/// A run of a node.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) member: Member,
    /// Its own journal: the one that the node had before, or the one that its run would make.
    pub(crate) own: StreamId,
    /// Whether it makes its own journal.
    pub(crate) begins: bool,
    /// Whether it may take sessions.
    pub(crate) is_ready: bool,
    pub(crate) journals: BTreeMap<StreamId, Serving>,
    /// What the member and the openings have asked for: who does not answer within the time has not answered.
    pub(crate) asked: BTreeMap<u64, Asked>,
    /// When the member is called next.
    pub(crate) ticks_at: Duration,
    /// What comes while the process stands still.
    pub(crate) inbox: Option<Vec<Event>>,
    pub(crate) active: Vec<SessionId>,
    pub(crate) leaves: Leaves,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    No,
    /// It drains, and takes no more sessions.
    Drains,
    /// Its member has been told.
    Told,
}

#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) journal: StreamId,
    pub(crate) whose: Whose,
    pub(crate) asks: Asks,
}

/// A journal that a node has, or is about to.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) stage: Stage,
    /// Ends that are to be called.
    pub(crate) queue: VecDeque<SessionId>,
    /// Calls under way. They return together.
    pub(crate) calls: usize,
    /// Sessions that are active or owed, as far as this node knows.
    pub(crate) open: u64,
}

#[derive(Debug)]
pub(crate) enum Stage {
    /// The fence.
    Opening(Opening),
    /// The fence is there; the messages before it are being read.
    Reading {
        epoch: u64,
    },
    Writing(Box<Writer>),
    /// It is over here.
    Closed,
}

/// A fence that is being written, as `lastword_jetstream` writes one.
#[derive(Debug)]
pub(crate) struct Opening {
    /// The request under way.
    pub(crate) number: u64,
    /// The fence before.
    pub(crate) before: Option<u64>,
    pub(crate) body: Bytes,
    pub(crate) until: Duration,
}

/// The writer of a journal.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) chain: Chain,
    /// The fence with which it took the journal.
    pub(crate) epoch: u64,
    /// The state, where it is the real one.
    pub(crate) full: Option<Box<Full>>,
    /// Records that were in the journal before.
    pub(crate) records_before: u64,
    /// Counts who took the journal over.
    pub(crate) turn: u32,
    /// What is told when the record with that number is durable.
    pub(crate) waiting: VecDeque<(u64, Told)>,
    /// The request under way, and when its time is over.
    pub(crate) request: Option<UnderWay>,
    /// When it is looked at next, if that is scheduled.
    pub(crate) wakes_at: Option<Duration>,
    /// Of the mutation with two in flight: what was acknowledged before JetStream did it.
    pub(crate) early: VecDeque<(UnderWay, Vec<Effect>)>,
}

/// A request of a writer.
#[derive(Debug)]
pub(crate) struct UnderWay {
    pub(crate) number: u64,
    pub(crate) deadline: Duration,
    /// The last sequence that a message expects.
    pub(crate) expected: u64,
}

/// Who is told of a record.
#[derive(Debug)]
pub(crate) enum Told {
    Started(SessionId),
    Ended(Vec<SessionId>),
    Delivered(u64),
}

impl Process {
    fn adopted(&self) -> impl Iterator<Item = (StreamId, &Serving)> {
        self.journals.iter().filter(|(journal, _)| **journal != self.own).map(|(&journal, serving)| (journal, serving))
    }

    /// How many calls this journal may begin, which has none under way.
    pub(crate) fn slots_for(&self, journal: StreamId) -> usize {
        if journal == self.own {
            return slots::OWN;
        }
        let busy = self.adopted().filter(|(_, serving)| serving.calls > 0 || !serving.queue.is_empty()).count();
        let others = self.adopted().filter(|(other, _)| *other != journal);
        let others: Vec<usize> = others.map(|(_, serving)| serving.calls).collect();
        slots::of_adopted(busy, &others)
    }

    /// Adopted journals that have something to call, and nothing under way.
    pub(crate) fn adopted_that_wait(&self) -> Vec<StreamId> {
        let waits = |(_, serving): &(StreamId, &Serving)| serving.calls == 0 && !serving.queue.is_empty();
        self.adopted().filter(waits).map(|(journal, _)| journal).collect()
    }
}

impl Serving {
    pub(crate) fn new(stage: Stage) -> Self {
        Self { stage, queue: VecDeque::new(), calls: 0, open: 0 }
    }

    pub(crate) fn writer(&mut self) -> Option<&mut Writer> {
        match &mut self.stage {
            Stage::Writing(writer) => Some(writer),
            _ => None,
        }
    }
}

impl Writer {
    pub(crate) fn new(chain: Chain, full: Option<Box<Full>>, reader: &Reader, turn: u32) -> Self {
        Self {
            chain,
            epoch: reader.epoch,
            full,
            records_before: reader.records,
            turn,
            waiting: VecDeque::new(),
            request: None,
            wakes_at: None,
            early: VecDeque::new(),
        }
    }
}

impl Node {
    /// What the node's clock says.
    pub(crate) fn local(&self, now: Duration) -> Duration {
        let part = now / 1_000 * self.drift.unsigned_abs();
        if self.drift < 0 { now - part } else { now + part }
    }

    /// When the node's clock will say that.
    pub(crate) fn global(&self, local: Duration) -> Duration {
        let thousandths = u32::try_from(1_000 + self.drift).unwrap_or(1_000);
        // A little later rather than too early.
        local / thousandths * 1_000 + Duration::from_micros(2)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.cuts == 0
    }
}
