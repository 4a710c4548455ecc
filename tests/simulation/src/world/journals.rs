//! The writers: what a chain asks for is sent, what is durable is told, and ends are called.

use std::time::Duration;

use lastword_events::Timestamp;
use lastword_jetstream::chain::{Action, Effect, Heard};
use lastword_jetstream::record::{FORMAT, FenceRecord};
use lastword_jetstream::subjects::Kind;

use super::{Event, World};
use crate::ledger::SessionId;
use crate::node::{Leaves, Stage, Told, UnderWay, Writer};
use crate::reader::{What, record};
use crate::request::{Asks, Publish, Request, RunId, StreamId, Whose};
use crate::settings::Mutation;

/// A call takes between this, in milliseconds, and 200 times as much; half of them less than 14 ms, and 38 ms on average.
const SHORTEST_CALL: f64 = 1.0;
const CALLS_DIFFER: f64 = 200.0;
/// Where every slot is taken, the next call begins when one is free: so many calls take what one takes on average.
const AVERAGE_CALL: f64 = 38.0;

impl World {
    fn writer(&mut self, run: RunId, journal: StreamId) -> Option<&mut Writer> {
        self.process(run)?.journals.get_mut(&journal)?.writer()
    }

    /// Hands a record to the journal's chain.
    pub(super) fn write(&mut self, run: RunId, journal: StreamId, what: What, sessions: &[SessionId], told: Told) {
        let local = self.nodes[run.node].local(self.now);
        let nonce = self.random.u64(..);
        let Some(writer) = self.writer(run, journal) else { return };
        let record = match &mut writer.full {
            Some(full) => full.record(what, sessions),
            None => Ok(record(what, sessions)),
        };
        let record = match record {
            Ok(record) => record,
            Err(error) => return self.broken(format!("journal {journal}: {error}")),
        };
        let number = writer.chain.queue(record, local);
        writer.waiting.push_back((number, told));
        if let Some(full) = &mut writer.full
            && full.is_snapshot_due()
        {
            writer.chain.begin_snapshot(full.state.snapshot(), &fence(run.node, false, nonce));
        }
        self.report.records += 1;
        self.drive_writer(run, journal);
    }

    /// Does what the chain asks for.
    fn drive_writer(&mut self, run: RunId, journal: StreamId) {
        let (now, local) = (self.now, self.nodes[run.node].local(self.now));
        let in_flight = if self.mutates(Mutation::TwoInFlight) { 2 } else { 1 };
        loop {
            let number = self.requests + 1;
            let Some(writer) = self.writer(run, journal) else { return };
            if writer.request.is_some() || writer.early.len() >= in_flight {
                break;
            }
            let Some(action) = writer.chain.next(local) else { break };
            let epoch = writer.chain.position().epoch;
            let (asks, timeout, expected) = match action {
                Action::Publish { subject, headers, body, timeout } => {
                    let kind = self.streams[journal].subjects.kind(&subject).unwrap_or(Kind::Group);
                    let mut publish = Publish::new(kind, epoch, body, &headers);
                    let expected = publish.last.unwrap_or_default();
                    match self.settings.mutation {
                        Some(Mutation::NoFence) => (publish.last, publish.fence) = (None, None),
                        Some(Mutation::TwoInFlight) => publish.fence = None,
                        _ => {}
                    }
                    self.report.bytes += publish.body.len() as u64;
                    (Asks::Publish(publish), timeout, expected)
                }
                Action::Look { sequence, timeout } => (Asks::Message(sequence), timeout, 0),
                Action::Info { timeout } => (Asks::Info, timeout, 0),
            };
            let is_message = matches!(asks, Asks::Publish(_));
            let under_way = UnderWay { number, deadline: now + timeout, expected };
            let is_early = is_message && self.mutates(Mutation::TwoInFlight);
            if let Some(writer) = self.writer(run, journal) {
                if is_early {
                    let effects = writer.chain.heard(Heard::Acked { sequence: expected + 1 }, local);
                    writer.early.push_back((under_way, effects));
                } else {
                    writer.request = Some(under_way);
                }
            }
            self.requests = number;
            self.send(Request { from: run, number, whose: Whose::Writer, journal, asks });
        }
        self.schedule_writer(run, journal);
    }

