//! Tells what happens in a schedule that is run again, step by step.

use std::sync::OnceLock;

use lastword_journal::{DeliveryKey, JournalOp};

/// Of the schedule that is to be run again, if one is.
pub(crate) fn seed() -> Option<u64> {
    static SEED: OnceLock<Option<u64>> = OnceLock::new();
    *SEED.get_or_init(|| std::env::var("LASTWORD_SEED").ok()?.parse().ok())
}

/// Tells what happens in a schedule that is run again.
macro_rules! trace {
    ($($what:tt)*) => {
        if $crate::trace::seed().is_some() {
            eprintln!("{:10} {}", format!("{:?}", shuttle::current::me()), format_args!($($what)*));
        }
    };
}

pub(crate) use trace;

pub(crate) fn name(delivery: &DeliveryKey) -> String {
    format!("{}/{}/{}", delivery.sequence, delivery.event, delivery.plugin)
}

pub(crate) fn describe(write: &JournalOp) -> String {
    match write {
        JournalOp::Start { session, .. } => format!("start of {}", session.identity.id),
        JournalOp::Update { sequence, .. } => format!("update of {sequence}"),
        JournalOp::Compaction { sequence, n, .. } => format!("compaction {n} of {sequence}"),
        JournalOp::CompactionWithoutStart { session, .. } => {
            format!("compaction of {}, without a start", session.identity.id)
        }
        JournalOp::End { sequence, .. } => format!("end of {sequence}"),
        JournalOp::EndWithoutStart { session, .. } => format!("end of {}, without a start", session.identity.id),
        JournalOp::Replace { end, start } => format!("{}, and {}", describe(end), describe(start)),
        JournalOp::Seen { sequence } => format!("{sequence} lives"),
        JournalOp::Installed { .. } => "who is installed".to_owned(),
        JournalOp::PluginsChanged { .. } => "who is installed from now on".to_owned(),
        JournalOp::Orphaned { delivery, .. } => format!("orphaned {}", name(delivery)),
        JournalOp::EndNotOwed { sequence, plugin } => format!("the end of {sequence} is not owed to {plugin}"),
        JournalOp::Draining { reason, .. } => format!("draining: {reason:?}"),
        JournalOp::Ended { cut } => format!("the run ends, with {} calls cut", cut.len()),
    }
}
