//! A journal in memory and one on disk are one machine: whatever is written to them, in whatever order and over restarts, both answer the same
//! and leave the same to the next run.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails loudly, its helper functions too")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lastword_events::{
    Change, CompactionPhase, DrainReason, EndReason, Event, EventKey, FailureCause, Identity, KEY_OVERHEAD_BYTES,
    PluginName, Session, SessionCompaction, SessionEnd, SessionStart, Timestamp,
};
use lastword_journal::state::{self, MemoryTables};
use lastword_journal::{
    Appended, ChangedDelivery, Completion, CutCall, DeliveryChange, DeliveryFilter, DeliveryKey, DeliveryRow, Journal,
    JournalOp, KeyValueChanges, MemoryJournal, PageRequest, Receipt, Recovered, SessionRow, Settlement, Space,
};
use lastword_sqlite::{DeliveryState, JournalFile, SqliteJournal};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const PLUGINS: [&str; 3] = ["a", "b", "c"];
/// Of a plugin, in bytes: room for two keys with small values.
const QUOTA: u64 = 2 * KEY_OVERHEAD_BYTES + 30;

/// What happens. Sessions and events are those that were written before, whatever has become of them.
#[derive(Clone, Debug)]
enum Step {
    Start { identity: Identity, owed: Vec<PluginName>, op_id: Option<Arc<str>> },
    Note { session: Index, scope: Option<&'static str>, op_id: Option<Arc<str>> },
    Compaction { session: Index, owed: Vec<PluginName>, op_id: Option<Arc<str>> },
    CompactionWithoutStart { identity: Identity, owed: Vec<PluginName>, op_id: Option<Arc<str>> },
    End { session: Index, owed: Vec<PluginName>, is_told: bool, op_id: Option<Arc<str>> },
    EndWithoutStart { identity: Identity, owed: Vec<PluginName>, op_id: Option<Arc<str>> },
    Seen { session: Index },
    Installed { plugins: Vec<PluginName>, attaching: bool },
    PluginsChanged { plugins: Vec<PluginName> },
    Orphaned { session: Index, event: u32, plugin: PluginName, late: bool },
    EndNotOwed { session: Index, plugin: PluginName },
    Draining,
    Complete { session: Index, event: u32, plugin: PluginName, settlement: Settlement, changes: Vec<(String, Change)> },
    Change { session: Index, event: u32, plugin: PluginName, change: DeliveryChange },
    Replace { session: Index, identity: Option<Identity>, owed: Vec<PluginName>, op_id: Option<Arc<str>> },
    Ended { session: Index, cut: Vec<(u32, PluginName)> },
    Restart,
}

fn plugin() -> impl Strategy<Value = PluginName> {
    select(&PLUGINS[..]).prop_map(|name| PluginName::new(name).unwrap())
}

fn plugins() -> impl Strategy<Value = Vec<PluginName>> {
    let named = |names: Vec<&str>| names.into_iter().map(|name| PluginName::new(name).unwrap()).collect();
    subsequence(&PLUGINS[..], 0..=PLUGINS.len()).prop_map(named)
}

fn op_id() -> impl Strategy<Value = Option<Arc<str>>> {
    select(vec![None, None, Some("one"), Some("two")]).prop_map(|op_id| op_id.map(Arc::from))
}

fn identity() -> impl Strategy<Value = Identity> {
    (select(&["s", "t"][..]), select(&["", "", "x", "y"][..]))
        .prop_map(|(id, scope)| Identity::new("tenant", id).in_scope(scope))
}

fn settlement() -> impl Strategy<Value = Settlement> {
    let (cause, message) = (FailureCause::Retry, "busy".to_owned());
    let owed = |late, failures| Settlement::Owed {
        failures,
        late,
        retry_at: None,
        cause: FailureCause::Retry,
        message: "busy".to_owned(),
    };
    prop_oneof![
        2 => Just(Settlement::Delivered),
        2 => (any::<bool>(), 1..4_u32).prop_map(move |(late, failures)| owed(late, failures)),
        1 => Just(Settlement::Dead { failures: 3, cause, message }),
    ]
}

fn changes() -> impl Strategy<Value = Vec<(String, Change)>> {
    let change = || {
        prop_oneof![
            2 => select(&["7", "some", "much, and more than fits the quota"][..])
                .prop_map(|value| Change::Set(value.into())),
            1 => Just(Change::Delete),
            2 => (0..9_u64).prop_map(Change::Add),
        ]
    };
    let one = |key: &'static str| change().prop_map(move |change| vec![(key.to_owned(), change)]);
    prop_oneof![
        3 => Just(Vec::new()),
        2 => one("a"),
        2 => one("b"),
        1 => (one("a"), one("b")).prop_map(|(a, b)| [a, b].concat()),
    ]
}

fn change_of_delivery() -> impl Strategy<Value = DeliveryChange> {
    prop_oneof![2 => Just(DeliveryChange::Redeliver), 1 => Just(DeliveryChange::Forget), 1 => Just(DeliveryChange::Adopt)]
}

fn step() -> impl Strategy<Value = Step> {
    let session = any::<Index>;
    prop_oneof![
        4 => (identity(), plugins(), op_id())
            .prop_map(|(identity, owed, op_id)| Step::Start { identity, owed, op_id }),
        2 => (session(), select(vec![None, Some("x"), Some("y")]), op_id())
            .prop_map(|(session, scope, op_id)| Step::Note { session, scope, op_id }),
        2 => (session(), plugins(), op_id())
            .prop_map(|(session, owed, op_id)| Step::Compaction { session, owed, op_id }),
        1 => (identity(), plugins(), op_id())
            .prop_map(|(identity, owed, op_id)| Step::CompactionWithoutStart { identity, owed, op_id }),
        4 => (session(), plugins(), any::<bool>(), op_id())
            .prop_map(|(session, owed, is_told, op_id)| Step::End { session, owed, is_told, op_id }),
        1 => (identity(), plugins(), op_id())
            .prop_map(|(identity, owed, op_id)| Step::EndWithoutStart { identity, owed, op_id }),
        1 => session().prop_map(|session| Step::Seen { session }),
        1 => (plugins(), any::<bool>()).prop_map(|(plugins, attaching)| Step::Installed { plugins, attaching }),
        1 => plugins().prop_map(|plugins| Step::PluginsChanged { plugins }),
        1 => (session(), 0..3_u32, plugin(), any::<bool>())
            .prop_map(|(session, event, plugin, late)| Step::Orphaned { session, event, plugin, late }),
        1 => (session(), plugin()).prop_map(|(session, plugin)| Step::EndNotOwed { session, plugin }),
        1 => Just(Step::Draining),
        8 => (session(), prop_oneof![4 => Just(0_u32), 1 => 1..3_u32], plugin(), settlement(), changes()).prop_map(
            |(session, event, plugin, settlement, changes)| {
                Step::Complete { session, event, plugin, settlement, changes }
            },
        ),
        3 => (session(), prop_oneof![4 => Just(0_u32), 1 => 1..3_u32], plugin(), change_of_delivery())
            .prop_map(|(session, event, plugin, change)| Step::Change { session, event, plugin, change }),
        3 => (session(), prop::option::of(identity()), plugins(), op_id())
            .prop_map(|(session, identity, owed, op_id)| Step::Replace { session, identity, owed, op_id }),
        2 => (session(), prop::collection::vec((0..3_u32, plugin()), 0..3))
            .prop_map(|(session, cut)| Step::Ended { session, cut }),
        2 => Just(Step::Restart),
    ]
}

/// A session that was written.
struct Known {
    sequence: u64,
    session: Arc<Session>,
    compactions: u32,
    is_active: bool,
}

/// Both journals, and what was written to them.
struct Both {
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
    memory: MemoryJournal,
    /// As a reader has them who is no run.
    tables: MemoryTables,
    disk: Option<SqliteJournal>,
    sessions: Vec<Known>,
    attempts: u32,
    began: Timestamp,
}

impl Both {
    fn new() -> Self {
        // Each of some hundred writes is on the disk before the next: this test is not about disks.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_none| tempfile::tempdir()).unwrap();
        let began = Timestamp::from_millisecond(Timestamp::now().as_millisecond() - 1_000);
        let mut both = Self {
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            dir,
            memory: MemoryJournal::new(),
            tables: MemoryTables::default(),
            disk: None,
            sessions: Vec::new(),
            attempts: 0,
            began,
        };
        both.restart();
        both
    }