    /// Looks at the writer again when the time of what is under way is over, or when its chain wants to go on.
    fn schedule_writer(&mut self, run: RunId, journal: StreamId) {
        let now = self.now;
        let node = &self.nodes[run.node];
        let Some(process) = &node.process else { return };
        let Some(Stage::Writing(writer)) = process.journals.get(&journal).map(|serving| &serving.stage) else { return };
        let deadline = writer.request.as_ref().or(writer.early.front().map(|(early, _)| early)).map(|it| it.deadline);
        let chain = if writer.request.is_none() { writer.chain.wake_at().map(|at| node.global(at)) } else { None };
        let Some(at) = deadline.into_iter().chain(chain).min() else { return };
        let at = at.max(now);
        if let Some(writer) = self.writer(run, journal)
            && writer.wakes_at.is_none_or(|wakes_at| wakes_at > at)
        {
            writer.wakes_at = Some(at);
            self.queue.add(at, Event::Wake(run, journal));
        }
    }

    pub(super) fn wake_writer(&mut self, run: RunId, journal: StreamId) {
        let now = self.now;
        let Some(writer) = self.writer(run, journal) else { return };
        if writer.wakes_at.is_some_and(|at| at > now) {
            // It was brought forward, and this is another's time.
            return;
        }
        writer.wakes_at = None;
        let is_late = |it: &UnderWay| now >= it.deadline;
        if let Some(number) = writer.request.as_ref().filter(|it| is_late(it)).map(|it| it.number) {
            self.writer_heard(run, journal, number, Heard::TimedOut);
        } else if writer.early.front().is_some_and(|(early, _)| is_late(early)) {
            self.stop_writer(run, journal);
        } else {
            self.drive_writer(run, journal);
        }
    }

    pub(super) fn writer_heard(&mut self, run: RunId, journal: StreamId, number: u64, mut heard: Heard) {
        let local = self.nodes[run.node].local(self.now);
        let no_fence = self.mutates(Mutation::NoFence);
        let Some(writer) = self.writer(run, journal) else { return };
        if let Some(place) = writer.early.iter().position(|(early, _)| early.number == number) {
            match (heard, writer.early.remove(place)) {
                (Heard::Acked { .. }, Some((_, effects))) => {
                    self.take_effect(run, journal, effects);
                    self.drive_writer(run, journal);
                }
                _ => self.stop_writer(run, journal),
            }
            return;
        }
        let Some(request) = writer.request.take_if(|request| request.number == number) else { return };
        if let Heard::Acked { sequence } = &mut heard
            && no_fence
        {
            *sequence = request.expected + 1;
        }
        let effects = writer.chain.heard(heard, local);
        self.take_effect(run, journal, effects);
        self.drive_writer(run, journal);
    }

