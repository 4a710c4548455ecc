//! What has to add up when a run is over, whatever its schedule was.

use std::collections::{BTreeMap, HashMap, HashSet};

use lastword_events::{Deferral, DrainReport, EndReason, EventKey, Outcome, PluginName};
use lastword_fakes::sync::Time;
use lastword_journal::{DeliveryKey, Recovered, RecoveredSession, Settlement};
use lastword_on_shuttle::Tenants;

use crate::changes::{end_to_visitor, visitor};
use crate::ending::Ending;
use crate::guest::Calls;
use crate::harness::{ObservedOutcome, Plugins};
use crate::owner::Generation;
use crate::record::{OnRecord, Record};

/// What is known of a run.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) ending: Ending,
    pub(crate) time: Time,
    /// The journal may have been out of reach, or another's: what was not acknowledged may be on record, or not.
    pub(crate) journal_fails: bool,
    pub(crate) plugins: Plugins,
    pub(crate) reports: Vec<DrainReport>,
    /// Sessions that owners knew to be accepted when the first drain began.
    pub(crate) accepted_before: HashSet<Generation>,
    /// Sessions that their owners had ended before the first drain began.
    pub(crate) ended_before: HashSet<Generation>,
    pub(crate) told: Vec<ObservedOutcome>,
    pub(crate) undelivered: Option<u64>,
    pub(crate) leftovers: BTreeMap<&'static str, u64>,
}

impl Account {
    /// `recovered` is what the next run finds.
    pub(crate) fn check(&self, recovered: &Recovered, on_record: &OnRecord, calls: &Calls) {
        self.check_alone();
        let still_owed = owed_at_the_next_start(recovered, &self.plugins);
        on_record.look(|record| {
            let ends = ends(record, &self.plugins);
            let to_visitor = ends_owed_to_visitor(recovered, record);
            for end in ends.iter().chain(&to_visitor) {
                let delivered = check_one(end, record, &still_owed);
                let ok = calls.answered_ok(end);
                let is_right = ok == delivered || self.journal_fails && ok > delivered;
                assert!(is_right, "{end:?}: {ok} answers of the plugin, and {delivered} are written down");
            }
            let is_undelivered = |end: &&DeliveryKey| !record.is_delivered(end) && !record.forgotten.contains(*end);
            if let Some(undelivered) = self.undelivered {
                let left = ends.iter().chain(&to_visitor).filter(is_undelivered).count();
                let is_right = undelivered == number(left) || self.journal_fails && undelivered < number(left);
                assert!(is_right, "the runtime counts {undelivered}, and {left} are left");
            }
            if self.ending.drains() {
                self.check_that_every_end_is_in_the_account(&ends, record);
                self.check_that_owners_words_are_kept(record);
                if self.time == Time::Still && !self.journal_fails {
                    self.check_that_nothing_was_left_out(&ends, record);
                }
            }
        });
    }

    /// Checks what has to add up whoever has the journal when the run ends.
    pub(crate) fn check_alone(&self) {
        assert_eq!(self.leftovers, BTreeMap::new(), "something was not given back: {self:#?}");
        self.check_what_was_told();
        if self.ending.drains() {
            self.check_reports();
        }
    }

    fn told_of_ends(&self) -> impl Iterator<Item = &ObservedOutcome> {
        self.told.iter().filter(|told| told.delivery.event == EventKey::End)
    }

    fn check_what_was_told(&self) {
        let mut delivered = HashSet::new();
        let mut accounted = HashSet::new();
        for told in &self.told {
            let ObservedOutcome { delivery, outcome, draining, .. } = told;
            assert!(!delivered.contains(delivery), "{told:?}, after it was said to be delivered");
            if *outcome == Outcome::Delivered {
                delivered.insert(delivery);
            }
            if *draining {
                assert!(accounted.insert(delivery), "{told:?}, after the drain had said another outcome of it");
            }
        }
    }

