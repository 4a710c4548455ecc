//! Writes that are drawn, to a journal and to the one in memory, which has to have the same in the end.

use std::sync::Arc;

use lastword_events::{
    Change, CompactionPhase, EndReason, Event, EventKey, FailureCause, JournalName, PluginName, Session,
    SessionCompaction, SessionEnd, SessionStart, Timestamp,
};
use lastword_journal::{
    Appended, Completion, DeliveryFilter, DeliveryKey, DeliveryRow, Journal, JournalOp, KeyValueChanges, PageRequest,
    Receipt, Recovered, Settlement, Space,
};

const TENANTS: [&str; 2] = ["acme", "globex"];
const PLUGINS: [&str; 2] = ["memory", "audit"];
const KEYS: [&str; 4] = ["a", "b", "count", "long"];
/// Sessions that may be active at once: more make it unlikely that one ends.
const ACTIVE: usize = 30;

/// The writes of one test.
pub(crate) struct Writes {
    random: fastrand::Rng,
    /// Of the active ones: number and all that is known.
    active: Vec<(u64, Arc<Session>)>,
    /// Deliveries that were not settled yet, with the attempts so far.
    owed: Vec<(DeliveryKey, Arc<str>, u32)>,
    next: u64,
    /// What makes each session large, in bytes.
    weight: usize,
}

impl Writes {
    /// The number that is drawn from makes the same writes each time. Each session has `weight` bytes.
    pub(crate) fn drawn(seed: u64, weight: usize) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), active: Vec::new(), owed: Vec::new(), next: 0, weight }
    }

    /// Writes so many, each to both.
    pub(crate) async fn write(&mut self, count: usize, one: &dyn Journal, other: &dyn Journal) {
        for _ in 0..count {
            // Outcomes are the most, so that most of what was written is of sessions that are over.
            match self.random.u32(0..20) {
                0..=3 if self.active.len() < ACTIVE => self.start(one, other).await,
                0..=4 => self.end(one, other).await,
                5 => self.compaction(one, other).await,
                6 => self.end_without_start(one, other).await,
                _ => self.outcome(one, other).await,
            }
        }
    }

    /// What a drain settles without a write for each.
    pub(crate) async fn drain(&mut self, one: &dyn Journal, other: &dyn Journal) {
        let plugins: Vec<_> = PLUGINS.iter().map(|name| (plugin(name), None)).collect();
        let reason = lastword_events::DrainReason::Shutdown;
        let at = Timestamp::from_millisecond(77);
        let ops = vec![JournalOp::Installed { plugins, attaching: false }, JournalOp::Draining { reason, at }];
        one.append_decided(ops.clone()).await.unwrap();
        other.append_decided(ops).await.unwrap();
        let half = self.active.len() / 2;
        for (sequence, session) in self.active.drain(..half) {
            let delivery = DeliveryKey { sequence, event: EventKey::End, plugin: plugin(PLUGINS[0]) };
            let completion = Completion { delivery, attempt: 1, settlement: Settlement::Delivered, changes: None };
            both(one, other, &session.identity.tenant, &completion).await;
        }
    }

    async fn start(&mut self, one: &dyn Journal, other: &dyn Journal) {
        self.next += 1;
        // Half of the ids come again, as another generation.
        let tenant = self.random.choice(TENANTS).unwrap();
        let mut session = Session::new(tenant, &format!("s{}", self.next / 2));
        session.cwd = Some(self.long());
        let op = JournalOp::Start {
            session: Arc::new(session),
            event: Arc::new(Event::Start(SessionStart::default())),
            owed: vec![plugin(PLUGINS[1])],
            op_id: Some(format!("start-{}", self.next).into()),
        };
        let Appended::Session { sequence, session } = alike(one, other, op).await else { panic!("a start") };
        self.owe(sequence, EventKey::Start, PLUGINS[1], &session);
        self.active.push((sequence, session));
    }

    async fn end(&mut self, one: &dyn Journal, other: &dyn Journal) {
        if self.active.is_empty() {
            return;
        }
        let (sequence, session) = self.active.swap_remove(self.random.usize(..self.active.len()));
        let event = end_event();
        let received = Some(Receipt { at: Timestamp::now(), said: self.random.u64(..1 << 40) });
        let owed = PLUGINS.iter().map(|name| plugin(name)).collect();
        for plugin in PLUGINS {
            self.owe(sequence, EventKey::End, plugin, &session);
        }
        alike(one, other, JournalOp::End { sequence, session, event, owed, received, op_id: None }).await;
    }

    fn owe(&mut self, sequence: u64, event: EventKey, name: &str, session: &Session) {
        let delivery = DeliveryKey { sequence, event, plugin: plugin(name) };
        self.owed.push((delivery, session.identity.tenant.clone(), 0));
    }

    async fn end_without_start(&mut self, one: &dyn Journal, other: &dyn Journal) {
        self.next += 1;
        let tenant = self.random.choice(TENANTS).unwrap();
        let session = Arc::new(Session::new(tenant, &format!("t{}", self.next)));
        let received = Receipt { at: Timestamp::now(), said: 1 };
        let (event, owed) = (end_event(), vec![plugin(PLUGINS[0])]);
        alike(one, other, JournalOp::EndWithoutStart { session, event, owed, received, op_id: None }).await;
    }

    async fn compaction(&mut self, one: &dyn Journal, other: &dyn Journal) {
        self.next += 1;
        let tenant = self.random.choice(TENANTS).unwrap();
        let op = JournalOp::CompactionWithoutStart {
            session: Arc::new(Session::new(tenant, &format!("c{}", self.next))),
            event: Arc::new(Event::Compaction(SessionCompaction::new(CompactionPhase::Before))),
            owed: vec![plugin(PLUGINS[0])],
            op_id: Some(format!("compaction-{}", self.next).into()),
        };
        alike(one, other, op).await;
    }

    /// An event is delivered, and its plugin has stored something; or it fails.
    async fn outcome(&mut self, one: &dyn Journal, other: &dyn Journal) {
        if self.owed.is_empty() {
            return;
        }
        let (delivery, tenant, attempts) = self.owed.swap_remove(self.random.usize(..self.owed.len()));
        let attempt = attempts + 1;
        let settlement = match self.random.u32(0..16) {
            0..=2 => {
                self.owed.push((delivery.clone(), tenant.clone(), attempt));
                let (cause, message) = (FailureCause::Retry, "busy".to_owned());
                Settlement::Owed { failures: attempt, late: false, retry_at: None, cause, message }
            }
            3 => Settlement::Dead { failures: attempt, cause: FailureCause::Retry, message: "given up".into() },
            _ => Settlement::Delivered,
        };
        let key = self.random.choice(KEYS).unwrap();
        let change = match (key, self.random.bool()) {
            ("count", _) => Change::Add(self.random.u64(0..100)),
            (_, true) => Change::Set(self.long().into_bytes()),
            (_, false) => Change::Delete,
        };
        let space = space(&tenant, &delivery.plugin);
        let changes =
            KeyValueChanges { space, plugin_quota: None, tenant_quota: None, changes: vec![(key.into(), change)] };
        let completion = Completion { delivery, attempt, settlement, changes: Some(Box::new(changes)) };
        both(one, other, &tenant, &completion).await;
    }

    /// Text that says which it is, and has the weight.
    fn long(&mut self) -> String {
        let mut text = format!("/{}/", self.random.u64(..));
        text.extend(std::iter::repeat_with(|| self.random.alphanumeric()).take(self.weight));
        text
    }
}

