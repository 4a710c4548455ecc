//! The members: nodes start, members are told what happens, what they ask for is done, and journals are taken over.

use std::time::Duration;

use bytes::Bytes;
use lastword_cluster::{Action, Cas, Entry, Member, MemberSettings, StreamEnd, TakenOver};
use lastword_events::JournalName;
use lastword_jetstream::chain::{Chain, Heard, Position};
use lastword_jetstream::group::Group;
use lastword_jetstream::record::FenceRecord;
use lastword_jetstream::subjects::{Kind, Subjects};

use super::journals::fence;
use super::{Event, Journal, World};
use crate::full::Full;
use crate::ledger::SessionId;
use crate::node::{Asked, Leaves, Opening, Process, Serving, Stage, Told, Writer};
use crate::reader::What;
use crate::request::{Answer, Asks, Publish, Reply, Request, RunId, StreamId, Whose};
use crate::settings::Mutation;
use crate::stream::Stream;

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(2);
/// How long a fence is tried, and how long to wait between two tries.
const FENCE_FOR: Duration = Duration::from_secs(30);
const FENCE_AGAIN: Duration = Duration::from_millis(250);
/// How long a node tries to have its own journal.
const JOIN_WITHIN: Duration = Duration::from_secs(40);
/// Sessions in one record of a node that ends them all. Their records have to fit one message.
const ENDS_AT_ONCE: usize = 4_096;

impl World {
    /// Whether the process is there that this was for.
    pub(super) fn process(&mut self, run: RunId) -> Option<&mut Process> {
        let node = &mut self.nodes[run.node];
        if node.run == run.run { node.process.as_mut() } else { None }
    }

    fn serving(&mut self, run: RunId, journal: StreamId) -> Option<&mut Serving> {
        self.process(run)?.journals.get_mut(&journal)
    }

    pub(super) fn boot(&mut self, number: usize) {
        if self.nodes[number].process.is_some() {
            return;
        }
        let name = JournalName::from_random(std::array::from_fn(|_| self.random.u8(..)));
        let own = self.streams.len();
        let able = self.network.electable();
        let leader = if able.is_empty() { 0 } else { able[self.random.usize(..able.len())] };
        let full = self.settings.is_full;
        self.streams.push(Stream::new(Subjects::new("LW", name), leader, full));
        self.journals.push(Journal::new(name));
        self.by_name.insert(name, own);
        let seed = self.random.u64(..);
        let rules = self.settings.rules();
        let now = self.now;
        let node = &mut self.nodes[number];
        node.run += 1;
        node.beat_arrived = now;
        let settings =
            MemberSettings { run: name, node: format!("n{number}"), address: String::new(), format: node.format, seed };
        let mut member = Member::new(settings, rules, node.local(now));
        member.adopts(node.local(now));
        if node.is_connected() {
            for (&journal, (entry, revision)) in &self.registry {
                member.entry(self.journals[journal].name, Some(entry.clone()), *revision, node.local(now));
            }
            member.listed(node.local(now));
        }
        node.process = Some(Process {
            member,
            own,
            begins: false,
            is_ready: false,
            journals: std::collections::BTreeMap::new(),
            asked: std::collections::BTreeMap::new(),
            ticks_at: now,
            inbox: None,
            active: Vec::new(),
            leaves: Leaves::No,
        });
        let run = RunId { node: number, run: node.run };
        self.queue.add(now, Event::Tick(run));
        self.queue.add(now + JOIN_WITHIN, Event::GiveUp(run));
    }

    /// Whoever has no journal by now starts again.
    pub(super) fn give_up(&mut self, run: RunId) {
        if self.process(run).is_some_and(|process| !process.is_ready) {
            self.kill(run);
        }
    }

    pub(super) fn tick(&mut self, run: RunId) {
        let now = self.now;
        let local = self.nodes[run.node].local(now);
        if let Some(process) = self.process(run)
            && process.ticks_at <= now
        {
            process.ticks_at = Duration::MAX;
            process.member.tick(local);
            self.drive(run);
        }
    }

    /// Tells the member something, and does what it asks for.
    pub(super) fn tell(&mut self, run: RunId, what: impl FnOnce(&mut Member, Duration)) {
        let local = self.nodes[run.node].local(self.now);
        if let Some(process) = self.process(run) {
            what(&mut process.member, local);
            self.drive(run);
        }
    }