    fn check_reports(&self) {
        let served: Vec<&DrainReport> = self.reports.iter().filter(|report| report.owed() > 0).collect();
        assert!(served.len() <= 1, "two drains have served ends: {served:?}");
        let sum = |count: fn(&DrainReport) -> u64| self.reports.iter().map(count).sum::<u64>();
        let told = |of: fn(&Outcome) -> bool| {
            number(self.told_of_ends().filter(|told| told.draining && of(&told.outcome)).count())
        };
        let reports = &self.reports;
        assert_eq!(sum(|r| r.delivered), told(|o| *o == Outcome::Delivered), "{reports:?}");
        assert_eq!(sum(|r| r.deferred - r.unreported), told(|o| matches!(o, Outcome::Deferred(_))), "{reports:?}");
        let (failed, told_failed) = (sum(|r| r.failed), told(|o| matches!(o, Outcome::Failed { .. })));
        // A failure from before the drain that is not written down, or not in time, is in its account, and was told before.
        let was_told_before = self.time == Time::Passes || self.journal_fails;
        assert!(failed == told_failed || failed > told_failed && was_told_before, "{reports:?}");
        let of_plugins = |report: &DrainReport| -> u64 {
            report.plugins.iter().map(|line| line.delivered + line.failed + line.deferred).sum()
        };
        assert!(reports.iter().all(|report| of_plugins(report) == report.owed()), "{reports:?}");
    }

    /// Each end of a session that was accepted before the drain was settled before it, or is in its account: told of, or
    /// among those that the report says nobody was told of.
    fn check_that_every_end_is_in_the_account(&self, ends: &[DeliveryKey], record: &Record) {
        let settled = |told: &&ObservedOutcome| told.draining || told.outcome == Outcome::Delivered;
        let settled: HashSet<&DeliveryKey> = self.told_of_ends().filter(settled).map(|told| &told.delivery).collect();
        let was_accepted = |end: &&DeliveryKey| self.accepted_before.contains(&record.generation(end.sequence));
        let untold: Vec<_> = (ends.iter().filter(was_accepted))
            .filter(|end| !settled.contains(end) && !record.is_dead(end) && !record.forgotten.contains(*end))
            .collect();
        let told_failed =
            self.told_of_ends().filter(|told| told.draining && matches!(told.outcome, Outcome::Failed { .. })).count();
        let failed: u64 = self.reports.iter().map(|report| report.failed).sum();
        let unreported: u64 = self.reports.iter().map(|report| report.unreported).sum();
        let room = unreported + failed - number(told_failed);
        assert!(number(untold.len()) <= room, "{untold:?} are in no account: {:?}", self.reports);
    }

    /// No timer went off. So everything that began before the drain was over had its turn.
    fn check_that_nothing_was_left_out(&self, ends: &[DeliveryKey], record: &Record) {
        let mut last: HashMap<&DeliveryKey, &ObservedOutcome> = HashMap::new();
        last.extend(self.told_of_ends().map(|told| (&told.delivery, told)));
        // An end can come after the drain's account is closed, a start cannot.
        let is_left =
            |end: &&DeliveryKey| !record.without_start.contains(&end.sequence) && !record.forgotten.contains(*end);
        for end in ends.iter().filter(is_left) {
            let told = last.get(end).unwrap_or_else(|| panic!("nobody was told what became of {end:?}"));
            let had_its_turn = match told.outcome {
                Outcome::Delivered => true,
                Outcome::Failed { .. } => told.draining || record.is_dead(end),
                Outcome::Deferred(why) => why == Deferral::Breaker,
            };
            assert!(had_its_turn, "{told:?}");
        }
        let said: u64 = self.reports.iter().map(|report| report.sessions).sum();
        assert_eq!(said, number(self.ended_by_drain().len()), "sessions that the drain has ended");
    }

    /// Sessions whose end had a drain's reason.
    fn ended_by_drain(&self) -> HashSet<u64> {
        let of_drain = |told: &&ObservedOutcome| matches!(told.reason, Some(EndReason::Shutdown | EndReason::Restart));
        self.told_of_ends().filter(of_drain).map(|told| told.delivery.sequence).collect()
    }

