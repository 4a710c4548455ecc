//! Groups of a queue, as a test asks for them.

use std::sync::Arc;

use lastword_events::{Change, EventKey, PluginName, Session, SessionStart, Timestamp};
use lastword_journal::state::{NothingCommitted, ROW_BYTES, Store};
use lastword_journal::{Completion, DeliveryKey, JournalOp, KeyValueChanges, Pending, Settlement, Space};
use proptest::prelude::*;

use super::*;

const GROUP: u64 = 100 * ROW_BYTES;
const APART: GroupContents = GroupContents::Separate { tenants: usize::MAX };

/// The writes that a test has sent to a queue, with the receivers of the answers.
#[derive(Default)]
struct Asked {
    queue: WriteQueue,
    outcomes: Vec<Pending<()>>,
    flushes: Vec<Pending<()>>,
}

impl Asked {
    /// Sends outcomes of a tenant that cost as many rows as `rows`.
    fn outcome(&mut self, tenant: &str, rows: usize) {
        let plugin = PluginName::new("p").unwrap();
        let changes = (1..rows).map(|n| (format!("{n:04}"), Change::Set(Vec::new()))).collect();
        let space = Space { tenant: tenant.into(), plugin: plugin.clone() };
        let changes = Box::new(KeyValueChanges { space, plugin_quota: None, tenant_quota: None, changes });
        let sequence = u64::try_from(self.outcomes.len()).unwrap();
        let delivery = DeliveryKey { sequence, event: EventKey::End, plugin };
        let changes = (rows > 1).then_some(changes);
        let completion = Completion { delivery, attempt: 1, settlement: Settlement::Delivered, changes };
        let (_, resolved) = Store::new(NothingCommitted, []).stage(vec![completion], |resolved| resolved);
        let (reply, pending) = Pending::later();
        self.queue.push(Command::Outcomes(Outcomes::new(tenant.into(), resolved, reply)));
        self.outcomes.push(pending);
    }

    fn line(&mut self) -> Pending<lastword_journal::Appended> {
        let (reply, pending) = Pending::later();
        let (session, event) =
            (Arc::new(Session::new("t", "s")), Arc::new(lastword_events::Event::Start(SessionStart::default())));
        let write = JournalOp::Start { session, event, owed: vec![], op_id: None };
        self.queue.push(Command::Append(Append::Requested(Box::new(write), reply)));
        pending
    }

    fn record(&mut self) -> Pending<()> {
        let (reply, pending) = Pending::later();
        let reason = lastword_events::DrainReason::Shutdown;
        self.queue
            .push(Command::Append(Append::Decided(vec![JournalOp::Draining { reason, at: Timestamp::now() }], reply)));
        pending
    }

    fn flush(&mut self) {
        let (reply, pending) = Pending::later();
        self.queue.push(Command::Flush(reply));
        self.flushes.push(pending);
    }

    /// The next group: lines in it, and outcomes as the numbers in which they came.
    fn group(&mut self) -> (usize, Vec<u64>) {
        let group = self.queue.next_group(GROUP, GroupContents::Mixed);
        (group.appends.len(), numbers(&group))
    }

    fn group_itself(&mut self) -> Group {
        self.queue.next_group(GROUP, GroupContents::Mixed)
    }

    fn tenants(&mut self) -> Vec<String> {
        self.queue
            .next_group(GROUP, GroupContents::Mixed)
            .outcomes
            .iter()
            .map(|(_, one)| one.tenant.to_string())
            .collect()
    }
}

fn numbers(group: &Group) -> Vec<u64> {
    group.outcomes.iter().map(|(_, one)| one.completions[0].completion.delivery.sequence).collect()
}

fn is_answered<T: Unpin>(pending: &mut Pending<T>) -> Option<bool> {
    use std::future::Future as _;
    use std::task::{Context, Poll, Waker};
    match std::pin::Pin::new(pending).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer.is_ok()),
        Poll::Pending => None,
    }
}

#[test]
fn a_line_is_in_the_next_group_however_much_tenants_have_waiting() {
    let mut asked = Asked::default();
    for tenant in 0..20 {
        (0..50).for_each(|_| asked.outcome(&format!("t{tenant}"), 40));
    }
    asked.group();
    let _answer = asked.line();
    let (lines, outcomes) = asked.group();
    assert_eq!((lines, outcomes.is_empty()), (1, false), "and outcomes get on as well");
}