    fn take_effect(&mut self, run: RunId, journal: StreamId, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Durable { up_to } => self.durable(run, journal, up_to),
                Effect::Fenced { .. } => self.stop_writer(run, journal),
                Effect::Lost { why } => {
                    // Who comes back after its journal was done and deleted finds the same, and the registry tells.
                    if self.streams[journal].exists {
                        self.broken(format!("journal {journal}: {why}"));
                    }
                    self.stop_writer(run, journal);
                }
                Effect::Snapshot { purge_below, .. } => {
                    self.report.snapshots += 1;
                    self.requests += 1;
                    let (number, whose) = (self.requests, Whose::Writer);
                    self.send(Request { from: run, number, whose, journal, asks: Asks::Purge(purge_below) });
                }
                Effect::Silent { .. } | Effect::Full { .. } => {}
            }
        }
    }

    fn durable(&mut self, run: RunId, journal: StreamId, up_to: u64) {
        let Some(writer) = self.writer(run, journal) else { return };
        let (turn, records) = (writer.turn, writer.records_before + up_to);
        let mut told = Vec::new();
        while let Some((number, _)) = writer.waiting.front()
            && *number <= up_to
        {
            told.extend(writer.waiting.pop_front().map(|(_, told)| told));
        }
        let known = &mut self.journals[journal];
        if turn < known.turn && records > known.read {
            let read = known.read;
            return self.broken(format!(
                "record {records} of journal {journal} is acknowledged to node {}, after another has read {read} and gone on",
                run.node
            ));
        }
        known.told = known.told.max(records);
        for told in told {
            self.told(run, journal, told);
        }
    }

    fn told(&mut self, run: RunId, journal: StreamId, told: Told) {
        let Some(process) = self.process(run) else { return };
        let Some(serving) = process.journals.get_mut(&journal) else { return };
        match told {
            Told::Started(session) => {
                serving.open += 1;
                if process.leaves == Leaves::No {
                    process.active.push(session);
                    self.active += 1;
                }
                self.ledger.started(session);
            }
            Told::Ended(sessions) => {
                serving.queue.extend(sessions);
                self.call(run, journal);
            }
            Told::Delivered(count) => {
                serving.open = serving.open.saturating_sub(count);
                self.empty_when_done(run, journal);
            }
        }
    }

    /// Another has the journal.
    fn stop_writer(&mut self, run: RunId, journal: StreamId) {
        let name = self.journals[journal].name;
        let Some(serving) = self.process(run).and_then(|process| process.journals.get_mut(&journal)) else { return };
        let epoch = serving.writer().map(|writer| writer.epoch);
        serving.stage = Stage::Closed;
        if let Some(epoch) = epoch {
            self.tell(run, |member, at| member.fenced(name, epoch, at));
        }
    }

    /// Calls what is owed, so many at once.
    pub(super) fn call(&mut self, run: RunId, journal: StreamId) {
        let draw = self.random.f64();
        let Some(process) = self.process(run) else { return };
        let slots = process.slots_for(journal);
        let Some(serving) = process.journals.get_mut(&journal) else { return };
        let count = slots.min(serving.queue.len());
        if serving.calls > 0 || count == 0 {
            return;
        }
        serving.calls = count;
        let sessions: Vec<SessionId> = serving.queue.drain(..count).collect();
        let milliseconds = if count == slots {
            AVERAGE_CALL
        } else {
            // The longest of so many.
            SHORTEST_CALL * CALLS_DIFFER.powf(draw.powf(1.0 / count as f64))
        };
        let takes = Duration::from_secs_f64(milliseconds / 1_000.0);
        self.queue.add(self.now + takes, Event::Called(run, journal, sessions));
    }

    pub(super) fn called(&mut self, run: RunId, journal: StreamId, sessions: &[SessionId]) {
        if self.process(run).is_none() {
            return;
        }
        for &session in sessions {
            if self.ledger.delivered(session) {
                self.end_is_delivered(journal, session);
            }
        }
        if let Some(serving) = self.process(run).and_then(|process| process.journals.get_mut(&journal)) {
            serving.calls = serving.calls.saturating_sub(sessions.len());
        }
        self.write(run, journal, What::Delivered, sessions, Told::Delivered(sessions.len() as u64));
        self.call(run, journal);
        // What this one leaves of the slots is for those that wait for some.
        let waiting: Vec<StreamId> = self.process(run).map_or_else(Vec::new, |process| process.adopted_that_wait());
        for journal in waiting {
            self.call(run, journal);
        }
    }

    /// Says so when nothing is owed in an adopted journal any more.
    pub(super) fn empty_when_done(&mut self, run: RunId, journal: StreamId) {
        let Some(process) = self.process(run) else { return };
        let own = process.own;
        let Some(serving) = process.journals.get_mut(&journal) else { return };
        if own != journal
            && is_empty(serving)
            && let Some(epoch) = serving.writer().map(|writer| writer.epoch)
        {
            let name = self.journals[journal].name;
            self.tell(run, |member, at| member.emptied(name, epoch, at));
        }
    }
}

/// The record of a fence.
pub(super) fn fence(node: usize, begins_run: bool, nonce: u64) -> FenceRecord {
    FenceRecord { format: FORMAT, begins_run, by: format!("n{node}"), nonce, at: Timestamp::from_millisecond(0) }
}

/// Whether nothing is active, owed or on its way to the journal.
pub(super) fn is_empty(serving: &crate::node::Serving) -> bool {
    let is_written = |writer: &Writer| writer.waiting.is_empty();
    serving.open == 0 && matches!(&serving.stage, Stage::Writing(writer) if is_written(writer))
}
