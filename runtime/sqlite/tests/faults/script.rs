//! A short life of a journal, one answer after the other, and what a start finds of it.

use std::mem;
use std::path::Path;
use std::sync::Arc;

use lastword_events::{
    Change, CompactionPhase, DrainReason, EndReason, Event, EventKey, FailureCause, Hook, Identity, PluginName,
    Session, SessionCompaction, SessionEnd, SessionStart, Timestamp,
};
use lastword_journal::{
    Appended, Changed, Completion, CutCall, DeliveryChange, DeliveryKey, Journal, JournalOp, KeyValueChanges, Pending,
    Recovered, Settlement, Space,
};
use lastword_sqlite::SqliteJournal;

/// How many steps there are.
pub(crate) const STEPS: usize = 20;

/// The sessions, as indices of their sequence numbers.
const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const D: usize = 3;

/// An operation that fails is not tried for ever.
const TRIES: usize = 20;

pub(crate) struct Opened {
    pub(crate) journal: Box<dyn Journal>,
    pub(crate) name: String,
}

/// Opens a journal as a supervisor does that starts a program again.
pub(crate) fn open(path: &Path) -> Opened {
    let begun = |_| SqliteJournal::open(path).ok().filter(|journal| journal.recover().is_ok());
    let journal = (0..TRIES).find_map(begun).unwrap();
    Opened { name: journal.name().to_string(), journal: Box::new(journal) }
}

/// What a start finds: all of it but the numbers of attempts, which count the starts, and those.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) what: Vec<String>,
    pub(crate) attempts: Vec<u32>,
}

pub(crate) fn look(path: &Path) -> Found {
    let journal = SqliteJournal::open(path).unwrap();
    let Recovered { sessions, deliveries, .. } = journal.recover().unwrap();
    let (mut what, mut attempts) = (Vec::new(), Vec::new());
    for s in sessions {
        let mut drained = s.drained().clone();
        attempts.push(s.attempt);
        attempts.extend(drained.tried.iter_mut().map(|end| mem::take(&mut end.attempt)));
        let about = (&s.session, s.compactions, &s.started, drained);
        what.push(format!("active: {about:?}"));
    }
    for d in deliveries {
        let (to, event) = (d.delivery.plugin, d.delivery.event);
        what.push(format!("owed: {to} {event} {:?} {:?} {} late {}", d.session, d.event, d.failures, d.late));
        attempts.push(d.attempt);
    }
    let count = journal.key_value(&space(), "count").unwrap();
    what.push(format!("count {:?} of {} bytes", count, journal.key_value_bytes(&space()).unwrap()));
    let ops = [
        ("a", Hook::SessionStart, "1"),
        ("b", Hook::SessionStart, "2"),
        ("a", Hook::SessionEnd, "3"),
        ("d", Hook::SessionEnd, "4"),
        ("e", Hook::SessionStart, "4"),
    ];
    let ops = ops.map(|(id, kind, op)| journal.known_op(&Identity::new("t", id), kind, op));
    what.push(format!("ops {ops:?}"));
    Found { name: journal.name().to_string(), what, attempts }
}

fn plugin(name: &str) -> PluginName {
    PluginName::new(name).unwrap()
}

fn space() -> Space {
    Space { tenant: "t".into(), plugin: plugin("memory") }
}

fn session(id: &str) -> Session {
    // Longer than a page, so that a row takes several writes.
    Session { cwd: Some("/w".repeat(2_000)), ..Session::new("t", id) }
}

fn end_event() -> Arc<Event> {
    Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::from_millisecond(1))))
}

fn owed_again() -> Settlement {
    let (retry_at, cause) = (Some(Timestamp::from_millisecond(2)), FailureCause::Retry);
    Settlement::Owed { failures: 1, late: true, retry_at, cause, message: "busy".into() }
}

struct Script<'a> {
    journal: &'a dyn Journal,
    both: Vec<PluginName>,
    /// In the order of their starts. A start that was refused may have used one up.
    sequences: Vec<u64>,
}

/// The first `steps` steps; `done` is told of each that was answered.
pub(crate) async fn perform(journal: &dyn Journal, steps: usize, mut done: impl FnMut(usize)) {
    let mut script = Script { journal, both: vec![plugin("audit"), plugin("memory")], sequences: Vec::new() };
    for step in 0..steps {
        script.step(step).await;
        done(step);
    }
}

