//! The contract's rules find a journal that breaks them: for each rule there is one that does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use lastword_events::{Change, Hook, Identity, JournalName, Timestamp};
use lastword_journal::testing::{conformance_rules, journal_conformance};
use lastword_journal::{
    Appended, ChangedDelivery, Completion, DeliveryChange, DeliveryFilter, DeliveryKey, DeliveryPage, DeliveryRow,
    Durability, Journal, JournalError, JournalOp, KeyValueChanges, MemoryJournal, PageRequest, Pending, Recovered,
    Settlement, Space, StagedCompletions,
};

/// What is wrong with a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    Generations,
    ForgetsEnds,
    EndsByItsOwnClock,
    ScopelessLines,
    Compactions,
    KindsOfLines,
    Attachable,
    Updates,
    UnknownSessions,
    Failures,
    Orphans,
    Adopts,
    PluginChanges,
    Drains,
    StoresForFailures,
    KeyOrder,
    ReadsWhatWasBefore,
    RefusesAll,
    Quotas,
    Increments,
    Decided,
    OrderOfDecided,
    OrderOfOutcomes,
    Flush,
    Name,
    CleanEnds,
    Cuts,
    CutsOfEveryPlugin,
    Releases,
}

/// The rule that finds each of them.
const DEFECTS: &[(Defect, &str)] = &[
    (Defect::Generations, "sequence_numbers_are_never_used_again_and_generations_count_per_id"),
    (
        Defect::ForgetsEnds,
        "ends_of_the_last_seconds_are_known_to_the_next_run_until_something_is_heard_of_their_sessions",
    ),
    (Defect::EndsByItsOwnClock, "ends_that_are_long_ago_or_that_a_clock_has_from_the_future_are_not_told_again"),
    (Defect::ScopelessLines, "sessions_of_one_id_in_two_scopes_are_two_and_share_no_generation"),
    (Defect::Compactions, "a_compaction_of_an_unknown_session_is_one_write_and_counts_once"),
    (Defect::KindsOfLines, "an_op_id_belongs_to_its_session_and_kind_of_line"),
    (Defect::Attachable, "a_session_can_be_attached_as_long_as_no_run_can_have_told_of_its_end"),
    (Defect::Updates, "sessions_without_an_end_are_found_with_what_is_known_of_them"),
    (Defect::UnknownSessions, "a_write_for_a_session_that_is_not_active_is_an_error_and_changes_nothing"),
    (Defect::Failures, "what_is_owed_is_found_by_the_next_run_until_it_is_delivered_or_dead"),
    (Defect::Orphans, "what_an_orphan_is_overtaken_by_is_remembered_until_its_plugin_is_back"),
    (Defect::Adopts, "what_was_orphaned_is_owed_as_it_was_when_it_is_adopted"),
    (Defect::PluginChanges, "a_drain_goes_by_who_is_installed_then_and_by_who_is_owed_the_end_for_the_start"),
    (Defect::Drains, "a_drain_needs_no_write_for_each_session_and_the_next_run_knows_what_is_settled"),
    (Defect::StoresForFailures, "what_a_guest_wrote_is_there_when_its_call_delivered_and_not_before"),
    (Defect::KeyOrder, "a_space_has_its_keys_in_order_and_counts_the_bytes_of_keys_and_values"),
    (Defect::ReadsWhatWasBefore, "what_was_handed_over_is_read_at_once_and_in_order"),
    (Defect::RefusesAll, "what_cannot_be_stored_any_more_is_refused_alone_and_nothing_of_it_is_seen"),
    (Defect::Quotas, "quotas_count_what_is_stored_when_a_call_is_handed_over_and_let_go_what_frees"),
    (Defect::Increments, "threads_that_hand_over_at_the_same_time_lose_no_increment"),
    (Defect::Decided, "what_nobody_waits_for_is_carried_out_all_the_same"),
    (Defect::OrderOfDecided, "what_nobody_waits_for_takes_effect_in_its_order"),
    (Defect::OrderOfOutcomes, "outcomes_of_a_tenant_are_recorded_in_their_order"),
    (Defect::Flush, "a_flush_answers_when_what_was_written_before_is_durable"),
    (Defect::Name, "a_journal_keeps_its_name_and_says_whether_it_is_durable"),
    (Defect::CleanEnds, "a_run_that_has_ended_cleanly_counts_no_attempt_of_what_was_not_called"),
    (Defect::Cuts, "a_call_that_was_cut_as_its_run_ended_counts_one_attempt_and_no_other_does"),
    (Defect::CutsOfEveryPlugin, "an_end_that_was_cut_in_a_drain_counts_one_attempt_to_its_plugin_alone"),
    (Defect::Releases, "what_is_released_is_on_record_and_free_for_the_next_run_whoever_holds_it"),
];