/// Writes to both, which answer alike.
async fn alike(one: &dyn Journal, other: &dyn Journal, op: JournalOp) -> Appended {
    let (first, second) = (one.append(op.clone()).await.unwrap(), other.append(op).await.unwrap());
    assert_eq!(first, second);
    first
}

async fn both(one: &dyn Journal, other: &dyn Journal, tenant: &Arc<str>, completion: &Completion) {
    for journal in [one, other] {
        let staged = journal.complete(tenant, vec![completion.clone()]);
        assert!(staged.refused.is_empty(), "{:?}", staged.refused);
        staged.pending.await.unwrap();
    }
}

/// Checks that both have the same: what the next run of each was given, what was not made, and what was stored.
#[track_caller]
pub(crate) fn are_alike((one, left): (&dyn Journal, &Recovered), (other, right): (&dyn Journal, &Recovered)) {
    // Ends that are so old by now that they are not told again are no difference.
    let without_ends = |recovered: &Recovered| {
        let Recovered { sessions, deliveries, dead, .. } = recovered;
        format!("{sessions:#?}\n{deliveries:#?}\n{dead:#?}")
    };
    assert_eq!(without_ends(left), without_ends(right));
    let rows = |journal: &dyn Journal| {
        let page = journal.deliveries(&DeliveryFilter::default(), &PageRequest::default()).unwrap();
        let of_one_journal = |mut row: DeliveryRow| {
            row.delivery.journal = JournalName::from_random([0; JournalName::LEN]);
            row
        };
        page.rows.into_iter().map(of_one_journal).collect::<Vec<_>>()
    };
    assert_eq!(rows(one), rows(other));
    for (tenant, name) in TENANTS.iter().flat_map(|tenant| PLUGINS.map(|name| (tenant, name))) {
        let space = space(tenant, &plugin(name));
        let values = |journal: &dyn Journal| {
            KEYS.map(|key| journal.key_value(&space, key).unwrap().map(|value| String::from_utf8(value).unwrap()))
        };
        assert_eq!(values(one), values(other), "{space:?}");
        let bytes = |journal: &dyn Journal| journal.key_value_bytes(&space).unwrap();
        assert_eq!(bytes(one), bytes(other), "{space:?}");
    }
}

fn plugin(name: &str) -> PluginName {
    PluginName::new(name).unwrap()
}

fn space(tenant: &str, plugin: &PluginName) -> Space {
    Space { tenant: tenant.into(), plugin: plugin.clone() }
}

fn end_event() -> Arc<Event> {
    Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::from_millisecond(0))))
}