#[test]
fn what_is_larger_than_a_group_is_one_alone_and_keeps_a_line_waiting_once() {
    let mut asked = Asked::default();
    (0..3).for_each(|_| asked.outcome("large", 500));
    let _first = asked.line();
    assert_eq!(asked.group(), (1, vec![]));
    let _second = asked.line();
    assert_eq!(asked.group(), (0, vec![0]), "it was passed over for a line, and not for another one");
    let _third = asked.line();
    assert_eq!(asked.group(), (2, vec![]));
    assert_eq!(asked.group(), (0, vec![1]));
    asked.outcome("small", 1);
    let _fourth = asked.line();
    assert_eq!(asked.group(), (1, vec![3]));
    assert_eq!(asked.group(), (0, vec![2]));
}

#[test]
fn no_outcome_is_before_a_line_that_was_there_first() {
    let mut asked = Asked::default();
    asked.outcome("large", 500);
    let _line = asked.line();
    assert_eq!(asked.group(), (1, vec![]));
    let _draining = asked.record();
    asked.outcome("t", 1);
    assert_eq!(asked.group(), (0, vec![0]));
    assert_eq!(asked.group(), (1, vec![1]));
    let _line = asked.line();
    asked.outcome("large", 500);
    asked.outcome("t", 1);
    assert_eq!(asked.group(), (1, vec![3]));
    let _draining = asked.record();
    asked.outcome("u", 1);
    assert_eq!(asked.group(), (1, vec![4]));
}

#[test]
fn lines_that_never_end_leave_room_for_outcomes() {
    let mut asked = Asked::default();
    (0..20).for_each(|_| asked.outcome("t", 20));
    let _answers: Vec<_> = (0..1_000).map(|_| asked.line()).collect();
    let (lines, outcomes) = asked.group();
    assert!(lines > 20 && outcomes == [0, 1], "{lines} lines, and outcomes {outcomes:?}");
}

#[test]
fn a_tenant_with_much_to_write_waits_for_itself() {
    let mut asked = Asked::default();
    (0..1_000).for_each(|_| asked.outcome("flood", 90));
    asked.group();
    asked.outcome("quiet", 1);
    assert_eq!(asked.tenants()[0], "quiet", "it is next, and not behind a thousand");
}

#[test]
fn whoever_pauses_saves_up_nothing_and_owes_what_it_had() {
    let mut asked = Asked::default();
    (0..100).for_each(|_| asked.outcome("busy", 10));
    (0..5).for_each(|_| drop(asked.tenants()));
    (0..100).for_each(|_| asked.outcome("late", 10));
    let served = asked.tenants();
    let busy = served.iter().filter(|tenant| *tenant == "busy").count();
    assert_eq!(2 * busy, served.len(), "{served:?}");
    // One large write, and none behind it. It goes when the others have had as much.
    let mut asked = Asked::default();
    asked.outcome("large", 500);
    (0..100).for_each(|_| asked.outcome("small", 10));
    asked.group();
    asked.outcome("large", 500);
    for _ in 0..4 {
        assert!(asked.tenants().iter().all(|tenant| tenant == "small"));
    }
}

#[test]
fn a_flush_waits_for_what_came_before_it_and_for_nothing_else() {
    let mut asked = Asked::default();
    (0..2).for_each(|_| asked.outcome("t", 60));
    asked.flush();
    asked.outcome("u", 60);
    let mut answered = Vec::new();
    for _ in 0..3 {
        asked.group();
        asked.queue.answer_flushes();
        answered.push(is_answered(&mut asked.flushes[0]));
    }
    assert_eq!(answered, [None, None, Some(true)], "u's outcome was before t's second one, in turn");
    assert!(asked.queue.is_empty());
    // Nothing was queued before, so the flush waits for no group, once there was a try.
    asked.flush();
    asked.outcome("t", 60);
    asked.queue.answer_flushes();
    assert_eq!(is_answered(&mut asked.flushes[1]), Some(true));
}

#[test]
fn of_a_group_that_cannot_be_written_owners_are_told_and_the_rest_is_as_it_was() {
    let mut asked = Asked::default();
    let (mut line, mut record) = (asked.line(), asked.record());
    (0..3).for_each(|_| asked.outcome("t", 20));
    (0..3).for_each(|_| asked.outcome("u", 20));
    asked.flush();
    let mut behind = Vec::new();
    let group = asked.queue.next_group(GROUP, GroupContents::Mixed);
    behind.push(asked.line());
    let first = numbers(&group);
    let bytes = asked.queue.outcome_bytes();
    let error = JournalError::Unavailable("full".into());
    assert_eq!(asked.queue.requeue(group, &error), 2);
    assert_eq!((is_answered(&mut line), is_answered(&mut behind[0])), (Some(false), Some(false)));
    assert_eq!((is_answered(&mut record), is_answered(&mut asked.flushes[0])), (None, Some(false)));
    assert!(asked.queue.outcome_bytes() > bytes);
    let again = asked.queue.next_group(GROUP, APART);
    assert_eq!((again.appends.len(), numbers(&again)), (1, vec![]), "apart from what the disk may have no room for");
    let again = asked.queue.next_group(GROUP, APART);
    assert_eq!((again.appends.len(), numbers(&again)), (0, first));
}