    /// An end that was asked for before the drain has its own reason, however long the disk takes to write it down.
    fn check_that_owners_words_are_kept(&self, record: &Record) {
        let overtaken = |sequence: &u64| self.ended_before.contains(&record.generation(*sequence));
        assert_eq!(
            self.ended_by_drain().into_iter().find(overtaken),
            None,
            "its owner had ended it before the drain did"
        );
    }
}

/// Every end that anybody is owed who stays: each session's, to each plugin that serves its tenant.
pub(crate) fn ends(record: &Record, plugins: &[(PluginName, Tenants)]) -> Vec<DeliveryKey> {
    let of_session = |(sequence, tenant): (u64, &str)| -> Vec<DeliveryKey> {
        let serving = plugins.iter().filter(|(_, tenants)| tenants.serves(tenant));
        let end = |plugin: &PluginName| DeliveryKey { sequence, event: EventKey::End, plugin: plugin.clone() };
        serving.map(|(plugin, _)| end(plugin)).collect()
    };
    let sessions = record.sessions.iter().map(|(sequence, session)| (*sequence, &*session.identity.tenant));
    sessions.flat_map(of_session).collect()
}

/// Either it was delivered, once, or it was given up, or the next start finds it. Gives how often it was delivered.
pub(crate) fn check_one(end: &DeliveryKey, record: &Record, still_owed: &HashMap<DeliveryKey, usize>) -> usize {
    let (delivered, dead) = (record.count(end, is_delivered), record.count(end, is_dead));
    let owed = still_owed.get(end).copied().unwrap_or(0);
    let dead = dead - record.revived.get(end).copied().unwrap_or(0);
    let forgotten = usize::from(record.forgotten.contains(end));
    assert_eq!(
        delivered + dead + owed + forgotten,
        1,
        "{end:?}: {delivered} delivered, {dead} given up, {owed} still owed, {forgotten} forgotten"
    );
    delivered
}

/// Every end that the plugin which comes and goes is owed: of sessions that were to end as long as it was there, and of those whose start
/// it was sent, unless they were dropped when it left.
fn ends_owed_to_visitor(recovered: &Recovered, record: &Record) -> HashSet<DeliveryKey> {
    let active = recovered.sessions.iter().filter(|active| is_owed_to_visitor(active));
    active.map(|active| end_to_visitor(active.sequence)).chain(record.owed_to_visitor.iter().cloned()).collect()
}

fn is_owed_to_visitor(active: &RecoveredSession) -> bool {
    active.drained().owed.iter().flatten().chain(&active.started).any(|plugin| *plugin == visitor())
}

/// Ends that the next run owes.
pub(crate) fn owed_at_the_next_start(
    recovered: &Recovered,
    plugins: &[(PluginName, Tenants)],
) -> HashMap<DeliveryKey, usize> {
    let mut owed: HashMap<DeliveryKey, usize> = HashMap::new();
    for delivery in recovered.deliveries.iter().filter(|owed| owed.delivery.event == EventKey::End) {
        *owed.entry(delivery.delivery.clone()).or_default() += 1;
    }
    for active in &recovered.sessions {
        let serving = plugins.iter().filter(|(_, tenants)| tenants.serves(&active.session.identity.tenant));
        for (plugin, _) in serving.filter(|(plugin, _)| !active.drained().settled.contains(plugin)) {
            let end = DeliveryKey { sequence: active.sequence, event: EventKey::End, plugin: plugin.clone() };
            *owed.entry(end).or_default() += 1;
        }
        if is_owed_to_visitor(active) && !active.drained().settled.contains(&visitor()) {
            *owed.entry(end_to_visitor(active.sequence)).or_default() += 1;
        }
    }
    owed
}

fn is_delivered(settlement: &Settlement) -> bool {
    *settlement == Settlement::Delivered
}

fn is_dead(settlement: &Settlement) -> bool {
    matches!(settlement, Settlement::Dead { .. })
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap()
}