    /// Does what a member asks for.
    fn drive(&mut self, run: RunId) {
        while let Some(action) = self.process(run).and_then(|process| process.member.next_action()) {
            self.act(run, action);
        }
        let now = self.now;
        let node = &mut self.nodes[run.node];
        let Some(wakes_at) = node.process.as_ref().map(|process| process.member.wakes_at()) else { return };
        if wakes_at == Duration::MAX {
            return;
        }
        let at = node.global(wakes_at).max(now);
        if let Some(process) = self.process(run)
            && at < process.ticks_at
        {
            process.ticks_at = at;
            self.queue.add(at, Event::Tick(run));
        }
    }

    fn act(&mut self, run: RunId, action: Action) {
        if action != Action::Beat {
            self.note(|| format!("node {} asks for {action:?}", run.node));
        }
        match action {
            Action::Beat => self.beat(run),
            Action::Begin { name } => {
                let own = self.by_name[&name];
                if let Some(process) = self.process(run) {
                    (process.own, process.begins) = (own, true);
                    process.journals.insert(own, Serving::new(Stage::Closed));
                }
                self.ask(run, own, Whose::Opening, Asks::Create);
            }
            Action::Ready => {
                if let Some(process) = self.process(run) {
                    process.is_ready = true;
                }
            }
            Action::Look { name } => {
                self.report.looks += 1;
                let journal = self.by_name[&name];
                self.ask(run, journal, Whose::Member, Asks::Info);
            }
            Action::Update { name, entry, expected } => {
                let journal = self.by_name[&name];
                self.check_asking(journal, &entry, expected, run.node);
                self.ask(run, journal, Whose::Member, Asks::Update { entry, expected });
            }
            Action::Discard { name, revision } => {
                let journal = self.by_name[&name];
                self.ask(run, journal, Whose::Member, Asks::Delete { expected: revision });
            }
            Action::TakeOver { name, .. } => {
                let journal = self.by_name[&name];
                if let Some(process) = self.process(run) {
                    if process.member.name() == name {
                        (process.own, process.begins) = (journal, false);
                    }
                    process.journals.insert(journal, Serving::new(Stage::Closed));
                    let adopted = process.member.adopted();
                    self.report.most_adopted = self.report.most_adopted.max(adopted);
                }
                self.open(run, journal);
            }
            Action::Drop { name, .. } => {
                let journal = self.by_name[&name];
                self.drop_journal(run, journal);
            }
            Action::CutOff | Action::Connected => {}
            Action::Left => self.queue.add(self.now, Event::Kill(run)),
        }
    }

    /// A heartbeat reaches everybody who can be reached, at once: they do not depend on a millisecond.
    fn beat(&mut self, run: RunId) {
        let now = self.now;
        let sender = &self.nodes[run.node];
        let server = sender.server;
        let is_mute = sender.mute_until > now;
        let Some(name) = sender.process.as_ref().map(|process| process.member.run()) else { return };
        if !sender.is_connected() || !self.network.is_up(server) {
            return;
        }
        let mut heard = 0;
        for (number, node) in self.nodes.iter_mut().enumerate() {
            let is_own = number == run.node;
            if !node.is_connected() || !self.network.joins(server, node.server) || (is_mute && !is_own) {
                continue;
            }
            let local = node.local(now);
            // Whoever stands still finds what it has missed, and nothing of it is older than its waking up.
            if let Some(process) = &mut node.process
                && process.inbox.is_none()
            {
                process.member.heard(&name, local);
                self.heard[number][run.node] = now;
                heard += 1;
            }
        }
        self.report.beats_heard += heard;
        if !is_mute && !self.network.is_apart(server) {
            self.nodes[run.node].beat_arrived = now;
        }
    }

    fn ask(&mut self, run: RunId, journal: StreamId, whose: Whose, asks: Asks) -> u64 {
        self.requests += 1;
        let number = self.requests;
        if let Some(process) = self.process(run) {
            process.asked.insert(number, Asked { journal, whose, asks: asks.clone() });
            self.queue.add(self.now + ANSWER, Event::TimedOut(run, number));
            self.send(Request { from: run, number, whose, journal, asks });
        }
        number
    }

    pub(super) fn watched(&mut self, journal: StreamId, entry: Option<&Entry>, revision: u64) {
        let name = self.journals[journal].name;
        for number in 0..self.nodes.len() {
            let node = &self.nodes[number];
            let run = RunId { node: number, run: node.run };
            if !node.is_connected() {
                continue;
            }
            let Some(process) = &node.process else { continue };
            // Who stands still or is apart catches up.
            if process.inbox.is_some() || node.blind_until > self.now || self.network.is_apart(node.server) {
                continue;
            }
            self.tell(run, |member, local| member.entry(name, entry.cloned(), revision, local));
        }
    }