#[test]
fn where_outcomes_alone_have_failed_lines_that_were_not_tried_wait_on() {
    let mut asked = Asked::default();
    asked.outcome("t", 500);
    let group = asked.group_itself();
    let mut line = asked.line();
    assert_eq!(asked.queue.requeue(group, &JournalError::Closed), 0);
    assert_eq!(is_answered(&mut line), None);
    assert!(asked.queue.has_requeued());
    let again = asked.queue.next_group(GROUP, GroupContents::Separate { tenants: 0 });
    assert_eq!((again.appends.len(), again.outcomes.len()), (1, 0));
}

#[test]
fn whose_outcomes_fail_alone_is_behind_the_others_until_they_have_had_their_turn() {
    let mut asked = Asked::default();
    for tenant in ["a", "b", "c"] {
        (0..2).for_each(|_| asked.outcome(tenant, 10));
    }
    let one = GroupContents::Separate { tenants: 1 };
    let failed = asked.queue.next_group(GROUP, one);
    assert_eq!(numbers(&failed), [0], "one tenant's, as far as it is its turn");
    asked.queue.requeue(failed, &JournalError::Closed);
    assert!(asked.queue.defer_to_others());
    let mut written = Vec::new();
    for _ in 0..6 {
        written.extend(numbers(&asked.queue.next_group(GROUP, one)));
    }
    assert!(written.iter().take(4).all(|number| *number > 1), "{written:?}");
    assert_eq!(written[4..], [0, 1]);
    assert!(asked.queue.is_empty() && !asked.queue.has_requeued());
}

#[test]
fn tenants_that_wait_for_nothing_are_forgotten() {
    let mut asked = Asked::default();
    asked.outcome("zz", 9);
    for tenant in 0..10_000 {
        asked.outcome(&format!("t{tenant}"), 1);
        asked.queue.next_outcomes(ROW_BYTES);
        assert!(asked.queue.tenants.len() <= MIN_TENANTS_TO_PRUNE.max(2 * asked.queue.pruned + 1));
    }
}

proptest! {
    /// For all writes, and however often the disk fails: no write is lost or doubled, each tenant's outcomes and all the records are in
    /// their order, no outcome goes before an earlier record, and tenants with enough waiting get equal parts.
    #[test]
    fn everything_has_its_turn_in_its_order(
        said in prop::collection::vec((0usize..4, 1usize..150), 1..120),
        fails in prop::collection::vec(any::<bool>(), 40),
    ) {
        let mut asked = Asked::default();
        let mut records = Vec::new();
        let mut of_tenant: Vec<Vec<u64>> = vec![Vec::new(); 3];
        let mut last_record = std::collections::HashMap::new();
        for &(who, rows) in &said {
            if who == 3 {
                records.push(asked.record());
            } else {
                let number = asked.outcomes.len() as u64;
                of_tenant[who].push(number);
                last_record.insert(number, records.len());
                asked.outcome(&format!("t{who}"), rows);
            }
        }
        let (mut written, mut recorded) = (Vec::new(), 0);
        let mut fails = fails.into_iter();
        while !asked.queue.is_empty() {
            let failed = fails.next().unwrap_or(false);
            let group = asked.queue.next_group(GROUP, if failed { APART } else { GroupContents::Mixed });
            prop_assert!(!group.appends.is_empty() || !group.outcomes.is_empty());
            if failed {
                asked.queue.requeue(group, &JournalError::Closed);
                continue;
            }
            recorded += group.appends.len();
            for number in numbers(&group) {
                prop_assert!(recorded >= last_record[&number], "an outcome before a record");
                written.push(number);
            }
        }
        prop_assert_eq!(recorded, records.len());
        prop_assert_eq!(written.len(), asked.outcomes.len());
        for wanted in of_tenant {
            let found: Vec<u64> = written.iter().copied().filter(|number| wanted.contains(number)).collect();
            prop_assert_eq!(found, wanted);
        }
        prop_assert_eq!(asked.queue.outcome_bytes(), 0);
    }
}