    fn restart(&mut self) {
        self.disk = None;
        self.tables.begin_run();
        let disk = self.disk.insert(SqliteJournal::open(&self.path()).unwrap());
        let [memory, disk] = [self.memory.recover(), disk.recover()].map(|recovered| told(recovered.unwrap()));
        for (memory, disk) in memory.iter().zip(&disk) {
            assert_eq!(memory, disk, "what the next run finds in memory, and on disk");
        }
        assert_eq!(memory.len(), disk.len());
        let [memory, disk] = [&self.memory as &dyn Journal, self.disk.as_ref().unwrap()].map(stored);
        assert_eq!(memory, disk, "what is stored in memory, and on disk");
        self.compare_unmade();
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("journal.db")
    }

    /// What operators take out of a file, whichever run has it, and out of tables that nobody serves.
    fn compare_exported(&self) {
        let file = JournalFile::look(&self.path()).unwrap();
        let sessions: Vec<SessionRow> = self.tables.sessions().collect();
        assert_eq!(sessions, file.sessions().unwrap(), "what is active in the tables, and in the file");
        // The end of a session is known of its other events on disk only.
        let alike = |mut row: DeliveryRow| {
            row.reason = row.reason.filter(|_| row.delivery.event == EventKey::End);
            row
        };
        let tables: Vec<_> = self.tables.unmade_deliveries(file.name()).into_iter().map(alike).collect();
        let file: Vec<_> = file.deliveries().unwrap().into_iter().map(alike).collect();
        assert_eq!(tables, file, "what was not made in the tables, and in the file");
    }

