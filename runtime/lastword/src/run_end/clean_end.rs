//! Records whether a run has ended cleanly: for each call that began in it, the journal has the outcome, or knows that the call was cut.
//!
//! An attempt costs no write before its call. So the next run counts one more attempt for all that is owed, unless it is on record that no
//! attempt was made without a trace.

use std::sync::atomic::Ordering;

use lastword_journal::{JournalError, JournalOp};

use crate::core::Core;

/// Records that the run has ended cleanly, if it has. The caller makes sure that no call begins any more. The answer comes when everything
/// that the journal was handed before is durable.
///
/// # Errors
/// When something cannot be written now. Then the next run counts an attempt for each delivery that is owed.
pub(crate) async fn record_clean_end(core: &Core) -> Result<(), JournalError> {
    // Asked before the flush: the outcome of a call that is back by now has been handed over.
    let all_are_back = core.dispatcher().has_no_call();
    core.journal().flush().await?;
    if !all_are_back || !core.records().answered().await || core.run_end().is_clean.load(Ordering::Relaxed) {
        return Ok(());
    }
    let cut = core.run_end().cuts.lock().clone();
    // Appended after the flush: an outcome may be written later than what was appended after it.
    core.journal().append_decided(vec![JournalOp::Ended { cut }]).await?;
    core.run_end().is_clean.store(true, Ordering::Relaxed);
    Ok(())
}
