//! A journal with the real state machine: records, snapshots and replay as a node has them, for fleets of some thousand sessions.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use lastword_events::{EndReason, Event, EventKey, PluginName, Session, SessionEnd, SessionStart, Timestamp};
use lastword_jetstream::record::{Record, RecordedOutcome};
use lastword_jetstream::replay::Replayed;
use lastword_jetstream::state::{Answer, State};
use lastword_journal::{Appended, DeliveryKey, JournalOp, Recovered, Settlement};

use crate::ledger::SessionId;
use crate::reader::What;

/// A snapshot is begun behind so many records.
const SNAPSHOT_EACH: u64 = 200;

/// The state of a journal at the node that writes it.
#[derive(Debug)]
pub(crate) struct Full {
    pub(crate) state: State,
    sessions: HashMap<SessionId, Open, BuildHasherDefault<DefaultHasher>>,
    plugin: PluginName,
    since_snapshot: u64,
}

/// A session that is active, or whose end is owed.
#[derive(Debug)]
struct Open {
    sequence: u64,
    session: Arc<Session>,
    /// The attempt that comes next.
    attempt: u32,
}

impl Full {
    /// A journal that is read, with the sessions that are active and those whose end is owed.
    pub(crate) fn new(replayed: Replayed) -> Result<(Self, Vec<SessionId>, Vec<SessionId>), String> {
        let Recovered { sessions, deliveries, .. } = replayed.state.recovered(time());
        let mut full = Self {
            state: replayed.state,
            sessions: HashMap::default(),
            plugin: "log".parse().map_err(|error| format!("{error}"))?,
            since_snapshot: 0,
        };
        let mut active = Vec::new();
        for session in sessions {
            active.push(full.keep(session.sequence, session.session, session.attempt + 1)?);
        }
        let mut owed = Vec::new();
        for pending in deliveries {
            owed.push(full.keep(pending.delivery.sequence, pending.session, pending.attempt + 1)?);
        }
        Ok((full, active, owed))
    }

    fn keep(&mut self, sequence: u64, session: Arc<Session>, attempt: u32) -> Result<SessionId, String> {
        let id =
            session.identity.id.parse().map_err(|_| format!("{:?} is no session of this run", session.identity.id))?;
        self.sessions.insert(id, Open { sequence, session, attempt });
        Ok(id)
    }

    /// Carries out what happened to sessions, and gives its record.
    pub(crate) fn record(&mut self, what: What, sessions: &[SessionId]) -> Result<Vec<u8>, String> {
        let mut record = match what {
            What::Started => Record::Op(start(sessions.first().copied().unwrap_or_default())),
            What::Ended => {
                let ends = sessions.iter().filter_map(|session| self.end(*session)).collect();
                Record::Decided(ends)
            }
            What::Delivered => {
                let outcomes = sessions.iter().filter_map(|session| self.outcome(*session)).collect();
                Record::Outcomes(outcomes)
            }
        };
        if let Answer::Appended(answer) = self.state.apply(&mut record) {
            match answer {
                Ok(Appended::Session { sequence, session }) => drop(self.keep(sequence, session, 1)?),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        self.since_snapshot += 1;
        record.encode().map_err(|error| error.to_string())
    }

    fn end(&self, session: SessionId) -> Option<JournalOp> {
        let Open { sequence, session, .. } = self.sessions.get(&session)?;
        Some(JournalOp::End {
            sequence: *sequence,
            session: session.clone(),
            event: Arc::new(Event::End(SessionEnd::new(EndReason::Reset, time()))),
            owed: vec![self.plugin.clone()],
            received: None,
            op_id: None,
        })
    }

    fn outcome(&mut self, session: SessionId) -> Option<RecordedOutcome> {
        let Open { sequence, attempt, .. } = self.sessions.remove(&session)?;
        let delivery = DeliveryKey { sequence, event: EventKey::End, plugin: self.plugin.clone() };
        Some(RecordedOutcome { delivery, attempt, settlement: Settlement::Delivered, stored: None })
    }

    /// Whether a snapshot should be begun now.
    pub(crate) fn is_snapshot_due(&mut self) -> bool {
        let is_due = self.since_snapshot >= SNAPSHOT_EACH;
        if is_due {
            self.since_snapshot = 0;
        }
        is_due
    }
}

fn start(session: SessionId) -> JournalOp {
    JournalOp::Start {
        session: Arc::new(Session::new("acme", &session.to_string())),
        event: Arc::new(Event::Start(SessionStart::default())),
        owed: Vec::new(),
        op_id: None,
    }
}

/// Nothing here depends on the time.
fn time() -> Timestamp {
    Timestamp::from_millisecond(0)
}