    /// What operators see. The end of a session is known of its other events on disk only.
    fn compare_unmade(&self) {
        self.compare_exported();
        let disk = self.disk.as_ref().unwrap();
        let [memory, disk] = [&self.memory as &dyn Journal, disk].map(|journal| {
            let mut next = PageRequest::first(2);
            let mut rows = Vec::new();
            loop {
                let page = journal.deliveries(&DeliveryFilter::default(), &next).unwrap();
                rows.extend(page.rows);
                next.after = page.next;
                if next.after.is_none() {
                    break;
                }
            }
            let mut listed: Vec<_> = rows
                .into_iter()
                .map(|row| {
                    let key = DeliveryKey::from(&row.delivery);
                    assert_eq!(journal.delivery(&key).unwrap().as_ref(), Some(&row), "one, and on its page");
                    let reason = row.reason.filter(|_| key.event == EventKey::End);
                    (
                        key,
                        row.state,
                        row.tenant,
                        row.session,
                        row.generation,
                        reason,
                        row.attempt,
                        row.failures,
                        row.late,
                        row.cause,
                    )
                })
                .collect();
            listed.sort_by(|a, b| a.0.cmp(&b.0));
            listed
        });
        assert_eq!(memory, disk, "what was not made in memory, and on disk");
    }

    fn write(&mut self, write: JournalOp) -> Option<Appended> {
        let disk = self.disk.as_ref().unwrap();
        state::apply(&mut self.tables, &mut write.clone()).ok();
        let memory = self.runtime.block_on(self.memory.append(write.clone())).map_err(|error| error.to_string());
        let disk = self.runtime.block_on(disk.append(write)).map_err(|error| error.to_string());
        assert_eq!(memory, disk, "what is answered in memory, and on disk");
        let written = memory.ok()?;
        if let Appended::Session { sequence, session } = &written {
            let (sequence, session) = (*sequence, session.clone());
            self.sessions.push(Known { sequence, session, compactions: 0, is_active: true });
        }
        Some(written)
    }

    fn record(&mut self, write: JournalOp) {
        state::apply(&mut self.tables, &mut write.clone()).ok();
        self.runtime.block_on(self.memory.append_decided(vec![write.clone()])).unwrap();
        self.runtime.block_on(self.disk.as_ref().unwrap().append_decided(vec![write])).unwrap();
    }

    fn receipt(&mut self) -> Receipt {
        self.attempts += 1;
        Receipt { at: self.began.plus(Duration::from_millis(self.attempts.into())), said: self.attempts.into() }
    }

