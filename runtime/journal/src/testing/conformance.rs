//! The contract of a journal, as tests for any implementation.

// A broken rule panics, as a test does. `journal_conformance` gathers the messages.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a rule that is broken panics, and is caught"
)]

mod answers;
mod deliveries;
mod key_values;
mod run_ends;
mod runs;
mod sessions;

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use self::runs::Runs;
use crate::Journal;

/// Checks what the contract of [`Journal`] says, one rule after the other. For instance: the next run finds what was answered, numbers are
/// never used again, writes for whose answers nobody waits are carried out in order, and only a change that is not possible any more is
/// refused.
///
/// `make` opens the journal: the same one each time, with what is in it. The journal before it is dropped by then without a release, as in
/// a crash. What is in the journal before the check does not matter. What the rules write stays in the journal, under tenants with names of
/// their own.
/// their own.
///
/// ```
/// # use std::sync::Arc;
/// # use lastword_journal::{MemoryJournal, testing::journal_conformance};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let journal = Arc::new(MemoryJournal::new());
/// journal_conformance(|| journal.clone()).await.unwrap();
/// # }
/// ```
///
/// # Errors
/// Every rule that is broken, and what was seen. (A broken rule panics inside, so the panic hook reports it too.)
pub async fn journal_conformance(make: impl Fn() -> Arc<dyn Journal>) -> Result<(), BrokenRules> {
    let names = crate::state::random_name();
    let mut broken = Vec::new();
    for (number, (rule, check)) in RULES.iter().enumerate() {
        let runs = Runs::new(&make, &format!("{names}-{number}"));
        if let Err(what) = outcome_of(check(runs)).await {
            broken.push(BrokenRule { rule, what });
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(BrokenRules(broken)) }
}

/// The names of all rules, as [`journal_conformance`] checks them.
pub fn conformance_rules() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|(name, _)| *name)
}

/// The rules that a journal breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenRules(Vec<BrokenRule>);

/// A rule that a journal breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenRule {
    /// The rule's name, which is a sentence.
    pub rule: &'static str,
    /// The behaviour that was seen.
    pub what: String,
}

impl BrokenRules {
    /// Each broken rule.
    pub fn iter(&self) -> impl Iterator<Item = &BrokenRule> {
        self.0.iter()
    }
}

impl fmt::Display for BrokenRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the journal breaks {} of {} rules:", self.0.len(), RULES.len())?;
        self.0.iter().try_for_each(|BrokenRule { rule, what }| write!(f, "\n- {rule}: {what}"))
    }
}

impl Error for BrokenRules {}

type Check = for<'a> fn(Runs<'a>) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

macro_rules! rules {
    ($($file:ident::$rule:ident,)*) => {
        &[$((stringify!($rule), |runs| Box::pin($file::$rule(runs)))),*]
    };
}

const RULES: &[(&str, Check)] = rules![
    sessions::sequence_numbers_are_never_used_again_and_generations_count_per_id,
    sessions::ends_of_the_last_seconds_are_known_to_the_next_run_until_something_is_heard_of_their_sessions,
    sessions::ends_that_are_long_ago_or_that_a_clock_has_from_the_future_are_not_told_again,
    sessions::sessions_of_one_id_in_two_scopes_are_two_and_share_no_generation,
    sessions::a_compaction_of_an_unknown_session_is_one_write_and_counts_once,
    sessions::an_op_id_belongs_to_its_session_and_kind_of_line,
    sessions::a_session_can_be_attached_as_long_as_no_run_can_have_told_of_its_end,
    sessions::sessions_without_an_end_are_found_with_what_is_known_of_them,
    sessions::a_write_for_a_session_that_is_not_active_is_an_error_and_changes_nothing,
    deliveries::what_is_owed_is_found_by_the_next_run_until_it_is_delivered_or_dead,
    deliveries::what_an_orphan_is_overtaken_by_is_remembered_until_its_plugin_is_back,
    deliveries::what_was_orphaned_is_owed_as_it_was_when_it_is_adopted,
    deliveries::a_drain_goes_by_who_is_installed_then_and_by_who_is_owed_the_end_for_the_start,
    deliveries::a_drain_needs_no_write_for_each_session_and_the_next_run_knows_what_is_settled,
    key_values::what_a_guest_wrote_is_there_when_its_call_delivered_and_not_before,
    key_values::a_space_has_its_keys_in_order_and_counts_the_bytes_of_keys_and_values,
    key_values::what_was_handed_over_is_read_at_once_and_in_order,
    key_values::what_cannot_be_stored_any_more_is_refused_alone_and_nothing_of_it_is_seen,
    key_values::quotas_count_what_is_stored_when_a_call_is_handed_over_and_let_go_what_frees,
    key_values::threads_that_hand_over_at_the_same_time_lose_no_increment,
    answers::what_nobody_waits_for_is_carried_out_all_the_same,
    answers::what_nobody_waits_for_takes_effect_in_its_order,
    answers::outcomes_of_a_tenant_are_recorded_in_their_order,
    answers::a_flush_answers_when_what_was_written_before_is_durable,
    answers::a_journal_keeps_its_name_and_says_whether_it_is_durable,
    run_ends::a_run_that_has_ended_cleanly_counts_no_attempt_of_what_was_not_called,
    run_ends::a_call_that_was_cut_as_its_run_ended_counts_one_attempt_and_no_other_does,
    run_ends::an_end_that_was_cut_in_a_drain_counts_one_attempt_to_its_plugin_alone,
    run_ends::what_is_released_is_on_record_and_free_for_the_next_run_whoever_holds_it,
];

/// The message of a broken rule.
async fn outcome_of(mut rule: Pin<Box<dyn Future<Output = ()> + '_>>) -> Result<(), String> {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| rule.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(text_of(&*panic))),
    })
    .await
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}