    /// The watch brings what a node has missed.
    pub(super) fn catch_up(&mut self, run: RunId) {
        let entries: Vec<_> = self
            .registry
            .iter()
            .map(|(&journal, (entry, revision))| (self.journals[journal].name, entry.clone(), *revision))
            .collect();
        let revision = self.revision;
        let gone: Vec<JournalName> = {
            let (by_name, registry) = (&self.by_name, &self.registry);
            let now = self.now;
            let node = &self.nodes[run.node];
            let Some(process) = &node.process else { return };
            let is_gone = |name: &JournalName| !registry.contains_key(&by_name[name]);
            process.member.journals(node.local(now)).map(|seen| seen.name).filter(is_gone).collect()
        };
        for name in gone {
            self.tell(run, |member, local| member.entry(name, None, revision, local));
        }
        for (name, entry, revision) in entries {
            self.tell(run, |member, local| member.entry(name, Some(entry), revision, local));
        }
        self.tell(run, Member::listed);
    }

    pub(super) fn timed_out(&mut self, run: RunId, number: u64) {
        let Some(asked) = self.process(run).and_then(|process| process.asked.remove(&number)) else { return };
        self.unanswered(run, number, asked);
    }

    /// There was no answer, or one that says that there is none.
    fn unanswered(&mut self, run: RunId, number: u64, asked: Asked) {
        let Asked { journal, whose, asks } = asked;
        if whose == Whose::Opening {
            self.opening_heard(run, journal, number, &Answer::Heard(Heard::TimedOut));
            return;
        }
        let name = self.journals[journal].name;
        match asks {
            Asks::Info => self.tell(run, |member, at| member.stream(&name, StreamEnd::Unanswered, at)),
            Asks::Update { entry, .. } => self.tell(run, |member, at| member.answered(name, &entry, Cas::Unknown, at)),
            Asks::Delete { .. } => self.tell(run, |member, at| member.discarded(name, false, at)),
            _ => {}
        }
    }

    pub(super) fn answered(&mut self, reply: Reply) {
        let Reply { to: run, number, whose, journal, answer } = reply;
        if !self.nodes[run.node].is_connected() {
            return;
        }
        if whose == Whose::Writer {
            if let Answer::Heard(heard) = answer {
                self.writer_heard(run, journal, number, heard);
            }
            return;
        }
        let Some(asked) = self.process(run).and_then(|process| process.asked.remove(&number)) else { return };
        if whose == Whose::Opening {
            self.opening_heard(run, journal, number, &answer);
            return;
        }
        let name = self.journals[journal].name;
        match (answer, asked.asks) {
            (Answer::Heard(Heard::Info { last_sequence, .. }), _) => {
                self.tell(run, |member, at| member.stream(&name, StreamEnd::At(last_sequence), at));
            }
            (Answer::Heard(Heard::NoStream), _) => {
                self.tell(run, |member, at| member.stream(&name, StreamEnd::Gone, at));
            }
            (Answer::Updated { revision }, Asks::Update { entry, .. }) => {
                self.tell(run, |member, at| member.answered(name, &entry, Cas::Done { revision }, at));
            }
            (Answer::Refused, Asks::Update { entry, .. }) => {
                self.tell(run, |member, at| member.answered(name, &entry, Cas::Refused, at));
            }
            (Answer::Deleted, _) => {
                if let Some(process) = self.process(run) {
                    process.journals.remove(&journal);
                }
                self.tell(run, |member, at| member.discarded(name, true, at));
            }
            (_, asks) => self.unanswered(run, number, Asked { journal, whose, asks }),
        }
    }

    /// Begins to take a journal over.
    fn open(&mut self, run: RunId, journal: StreamId) {
        let until = self.now + FENCE_FOR;
        let asks = if self.mutates(Mutation::NoFence) && self.streams[journal].last() > 0 {
            Asks::Info
        } else {
            Asks::LastFence
        };
        let number = self.ask(run, journal, Whose::Opening, asks);
        let opening = Opening { number, before: None, body: Bytes::new(), until };
        if let Some(serving) = self.serving(run, journal) {
            serving.stage = Stage::Opening(opening);
        }
    }

    pub(super) fn open_again(&mut self, run: RunId, journal: StreamId) {
        let now = self.now;
        let begins = self.process(run).is_some_and(|process| process.own == journal && process.begins);
        let Some(serving) = self.serving(run, journal) else { return };
        let opening = match &serving.stage {
            Stage::Opening(opening) => opening,
            // The stream is still to be made.
            Stage::Closed if begins => {
                self.ask(run, journal, Whose::Opening, Asks::Create);
                return;
            }
            _ => return,
        };
        if now > opening.until {
            serving.stage = Stage::Closed;
            self.opened(run, journal, TakenOver::Unavailable);
            return;
        }
        let number = self.ask(run, journal, Whose::Opening, Asks::LastFence);
        if let Some(Serving { stage: Stage::Opening(opening), .. }) = self.serving(run, journal) {
            opening.number = number;
        }
    }

