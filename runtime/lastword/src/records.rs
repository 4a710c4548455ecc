//! Outcomes of calls that are being recorded: the journal was handed them, and has not answered.

use std::sync::Arc;

use lastword_journal::JournalError;
use tokio::sync::watch;

/// How many records are under way, and whether any was refused.
#[derive(Clone, Default)]
pub(crate) struct Records(Arc<watch::Sender<State>>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    under_way: usize,
    /// Some outcome is not on record, and may never be.
    is_incomplete: bool,
}

/// A record that is under way, until it is dropped.
#[must_use]
pub(crate) struct RecordUnderWay {
    records: Records,
    is_durable: bool,
}

impl Records {
    /// The journal was handed some outcomes.
    pub(crate) fn begin(&self) -> RecordUnderWay {
        self.0.send_modify(|state| state.under_way += 1);
        RecordUnderWay { records: self.clone(), is_durable: false }
    }

    /// The journal has refused some outcomes.
    pub(crate) fn mark_incomplete(&self) {
        self.0.send_modify(|state| state.is_incomplete = true);
    }

    /// Resolves when the journal has answered for everything that it was handed before. Says whether all outcomes are on record.
    pub(crate) async fn answered(&self) -> bool {
        let mut state = self.0.subscribe();
        // The sender lives as long as `self`.
        state.wait_for(|state| state.under_way == 0).await.is_ok_and(|state| !state.is_incomplete)
    }
}

impl RecordUnderWay {
    /// The journal has answered.
    pub(crate) fn answered(mut self, answer: Result<(), &JournalError>) {
        self.is_durable = answer.is_ok();
    }
}

impl Drop for RecordUnderWay {
    fn drop(&mut self) {
        self.records.0.send_modify(|state| {
            state.under_way -= 1;
            state.is_incomplete |= !self.is_durable;
        });
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn what_is_under_way_is_waited_for_and_what_is_refused_or_never_answered_is_lacking() {
        assert!(Records::default().answered().await);
        for (answers, all) in
            [(&[Ok(())][..], true), (&[Ok(()), Err(&JournalError::Closed)][..], false), (&[][..], false)]
        {
            let records = Records::default();
            let under_way = [records.begin(), records.begin()];
            let mut answered = pin!(records.answered());
            assert!(answered.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            for (record, answer) in under_way.into_iter().zip(answers.iter().cycle()) {
                record.answered(*answer);
            }
            assert_eq!(answered.await, all, "{answers:?}");
        }
    }
}