#[tokio::test]
async fn each_rule_finds_a_journal_that_breaks_it() {
    let checked: BTreeSet<&str> = DEFECTS.iter().map(|(_, rule)| *rule).collect();
    assert_eq!(checked, conformance_rules().collect(), "each rule has a journal that breaks it");
    for (defect, rule) in DEFECTS {
        let wrong = Arc::new(Wrong { defect: *defect, ..Wrong::default() });
        let broken = journal_conformance(|| wrong.clone()).await.unwrap_err();
        assert!(broken.iter().any(|one| one.rule == *rule), "{defect:?} breaks only {broken}");
        assert!(broken.to_string().contains(rule));
    }
}

/// A value, where there is one.
type Stored = Option<Vec<u8>>;

/// A journal in memory, with one defect.
struct Wrong {
    defect: Defect,
    inner: MemoryJournal,
    /// The outcome that was to be recorded last, and is not yet.
    late: Mutex<Option<Completion>>,
    /// What each key had before it was last changed.
    before: Mutex<HashMap<(Space, String), Stored>>,
    /// It was to let go.
    released: AtomicBool,
}

impl Default for Wrong {
    fn default() -> Self {
        Self {
            defect: Defect::Name,
            inner: MemoryJournal::new(),
            late: Mutex::default(),
            before: Mutex::default(),
            released: AtomicBool::new(false),
        }
    }
}

impl Wrong {
    fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn change_op(&self, op: &mut JournalOp) {
        if let JournalOp::Ended { cut } = op
            && self.has(Defect::Cuts)
        {
            cut.clear();
        }
        if let JournalOp::EndWithoutStart { received, .. } = op
            && self.has(Defect::EndsByItsOwnClock)
        {
            received.at = Timestamp::now();
        }
    }

    fn leaves_out(&self, op: &JournalOp) -> bool {
        match op {
            JournalOp::Orphaned { .. } => self.has(Defect::Orphans),
            JournalOp::Ended { .. } => self.has(Defect::CleanEnds),
            JournalOp::PluginsChanged { .. } | JournalOp::EndNotOwed { .. } => self.has(Defect::PluginChanges),
            _ => false,
        }
    }

    fn change_completion(&self, one: &mut Completion) {
        if self.has(Defect::StoresForFailures) && one.changes.is_some() {
            one.settlement = Settlement::Delivered;
        }
        let Some(changes) = &mut one.changes else { return };
        if self.has(Defect::Quotas) {
            (changes.plugin_quota, changes.tenant_quota) = (None, None);
        }
        if self.has(Defect::Increments) {
            self.read_and_set(changes);
        }
        for (key, _) in &changes.changes {
            let before = self.inner.key_value(&changes.space, key).unwrap();
            self.before.lock().unwrap().insert((changes.space.clone(), key.clone()), before);
        }
    }

    fn read_and_set(&self, changes: &mut KeyValueChanges) {
        for (key, change) in &mut changes.changes {
            let Change::Add(more) = change else { continue };
            let is = self.inner.key_value(&changes.space, key).unwrap().unwrap_or_else(|| b"0".to_vec());
            let Ok(is) = String::from_utf8(is).unwrap().parse::<u64>() else { continue };
            *change = Change::Set((is.wrapping_add(*more)).to_string().into_bytes());
        }
    }
}

impl Journal for Wrong {
    fn name(&self) -> JournalName {
        if self.has(Defect::Name) { MemoryJournal::new().name() } else { self.inner.name() }
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        if self.released.load(Ordering::Relaxed) && self.has(Defect::Releases) {
            return Err(JournalError::Busy("somebody holds it".to_owned()));
        }
        let mut found = self.inner.recover()?;
        if self.has(Defect::ForgetsEnds) {
            found.ended.clear();
        }
        for session in &mut found.sessions {
            session.attachable |= self.has(Defect::Attachable);
            if self.has(Defect::Compactions) {
                session.compactions = 0;
            }
            if self.has(Defect::Updates) {
                let known = lastword_events::Session { cwd: None, ..(*session.session).clone() };
                session.session = Arc::new(known);
            }
            if self.has(Defect::Drains) {
                session.drained = None;
            }
            if self.has(Defect::CutsOfEveryPlugin) {
                let tried = session.drained().tried.iter().map(|end| end.attempt);
                session.attempt = tried.max().unwrap_or(0).max(session.attempt);
            }
        }
        for delivery in found.deliveries.iter_mut().filter(|_| self.has(Defect::Failures)) {
            delivery.failures = 0;
        }
        Ok(found)
    }