    fn opening_heard(&mut self, run: RunId, journal: StreamId, number: u64, answer: &Answer) {
        let begins = self.process(run).is_some_and(|process| process.own == journal && process.begins);
        match answer {
            Answer::Created => return self.open(run, journal),
            // Making the stream was not answered.
            _ if begins && self.serving(run, journal).is_some_and(|serving| matches!(serving.stage, Stage::Closed)) => {
                self.queue.add(self.now + FENCE_AGAIN, Event::OpenAgain(run, journal));
                return;
            }
            _ => {}
        }
        let Some(Serving { stage: Stage::Opening(opening), .. }) = self.serving(run, journal) else { return };
        if opening.number != number {
            return;
        }
        match answer {
            Answer::Fence(last) => {
                let found = last.as_ref().map_or(0, |(sequence, _)| *sequence);
                match (opening.before, last) {
                    (_, Some((sequence, body))) if *body == opening.body => {
                        let epoch = *sequence;
                        self.fenced(run, journal, epoch);
                    }
                    (Some(before), Some((_, body))) if found != before && is_renewal_of(body, before) => {
                        // The writer goes on as before, and has to be fenced as before.
                        opening.body = Bytes::new();
                        self.publish_fence(run, journal, found);
                    }
                    (Some(before), _) if found != before => {
                        if let Some(serving) = self.serving(run, journal) {
                            serving.stage = Stage::Closed;
                        }
                        self.opened(run, journal, TakenOver::Beaten);
                    }
                    _ => self.publish_fence(run, journal, found),
                }
            }
            Answer::Heard(Heard::Acked { sequence }) => self.fenced(run, journal, *sequence),
            Answer::Heard(Heard::NoStream) => {
                if let Some(process) = self.process(run) {
                    process.journals.remove(&journal);
                }
                self.opened(run, journal, TakenOver::Gone);
            }
            // Only of the mutation: where the stream ends is taken for the fence.
            Answer::Heard(Heard::Info { last_sequence, .. }) => self.fenced(run, journal, *last_sequence),
            _ => {
                let at = self.now + FENCE_AGAIN;
                self.queue.add(at, Event::OpenAgain(run, journal));
            }
        }
    }

    fn publish_fence(&mut self, run: RunId, journal: StreamId, before: u64) {
        let nonce = self.random.u64(..);
        let record = fence(run.node, true, nonce);
        let Some(Serving { stage: Stage::Opening(opening), .. }) = self.serving(run, journal) else { return };
        if opening.body.is_empty() {
            let records = vec![Bytes::from(record.encode().expect("every fence has JSON"))];
            let (kind, number, previous) = (Kind::Fence, 0, 0);
            let group = Group { kind, epoch: before, number, previous, continued: false, continues: false, records };
            opening.body = group.encode();
            opening.before = Some(before);
        }
        let publish =
            Publish { kind: Kind::Fence, epoch: before, body: opening.body.clone(), last: None, fence: Some(before) };
        let number = self.ask(run, journal, Whose::Opening, Asks::Publish(publish));
        if let Some(Serving { stage: Stage::Opening(opening), .. }) = self.serving(run, journal) {
            opening.number = number;
        }
    }

    /// The fence is there: everything up to it is read. 400 MiB/s, of which half was measured, and some round trips.
    fn fenced(&mut self, run: RunId, journal: StreamId, epoch: u64) {
        let records = self.journals[journal].told.saturating_sub(self.journals[journal].read);
        let takes = self.between(20, 60) + Duration::from_micros(records.saturating_mul(3));
        if let Some(serving) = self.serving(run, journal) {
            serving.stage = Stage::Reading { epoch };
            self.queue.add(self.now + takes, Event::Read(run, journal));
        }
    }

