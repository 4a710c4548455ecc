//! What the messages of a stream make, carried out as they are stored.

use bytes::Bytes;
use lastword_events::{JournalName, Timestamp};
use lastword_jetstream::group::Group;
use lastword_jetstream::record::{FenceRecord, Record as Written, RecordedOutcome};
use lastword_jetstream::state::{Answer, State};
use lastword_jetstream::subjects::Kind;
use lastword_journal::{Completion, DeliveryKey, JournalOp, Recovered};

use crate::record::{Record, SaidOfEnds};
use crate::trace::{describe, trace};

/// The state of a journal as its stream has it, and nothing that a writer only hopes for.
pub(crate) struct Shadow {
    state: State,
    journal: JournalName,
}

impl Shadow {
    pub(crate) fn new(journal: JournalName) -> Self {
        Self { state: State::default(), journal }
    }

    /// A message is stored.
    pub(crate) fn message(&mut self, kind: Kind, body: &Bytes, record: &mut Record) {
        let group = Group::decode(body).unwrap();
        match kind {
            Kind::Fence => {
                let [fence] = &group.records[..] else { panic!("a fence has one record: {group:?}") };
                if FenceRecord::decode(fence).unwrap().begins_run {
                    self.state.begin_run();
                }
            }
            Kind::Group => {
                assert!(!group.continued && !group.continues, "the records of these tests are small");
                group.records.iter().for_each(|bytes| self.carry_out(Written::decode(bytes).unwrap(), record));
            }
            // It has nothing new.
            Kind::Chunk => (),
        }
    }

    /// What a run finds that begins now.
    pub(crate) fn recovered(&self) -> Recovered {
        self.state.recovered(Timestamp::now())
    }

    fn carry_out(&mut self, written: Written, record: &mut Record) {
        match written {
            Written::Op(op) => self.operation(op, record),
            Written::Decided(ops) => ops.into_iter().for_each(|op| self.operation(op, record)),
            Written::Outcomes(ref outcomes) => {
                for RecordedOutcome { delivery, attempt, settlement, .. } in outcomes {
                    let (delivery, settlement) = (delivery.clone(), settlement.clone());
                    record.attempted(&Completion { delivery, attempt: *attempt, settlement, changes: None });
                }
                self.state.apply(&mut written.clone());
            }
            Written::Changes(change, ref deliveries) => {
                let is_late =
                    |one: &DeliveryKey| self.state.tables().delivery(one, self.journal).is_some_and(|row| row.late);
                let before = deliveries.iter().map(|one| (one.clone(), is_late(one))).collect();
                if let Answer::Changed(Ok(changed)) = self.state.apply(&mut written.clone()) {
                    record.changed(change, before, &changed);
                }
            }
            Written::Probe => (),
        }
    }

    fn operation(&mut self, op: JournalOp, record: &mut Record) {
        let (what, said) = (describe(&op), SaidOfEnds::by(&op));
        let Answer::Appended(written) = self.state.apply(&mut Written::Op(op)) else { panic!("{what}: no answer") };
        trace!("on record: {what}: {written:?}");
        let tables = self.state.tables();
        record.written(&said, &written, |end| tables.delivery(end, self.journal).is_some());
    }
}