    /// The runtime never has two of one identity.
    fn is_active(&self, identity: &Identity) -> bool {
        self.sessions.iter().any(|known| known.is_active && known.session.identity == *identity)
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Start { identity, .. }
            | Step::CompactionWithoutStart { identity, .. }
            | Step::EndWithoutStart { identity, .. }
                if self.is_active(&identity) => {}
            Step::Start { identity, owed, op_id } => {
                let (session, event) = (session(identity), Arc::new(Event::Start(SessionStart::default())));
                self.write(JournalOp::Start { session, event, owed, op_id });
            }
            Step::CompactionWithoutStart { identity, owed, op_id } => {
                let (session, event) = (session(identity), compaction());
                if let Some(Appended::Session { .. }) =
                    self.write(JournalOp::CompactionWithoutStart { session, event, owed, op_id })
                    && let Some(known) = self.sessions.last_mut()
                {
                    known.compactions = 1;
                }
            }
            Step::EndWithoutStart { identity, owed, op_id } => {
                let received = self.receipt();
                let (session, event) = (session(identity), self.end());
                if let Some(Appended::Session { .. }) =
                    self.write(JournalOp::EndWithoutStart { session, event, owed, received, op_id })
                    && let Some(known) = self.sessions.last_mut()
                {
                    known.is_active = false;
                }
            }
            Step::Installed { plugins, attaching } => {
                let plugins = plugins.into_iter().map(|plugin| (plugin, None)).collect();
                self.record(JournalOp::Installed { plugins, attaching });
            }
            Step::PluginsChanged { plugins } => {
                let plugins = plugins.into_iter().map(|plugin| (plugin, None)).collect();
                self.record(JournalOp::PluginsChanged { plugins });
            }
            Step::Draining => self.record(JournalOp::Draining { reason: DrainReason::Restart, at: self.began }),
            Step::Restart => self.restart(),
            of_session => self.take_of_session(of_session),
        }
    }