    fn append(&self, mut op: JournalOp) -> Pending<Appended> {
        self.change_op(&mut op);
        if self.leaves_out(&op) {
            return Pending::ready(Ok(Appended::Done));
        }
        let answer = at_once(self.inner.append(op));
        Pending::ready(match answer {
            Ok(Appended::Session { sequence, session }) if self.has(Defect::Generations) => {
                let session = lastword_events::Session { generation: 1, ..(*session).clone() };
                Ok(Appended::Session { sequence, session: session.into() })
            }
            Err(JournalError::UnknownSession(_)) if self.has(Defect::UnknownSessions) => Ok(Appended::Done),
            answer => answer,
        })
    }

    fn append_decided(&self, mut ops: Vec<JournalOp>) -> Pending<()> {
        ops.retain(|op| !self.leaves_out(op));
        ops.iter_mut().for_each(|op| self.change_op(op));
        if self.has(Defect::OrderOfDecided) {
            ops.reverse();
        }
        if self.has(Defect::Decided) { Pending::ready(Ok(())) } else { self.inner.append_decided(ops) }
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        if identity.scope.is_empty() && self.has(Defect::ScopelessLines) {
            return None;
        }
        let kinds = if self.has(Defect::KindsOfLines) { &Hook::ALL[..] } else { &[kind] };
        kinds.iter().find_map(|kind| self.inner.known_op(identity, *kind, op_id))
    }

    fn complete(&self, tenant: &Arc<str>, mut completions: Vec<Completion>) -> StagedCompletions {
        completions.iter_mut().for_each(|one| self.change_completion(one));
        if self.has(Defect::OrderOfOutcomes) {
            let late = self.late.lock().unwrap().take();
            let held = completions.pop_if(|one| late.is_none() && one.changes.is_none());
            *self.late.lock().unwrap() = held;
            completions.extend(late);
        }
        let all = completions.len();
        let staged = self.inner.complete(tenant, completions);
        if self.has(Defect::RefusesAll)
            && let Some(first) = staged.refused.first()
        {
            let why = first.why.clone();
            let refused = (0..all).map(|at| lastword_journal::RefusedCompletion { at, why: why.clone() }).collect();
            return StagedCompletions { refused, pending: staged.pending };
        }
        staged
    }

    fn flush(&self) -> Pending<()> {
        if self.has(Defect::Flush) { Pending::ready(Err(JournalError::Closed)) } else { self.inner.flush() }
    }

    fn probe(&self) -> Pending<()> {
        self.inner.probe()
    }

    fn release(&self) -> Pending<()> {
        self.released.store(true, Ordering::Relaxed);
        self.inner.release()
    }

    fn delivery(&self, delivery: &DeliveryKey) -> Result<Option<DeliveryRow>, JournalError> {
        self.inner.delivery(delivery)
    }

    fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<DeliveryPage, JournalError> {
        self.inner.deliveries(filter, page)
    }

    fn change_deliveries(&self, change: DeliveryChange, deliveries: Vec<DeliveryKey>) -> Pending<Vec<ChangedDelivery>> {
        let adopts = change == DeliveryChange::Adopt && self.has(Defect::Adopts);
        self.inner.change_deliveries(if adopts { DeliveryChange::Redeliver } else { change }, deliveries)
    }

    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        if self.has(Defect::ReadsWhatWasBefore)
            && let Some(before) = self.before.lock().unwrap().get(&(space.clone(), key.to_owned()))
        {
            return Ok(before.clone());
        }
        self.inner.key_value(space, key)
    }

    fn key_value_keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        let mut keys = self.inner.key_value_keys(space, after, limit)?;
        if self.has(Defect::KeyOrder) {
            keys.reverse();
        }
        Ok(keys)
    }

    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError> {
        self.inner.key_value_bytes(space)
    }

    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError> {
        self.inner.key_value_tenant_bytes(tenant)
    }
}

/// The journal in memory answers at once.
fn at_once(mut answer: Pending<Appended>) -> Result<Appended, JournalError> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(&mut answer).poll(&mut cx) {
        std::task::Poll::Ready(answer) => answer,
        std::task::Poll::Pending => panic!("it waits"),
    }
}
