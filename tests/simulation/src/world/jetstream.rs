//! JetStream's part: requests reach leaders, proposals are stored, leaders are lost and elected, and the registry changes.

use std::time::Duration;

use lastword_cluster::{Entry, EntryState};
use lastword_jetstream::chain::Heard;

use super::endings::How;
use super::{Event, World};
use crate::network::ServerId;
use crate::request::{Answer, Asks, REGISTRY, Reply, Request, StreamId, Whose};

/// So long a leader that is gone is not known to be gone: requests get no answer.
const UNNOTICED: Duration = Duration::from_secs(2);
/// How long a node must not have heard another before it may take a journal from it.
const MUST_BE_SILENT: Duration = Duration::from_secs(5);

impl World {
    /// How long a message takes through the network.
    fn network_time(&mut self) -> Duration {
        Duration::from_micros(self.random.u64(80..250))
    }

    /// How long it takes until a message is on two servers' disks: 0.9 ms, and one in a hundred 5 to 40 ms.
    fn append_time(&mut self, leader: ServerId) -> Duration {
        if self.network.is_slow(leader, self.now) {
            return self.about(Duration::from_millis(500));
        }
        if self.random.u8(..100) == 0 {
            return self.between(5, 40);
        }
        Duration::from_micros(600) + self.about(Duration::from_micros(250))
    }

    /// Sends a request. Without a connection it is lost, or waits in the client.
    pub(super) fn send(&mut self, request: Request) {
        let waits = self.random.bool();
        let node = &mut self.nodes[request.from.node];
        if !node.is_connected() {
            // What changes the registry is not kept: `Action::Update` says so.
            if waits && request.whose != Whose::Member {
                node.unsent.push(request);
            }
            return;
        }
        let at = self.now + self.network_time();
        let node = &mut self.nodes[request.from.node];
        node.sent = at.max(node.sent + Duration::from_nanos(1));
        self.queue.add(node.sent, Event::Arrive(Box::new(request)));
    }

    fn reply(&mut self, reply: Reply, later: Duration) {
        let mut at = self.now + later + self.network_time();
        if later.is_zero() {
            let received = &mut self.nodes[reply.to.node].received;
            *received = at.max(*received + Duration::from_nanos(1));
            at = *received;
        }
        self.queue.add(at, Event::Answered(Box::new(reply)));
    }

    pub(super) fn arrive(&mut self, request: Request) {
        let Request { from, number, whose, journal, asks } = request;
        let is_entry = matches!(asks, Asks::Update { .. } | Asks::Delete { .. } | Asks::Create);
        let stream = if is_entry { REGISTRY } else { journal };
        let mut reply = Reply { to: from, number, whose, journal, answer: Answer::Heard(Heard::NoResponders) };
        let server = self.nodes[from.node].server;
        let leader = self.streams[stream].leader;
        let Some(leader) = leader.filter(|&leader| self.network.joins(server, leader)) else {
            let is_noticed = leader.is_some() || self.now - self.streams[stream].lost_at >= UNNOTICED;
            if is_noticed && self.network.is_up(server) {
                self.reply(reply, Duration::ZERO);
            }
            return;
        };
        if !self.streams[stream].exists {
            let no_leader = self.streams[REGISTRY].leader.is_none();
            if !no_leader {
                reply.answer = Answer::Heard(Heard::NoStream);
                self.reply(reply, Duration::ZERO);
            }
            return;
        }
        if is_entry && !self.network.has_quorum(leader) {
            return;
        }
        match asks {
            Asks::Publish(publish) => match self.streams[stream].propose(publish, reply) {
                Ok(()) => {
                    let at = self.now + self.append_time(leader);
                    let term = self.streams[stream].term;
                    self.queue.add(at, Event::Commit { stream, term });
                }
                Err(refused) => self.reply(refused, Duration::ZERO),
            },
            Asks::Message(sequence) => {
                let message = self.streams[stream].message(sequence);
                reply.answer = Answer::Heard(Heard::Found { sequence, message });
                self.reply(reply, Duration::ZERO);
            }
            Asks::Info => {
                let (first_sequence, last_sequence) = (self.streams[stream].first(), self.streams[stream].last());
                reply.answer = Answer::Heard(Heard::Info { first_sequence, last_sequence });
                self.reply(reply, Duration::ZERO);
            }
            Asks::LastFence => {
                reply.answer = Answer::Fence(self.streams[stream].fence());
                self.reply(reply, Duration::ZERO);
            }
            Asks::Purge(below) => {
                if self.network.has_quorum(leader)
                    && let Err(error) = self.streams[stream].purge(below)
                {
                    self.broken(format!("journal {stream}: {error}"));
                }
            }
            Asks::Create => {
                self.streams[journal].exists = true;
                reply.answer = Answer::Created;
                self.answer_entry(reply, leader);
            }
            Asks::Update { entry, expected } => {
                self.report.updates += 1;
                let has = self.registry.get(&journal).map_or(0, |(_, revision)| *revision);
                reply.answer = Answer::Refused;
                if has == expected && (expected > 0 || !self.deleted.contains(&journal)) {
                    self.count_taking(journal, &entry);
                    self.revision += 1;
                    let revision = self.revision;
                    self.registry.insert(journal, (entry.clone(), revision));
                    self.watch_has(journal, Some(entry), revision);
                    reply.answer = Answer::Updated { revision };
                } else {
                    self.report.updates_refused += 1;
                }
                self.answer_entry(reply, leader);
            }
            Asks::Delete { expected } => {
                reply.answer = Answer::Refused;
                if self.registry.get(&journal).is_some_and(|(_, revision)| *revision == expected) {
                    self.check_deleted(journal);
                    self.streams[journal].delete();
                    self.registry.remove(&journal);
                    self.deleted.insert(journal);
                    self.revision += 1;
                    self.watch_has(journal, None, self.revision);
                    reply.answer = Answer::Deleted;
                }
                self.answer_entry(reply, leader);
            }
        }
    }