impl Script<'_> {
    async fn step(&mut self, step: usize) {
        use Settlement::{Dead, Delivered};
        match step {
            0 => self.start("a", Some("1")).await,
            1 => self.start("b", Some("2")).await,
            2 => self.compaction().await,
            3 => self.end(A, "a", Some("3")).await,
            4 => self.complete(vec![self.completion(A, EventKey::Start, "memory", Delivered, Some(1))]).await,
            5 => self.complete(vec![self.completion(A, EventKey::Start, "audit", owed_again(), None)]).await,
            // Two at once: all of it or nothing.
            6 => {
                let end = self.completion(A, EventKey::End, "memory", Delivered, Some(2));
                self.complete(vec![end, self.completion(A, EventKey::End, "audit", owed_again(), None)]).await;
            }
            7 => self.start("c", None).await,
            8 => self.update().await,
            9 => self.start("d", None).await,
            10 => self.replace().await,
            11 => {
                let (failures, cause, message) = (8, FailureCause::Retry, "busy".to_owned());
                let dead = Dead { failures, cause, message };
                self.complete(vec![self.completion(D, EventKey::End, "memory", dead, None)]).await;
            }
            12 => self.change(DeliveryChange::Redeliver, D, "memory").await,
            13 => self.change(DeliveryChange::Forget, D, "audit").await,
            14 => self.probe().await,
            15 => self.draining().await,
            16 => self.complete(vec![self.completion(B, EventKey::End, "memory", Delivered, Some(3))]).await,
            17 => self.complete(vec![self.completion(B, EventKey::End, "audit", owed_again(), None)]).await,
            18 => {
                let (failures, cause, message) = (8, FailureCause::Retry, "busy".to_owned());
                let dead = Dead { failures, cause, message };
                self.complete(vec![self.completion(C, EventKey::End, "memory", dead, None)]).await;
            }
            _ => self.ended().await,
        }
    }

    /// What an owner asks is refused when it cannot be written, and the owner asks again.
    async fn append(&self, op: JournalOp) -> Appended {
        for _ in 0..TRIES {
            if let Ok(written) = self.journal.append(op.clone()).await {
                return written;
            }
        }
        panic!("a disk that fails once, and {op:?} cannot be written");
    }

    async fn start(&mut self, id: &str, op_id: Option<&str>) {
        let (owed, event) = (self.both.clone(), Arc::new(Event::Start(SessionStart::default())));
        match self
            .append(JournalOp::Start { session: Arc::new(session(id)), event, owed, op_id: op_id.map(Into::into) })
            .await
        {
            Appended::Session { sequence, .. } => self.sequences.push(sequence),
            other => panic!("{other:?}"),
        }
    }

    /// As the journal has it.
    fn known(&self, id: &str) -> Arc<Session> {
        Arc::new(Session { generation: 1, ..session(id) })
    }

    async fn compaction(&self) {
        let event = Arc::new(Event::Compaction(SessionCompaction::new(CompactionPhase::After)));
        let (owed, session) = (self.both.clone(), self.known("b"));
        self.append(JournalOp::Compaction { sequence: self.sequences[B], n: 1, session, event, owed, op_id: None })
            .await;
    }

    async fn end(&self, session: usize, id: &str, op_id: Option<&str>) {
        let sequence = self.sequences[session];
        let (session, owed) = (self.known(id), self.both.clone());
        let op_id = op_id.map(Into::into);
        self.append(JournalOp::End { sequence, session, event: end_event(), owed, received: None, op_id }).await;
    }

    async fn update(&self) {
        let session = Arc::new(Session { key: Some("k".into()), ..Session::clone(&self.known("c")) });
        self.append(JournalOp::Update { sequence: self.sequences[C], session, op_id: None }).await;
    }

    /// The end of one session and the start of another are there together, or not at all.
    async fn replace(&mut self) {
        let (owed, op_id) = (self.both.clone(), Some(Arc::from("4")));
        let end = JournalOp::End {
            sequence: self.sequences[D],
            session: self.known("d"),
            event: end_event(),
            owed: owed.clone(),
            received: None,
            op_id: op_id.clone(),
        };
        let event = Arc::new(Event::Start(SessionStart::default()));
        let start = JournalOp::Start { session: Arc::new(session("e")), event, owed, op_id };
        match self.append(JournalOp::Replace { end: Box::new(end), start: Box::new(start) }).await {
            Appended::Replaced { start, .. } => match *start {
                Appended::Session { sequence, .. } => self.sequences.push(sequence),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    async fn change(&self, change: DeliveryChange, session: usize, name: &str) {
        let delivery = DeliveryKey { sequence: self.sequences[session], event: EventKey::End, plugin: plugin(name) };
        let changed = self.kept(self.journal.change_deliveries(change, vec![delivery])).await;
        assert!(changed.iter().all(|one| one.changed == Changed::Done), "{changed:?}");
    }

    async fn probe(&self) {
        for _ in 0..TRIES {
            if self.journal.probe().await.is_ok() {
                return;
            }
        }
        panic!("a disk that fails once, and nothing can be written");
    }

    async fn draining(&self) {
        let draining = JournalOp::Draining { reason: DrainReason::Restart, at: Timestamp::from_millisecond(3) };
        self.kept(self.journal.append_decided(vec![draining])).await;
    }

    async fn ended(&self) {
        let delivery = DeliveryKey { sequence: self.sequences[C], event: EventKey::End, plugin: plugin("audit") };
        self.kept(self.journal.append_decided(vec![JournalOp::Ended { cut: vec![CutCall { delivery, attempt: 1 }] }]))
            .await;
    }

    fn completion(
        &self,
        session: usize,
        event: EventKey,
        name: &str,
        settlement: Settlement,
        count: Option<u8>,
    ) -> Completion {
        let change = |count: u8| ("count".to_owned(), Change::Set(vec![b'0' + count]));
        let changes = count.map(|count| {
            let changes = vec![change(count)];
            Box::new(KeyValueChanges { space: space(), plugin_quota: None, tenant_quota: None, changes })
        });
        let delivery = DeliveryKey { sequence: self.sequences[session], event, plugin: plugin(name) };
        Completion { delivery, attempt: 1, settlement, changes }
    }

    async fn complete(&self, completions: Vec<Completion>) {
        self.kept(self.journal.complete(&space().tenant, completions).pending).await;
    }

    /// What the runtime itself decides is kept until it can be written. Whatever comes next makes the journal try it.
    async fn kept<T: Unpin>(&self, pending: Pending<T>) -> T {
        for _ in 0..TRIES {
            if self.journal.flush().await.is_ok() {
                break;
            }
        }
        pending.await.unwrap()
    }
}