    fn take_of_session(&mut self, step: Step) {
        let (Step::Note { session: index, .. }
        | Step::Compaction { session: index, .. }
        | Step::End { session: index, .. }
        | Step::Seen { session: index }
        | Step::Orphaned { session: index, .. }
        | Step::EndNotOwed { session: index, .. }
        | Step::Change { session: index, .. }
        | Step::Replace { session: index, .. }
        | Step::Ended { session: index, .. }
        | Step::Complete { session: index, .. }) = &step
        else {
            return;
        };
        if self.sessions.is_empty() {
            return;
        }
        let (index, received) = (index.index(self.sessions.len()), self.receipt());
        let end = self.end();
        let Known { sequence, ref session, compactions, is_active } = self.sessions[index];
        let key = |event: u32| match event {
            0 => EventKey::End,
            1 => EventKey::Start,
            _ => compaction().key(compactions.max(1)),
        };
        match step {
            Step::Note { scope, op_id, .. } => {
                let mut changed = Session::clone(session);
                let moved = scope.map(|scope| changed.identity.clone().in_scope(scope));
                if let Some(moved) = moved.filter(|moved| is_active && !self.is_active(moved)) {
                    changed.identity = moved;
                }
                let session = Arc::new(changed);
                self.sessions[index].session = session.clone();
                self.write(JournalOp::Update { sequence, session, op_id });
            }
            Step::Compaction { owed, op_id, .. } => {
                let (session, event, n) = (session.clone(), compaction(), compactions + 1);
                let written = self.write(JournalOp::Compaction { sequence, n, session, event, owed, op_id });
                if written == Some(Appended::Done) {
                    self.sessions[index].compactions = n;
                }
            }
            Step::End { owed, is_told, op_id, .. } => {
                let (session, received) = (session.clone(), is_told.then_some(received));
                let written = self.write(JournalOp::End { sequence, session, event: end, owed, received, op_id });
                if written == Some(Appended::Done) {
                    self.sessions[index].is_active = false;
                }
            }
            Step::Seen { .. } => {
                self.write(JournalOp::Seen { sequence });
            }
            Step::Ended { cut, .. } => {
                let attempt = self.attempts;
                let call = |(event, plugin)| CutCall {
                    delivery: DeliveryKey { sequence, event: key(event), plugin },
                    attempt,
                };
                self.record(JournalOp::Ended { cut: cut.into_iter().map(call).collect() });
                self.compare_unmade();
            }
            Step::Orphaned { event, plugin, late, .. } => {
                let delivery = DeliveryKey { sequence, event: key(event), plugin };
                self.record(JournalOp::Orphaned { delivery, late });
            }
            Step::EndNotOwed { plugin, .. } => self.record(JournalOp::EndNotOwed { sequence, plugin }),
            Step::Complete { event, plugin, settlement, changes, .. } => {
                let space = Space { tenant: session.identity.tenant.clone(), plugin: plugin.clone() };
                let delivery = DeliveryKey { sequence, event: key(event), plugin };
                let changes =
                    KeyValueChanges { space, plugin_quota: Some(QUOTA), tenant_quota: Some(2 * QUOTA), changes };
                let changes = (!changes.changes.is_empty()).then(|| Box::new(changes));
                let completion = Completion { delivery, attempt: self.attempts, settlement, changes };
                let disk = self.disk.as_ref().unwrap();
                let [memory, disk] = [&self.memory as &dyn Journal, disk].map(|journal| {
                    let staged = journal.complete(&"t".into(), vec![completion.clone()]);
                    self.runtime.block_on(staged.pending).unwrap();
                    staged.refused
                });
                assert_eq!(memory, disk, "what is refused in memory, and on disk");
                if memory.is_empty() {
                    state::complete(&mut self.tables, &completion).unwrap();
                }
            }
            Step::Change { event, plugin, change, .. } => {
                let delivery = DeliveryKey { sequence, event: key(event), plugin };
                let disk = self.disk.as_ref().unwrap();
                let [memory, disk] = [&self.memory as &dyn Journal, disk].map(|journal| {
                    let changed =
                        self.runtime.block_on(journal.change_deliveries(change, vec![delivery.clone()])).unwrap();
                    let owed =
                        |one: &ChangedDelivery| one.owed.as_ref().map(|owed| (owed.attempt, owed.failures, owed.late));
                    changed
                        .iter()
                        .map(|one| (one.changed, one.was, one.tried_in_this_run, owed(one)))
                        .collect::<Vec<_>>()
                });
                assert_eq!(memory, disk, "what has become of it in memory, and on disk");
                state::change_delivery(&mut self.tables, change, &delivery).unwrap();
                self.compare_unmade();
            }
            Step::Replace { identity, owed, op_id, .. } => {
                // The runtime never has two of one identity; of one that ends it can begin another.
                let identity = identity.unwrap_or_else(|| session.identity.clone());
                if self.is_active(&identity) && !(is_active && identity == session.identity) {
                    return;
                }
                let (session, start) = (session.clone(), Arc::new(Event::Start(SessionStart::default())));
                let (owed_end, received, op) = (owed.clone(), Some(received), op_id.clone());
                let end = JournalOp::End { sequence, session, event: end, owed: owed_end, received, op_id: op };
                let start = JournalOp::Start { session: self::session(identity), event: start, owed, op_id };
                let replace = JournalOp::Replace { end: Box::new(end), start: Box::new(start) };
                if let Some(Appended::Replaced { end, start }) = self.write(replace) {
                    self.sessions[index].is_active &= *end != Appended::Done;
                    if let Appended::Session { sequence, session } = *start {
                        self.sessions.push(Known { sequence, session, compactions: 0, is_active: true });
                    }
                }
            }
            _ => (),
        }
    }

    fn end(&self) -> Arc<Event> {
        Arc::new(Event::End(SessionEnd::new(EndReason::Reset, self.began)))
    }
}

/// Keys, values and sizes of every space.
fn stored(journal: &dyn Journal) -> String {
    let space = |plugin: &str| Space { tenant: "tenant".into(), plugin: PluginName::new(plugin).unwrap() };
    let of_space = |space: Space| {
        let keys = journal.key_value_keys(&space, None, 10).unwrap();
        let value = |key: &String| (key.clone(), journal.key_value(&space, key).unwrap());
        (keys.iter().map(value).collect::<Vec<_>>(), journal.key_value_bytes(&space).unwrap())
    };
    let spaces: Vec<_> = PLUGINS.into_iter().map(|plugin| of_space(space(plugin))).collect();
    format!("{spaces:?} {}", journal.key_value_tenant_bytes("tenant").unwrap())
}