    /// Two answers of a hundred are lost.
    fn answer_entry(&mut self, reply: Reply, leader: ServerId) {
        let later = self.append_time(leader);
        if self.random.u8(..100) >= 2 {
            self.reply(reply, later);
        }
    }

    fn watch_has(&mut self, journal: StreamId, entry: Option<Entry>, revision: u64) {
        let at = self.now + Duration::from_millis(1) + self.network_time();
        self.queue.add(at, Event::Watched { journal, entry, revision });
    }

    /// Who has the journal, if somebody who lives has it, and another takes it with this entry.
    fn loses_it(&self, journal: StreamId, entry: &Entry) -> Option<usize> {
        let EntryState::Adopted { by } = entry.state else { return None };
        let (before, _) = self.registry.get(&journal)?;
        let keeper = before.keeper(self.journals[journal].name).filter(|&keeper| keeper != by)?;
        let is_of = |process: &crate::node::Process| process.member.run() == keeper;
        self.nodes.iter().position(|node| node.process.as_ref().is_some_and(is_of))
    }

    /// Nobody may ask for a journal of a node that it has heard a moment ago.
    pub(super) fn check_asking(&mut self, journal: StreamId, entry: &Entry, expected: u64, taker: usize) {
        let is_current = self.registry.get(&journal).is_some_and(|(_, revision)| *revision == expected);
        let Some(node) = self.loses_it(journal, entry).filter(|_| is_current) else { return };
        let silent = self.now.saturating_sub(self.heard[taker][node]);
        if silent < MUST_BE_SILENT {
            self.broken(format!(
                "node {taker} takes journal {journal} from node {node}, which lives and which it has heard {:.1} s ago",
                silent.as_secs_f64()
            ));
        }
    }

    /// Counts that a node loses its journal although it lives.
    fn count_taking(&mut self, journal: StreamId, entry: &Entry) {
        let Some(node) = self.loses_it(journal, entry) else { return };
        if self.now.saturating_sub(self.nodes[node].beat_arrived) < MUST_BE_SILENT {
            self.report.taken_though_heard += 1;
        }
        if !self.is_lost(journal) {
            self.journal_ends(journal, How::CutOff);
            self.report.cut_off_and_taken += 1;
        }
    }

    /// What is deleted owes nothing.
    fn check_deleted(&mut self, journal: StreamId) {
        match self.owed_in(&self.streams[journal]) {
            Ok((active, owed)) if active.is_empty() && owed.is_empty() => {}
            Ok((active, owed)) => {
                self.broken(format!(
                    "journal {journal} is deleted with {} sessions active and {} ends owed",
                    active.len(),
                    owed.len()
                ));
            }
            Err(error) => self.broken(format!("journal {journal}: {error}")),
        }
    }

    pub(super) fn commit(&mut self, stream: StreamId, term: u32) {
        let Some(leader) = self.streams[stream].leader else { return };
        if self.streams[stream].term != term || !self.network.has_quorum(leader) {
            return;
        }
        match self.streams[stream].commit() {
            Ok(Some(reply)) => {
                self.report.messages += 1;
                self.reply(reply, Duration::ZERO);
            }
            Ok(None) => {}
            Err(error) => self.broken(format!("journal {stream}: {error}")),
        }
    }

    pub(super) fn lose_leader(&mut self, stream: StreamId, least: u64, most: u64) {
        if self.streams[stream].leader.is_none() || !self.streams[stream].exists {
            return;
        }
        let mut random = self.random.fork();
        if let Err(error) = self.streams[stream].lose_leader(self.now, &mut random) {
            self.broken(format!("journal {stream}: {error}"));
        }
        let term = self.streams[stream].term;
        let at = self.now + self.between(least, most);
        self.queue.add(at, Event::Elected { stream, term });
        self.endings_have_no_leader(stream);
    }

    pub(super) fn elect(&mut self, stream: StreamId, term: u32) {
        if self.streams[stream].term != term || self.streams[stream].leader.is_some() {
            return;
        }
        let able = self.network.electable();
        if able.is_empty() {
            let at = self.now + Duration::from_secs(1);
            self.queue.add(at, Event::Elected { stream, term });
        } else {
            let leader = able[self.random.usize(..able.len())];
            self.streams[stream].leader = Some(leader);
        }
    }

    /// After a server is back: what leaders had taken is stored now.
    pub(super) fn store_what_waits(&mut self) {
        for stream in 0..self.streams.len() {
            let Some(leader) = self.streams[stream].leader else { continue };
            if !self.network.has_quorum(leader) {
                continue;
            }
            let term = self.streams[stream].term;
            for _ in 0..self.streams[stream].proposals() {
                let at = self.now + self.append_time(leader);
                self.queue.add(at, Event::Commit { stream, term });
            }
        }
    }
}