    /// The journal is read: it is written from now on.
    pub(super) fn read(&mut self, run: RunId, journal: StreamId) {
        let Some(Serving { stage: Stage::Reading { epoch }, .. }) = self.serving(run, journal) else { return };
        let epoch = *epoch;
        if !self.streams[journal].exists {
            // Another was done with it meanwhile.
            if let Some(process) = self.process(run) {
                process.journals.remove(&journal);
            }
            return self.opened(run, journal, TakenOver::Gone);
        }
        let reader = match self.streams[journal].read(epoch) {
            Ok(reader) => reader,
            Err(error) => return self.broken(format!("journal {journal} cannot be read: {error}")),
        };
        let is_last = self.streams[journal].fence().is_some_and(|(fence, _)| fence == epoch);
        let known = &mut self.journals[journal];
        // Who stood still while it read, until another had taken the journal, has to find out when it writes.
        let is_newest = is_last || self.settings.mutation == Some(Mutation::NoFence);
        if is_newest && reader.records < known.told {
            let (read, told) = (reader.records, known.told);
            return self.broken(format!(
                "journal {journal} has {read} records at its take-over, and {told} were acknowledged"
            ));
        }
        if is_newest {
            known.turn += 1;
            known.read = reader.records;
        }
        let turn = if is_newest { known.turn } else { 0 };
        let position = Position { epoch: reader.epoch, last_sequence: epoch, hash: reader.hash, number: reader.number };
        let mut chain = Chain::new(self.streams[journal].subjects.clone(), position);
        let (mut full, (mut active, mut owed)) = (None, reader.owed());
        if self.settings.is_full {
            let replayed = self.streams[journal].replay(epoch);
            match replayed {
                Ok(replayed) if replayed.position != position => {
                    let (is, should) = (replayed.position, position);
                    return self.broken(format!("journal {journal} is read to {is:?}, and ends at {should:?}"));
                }
                Ok(replayed) => {
                    chain = chain.with_tail(replayed.tail_bytes);
                    match Full::new(replayed) {
                        Ok((state, is_active, is_owed)) => {
                            (full, active, owed) = (Some(Box::new(state)), is_active, is_owed);
                        }
                        Err(error) => return self.broken(format!("journal {journal}: {error}")),
                    }
                }
                Err(error) => return self.broken(format!("journal {journal} cannot be replayed: {error}")),
            }
        }
        let ends = (active.len() + owed.len()) as u64;
        let is_own = self.process(run).is_some_and(|process| process.own == journal);
        let Some(serving) = self.serving(run, journal) else { return };
        serving.stage = Stage::Writing(Box::new(Writer::new(chain, full, &reader, turn)));
        serving.open = ends;
        serving.queue.extend(owed);
        if is_own {
            self.queue.add(self.now, Event::End(run, false));
        } else {
            self.report.taken_over += 1;
            self.report.ends_taken += ends;
            self.report.most_ends_taken = self.report.most_ends_taken.max(ends);
        }
        self.journal_is_taken(journal, is_own);
        self.opened(run, journal, TakenOver::Done { epoch });
        if self.settings.owner_grace.is_zero() {
            self.crashed(run, journal, epoch, &active);
        } else {
            self.queue.add(self.now + self.settings.owner_grace, Event::Crashed(run, journal, epoch, active));
        }
        self.call(run, journal);
        self.empty_when_done(run, journal);
    }

    /// Ends the sessions that were active in a journal when it was taken over behind this fence, and whose owners have not come.
    pub(super) fn crashed(&mut self, run: RunId, journal: StreamId, epoch: u64, sessions: &[SessionId]) {
        let is_ours = |serving: &mut Serving| serving.writer().is_some_and(|writer| writer.epoch == epoch);
        if self.serving(run, journal).is_some_and(is_ours) {
            for ends in sessions.chunks(ENDS_AT_ONCE) {
                self.write(run, journal, What::Ended, ends, Told::Ended(ends.to_vec()));
            }
        }
    }

    fn opened(&mut self, run: RunId, journal: StreamId, taken: TakenOver) {
        let name = self.journals[journal].name;
        self.tell(run, |member, at| {
            member.taken(name, taken, at);
        });
    }

    /// Stops everything of a journal. Without its own one a node starts again.
    pub(super) fn drop_journal(&mut self, run: RunId, journal: StreamId) {
        let Some(process) = self.process(run) else { return };
        process.journals.remove(&journal);
        if process.own == journal && process.leaves == Leaves::No {
            process.leaves = Leaves::Told;
            self.active -=
                std::mem::take(&mut self.nodes[run.node].process.as_mut().expect("it is there").active).len();
            let at = self.now + Duration::from_secs(2);
            self.queue.add(at, Event::Kill(run));
        }
    }
}

/// Whether this is a fence that the writer behind the fence `before` has renewed, before a snapshot.
fn is_renewal_of(body: &Bytes, before: u64) -> bool {
    let Ok(group) = Group::decode(body) else { return false };
    let record = group.records.first().and_then(|record| FenceRecord::decode(record).ok());
    group.epoch == before && record.is_some_and(|record| !record.begins_run)
}