fn session(identity: Identity) -> Arc<Session> {
    Arc::new(Session::of(identity))
}

fn compaction() -> Arc<Event> {
    Arc::new(Event::Compaction(SessionCompaction::new(CompactionPhase::After)))
}

/// Plugins of one session have no order. And what is known of a delivery's session is as of its event in memory, and the newest on
/// disk, where it is once.
fn told(mut recovered: Recovered) -> Vec<String> {
    for owed in &mut recovered.deliveries {
        let Session { identity, generation, .. } = &*owed.session;
        owed.session = Arc::new(Session { generation: *generation, ..Session::of(identity.unscoped().into_owned()) });
    }
    for session in &mut recovered.sessions {
        if let Some(drained) = &mut session.drained {
            drained.settled.sort();
            drained.tried.sort();
        }
    }
    recovered.deliveries.sort_by(|a, b| {
        let key = |owed: &DeliveryKey| (owed.sequence, owed.event, owed.plugin.clone());
        key(&a.delivery).cmp(&key(&b.delivery))
    });
    let sessions = recovered.sessions.iter().map(|session| format!("{session:#?}"));
    let deliveries = recovered.deliveries.iter().map(|owed| format!("{owed:#?}"));
    sessions.chain(deliveries).chain(recovered.ended.iter().map(|end| format!("{end:#?}"))).collect()
}

/// It has the lower generation of the two, and ended last.
#[test]
fn the_end_of_a_session_that_moved_into_a_scope_is_forgotten_when_the_next_one_begins_there() {
    let in_scope = |scope| Identity::new("tenant", "s").in_scope(scope);
    let mut both = Both::new();
    let event = Arc::new(Event::Start(SessionStart::default()));
    let start = JournalOp::Start { session: session(in_scope("")), event, owed: vec![], op_id: None };
    let Some(Appended::Session { sequence, session }) = both.write(start) else { panic!() };
    both.take(Step::EndWithoutStart { identity: in_scope("y"), owed: vec![], op_id: None });
    let session = Arc::new(Session { identity: in_scope("y"), ..Session::clone(&session) });
    both.write(JournalOp::Update { sequence, session: session.clone(), op_id: None });
    let (event, received) = (both.end(), Some(both.receipt()));
    both.write(JournalOp::End { sequence, session, event, owed: vec![], received, op_id: None });
    both.sessions.iter_mut().for_each(|known| known.is_active = false);
    both.take(Step::Start { identity: in_scope("y"), owed: vec![], op_id: None });
    both.restart();
    assert_eq!(both.memory.recover().unwrap().ended, []);
}

/// Nobody knows any more why the end was owed to this plugin. Its failure is on record all the same.
#[test]
fn an_end_that_a_drain_has_given_up_can_be_redelivered_though_its_plugin_is_nowhere_else() {
    let mut both = Both::new();
    both.take(Step::Start { identity: Identity::new("tenant", "s"), owed: vec![], op_id: None });
    // There is one, so any is that one.
    let session = any::<Index>().new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let plugin = PluginName::new("a").unwrap();
    let settlement = Settlement::Dead { failures: 3, cause: FailureCause::Retry, message: "busy".to_owned() };
    both.take(Step::Complete { session, event: 0, plugin: plugin.clone(), settlement, changes: vec![] });
    both.take(Step::Draining);
    both.compare_unmade();
    both.take(Step::Change { session, event: 0, plugin: plugin.clone(), change: DeliveryChange::Redeliver });
    let key = DeliveryKey { sequence: both.sessions[0].sequence, event: EventKey::End, plugin };
    for journal in [&both.memory as &dyn Journal, both.disk.as_ref().unwrap()] {
        let row = journal.delivery(&key).unwrap().unwrap();
        assert_eq!((row.state, row.failures), (DeliveryState::Orphaned, 0));
    }
    both.restart();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_in_memory_and_one_on_disk_answer_and_leave_the_same(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut both = Both::new();
        for step in steps {
            both.take(step);
        }
        both.restart();
    }
}
