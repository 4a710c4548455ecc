//! How a run ends.

use std::sync::Arc;

use lastword_events::{DrainReason, DrainReport};
use shuttle::future::block_on;
use shuttle::thread;

use crate::draw::{linger, up_to};
use crate::guest::Calls;
use crate::harness::Harness;
use crate::owner::Answers;
use crate::trace::trace;

/// How a run ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    Drain,
    TwoDrains,
    DrainAndClose,
    Close,
    TwoShutdowns,
    DrainAndShutdown,
    Detach,
    DetachAndShutdown,
    /// Its end is begun in one way or another, nobody waits for that, and the last handle is dropped.
    Abandon,
    /// The last handle is dropped.
    #[default]
    Drop,
    /// The last handle is dropped when nothing is owed any more.
    Settle,
}

impl Ending {
    /// Whether it is certain that a drain has taken place.
    pub(crate) fn drains(self) -> bool {
        matches!(self, Self::Drain | Self::TwoDrains | Self::TwoShutdowns | Self::DrainAndShutdown)
    }
}

/// Ends the run from threads of its own, each after a while. Gives what its drain has said, if anybody waited for it.
pub(crate) fn end(harness: &Harness, ending: Ending) -> Vec<DrainReport> {
    let drain = |reason| {
        let (runtime, beginning) = (harness.runtime.clone(), harness.beginning());
        thread::spawn(move || {
            linger();
            beginning.of_a_drain();
            trace!("drain begins: {reason:?}");
            let report = block_on(runtime.drain(reason));
            trace!("drain is over: {report:?}");
            Some(report)
        })
    };
    let close = || {
        let runtime = harness.runtime.clone();
        thread::spawn(move || {
            linger();
            trace!("the runtime is closed");
            block_on(runtime.close(DrainReason::Restart));
            None
        })
    };
    let shutdown = |reason| {
        let (runtime, beginning, answers) = (harness.runtime.clone(), harness.beginning(), harness.answers.clone());
        thread::spawn(move || {
            linger();
            beginning.of_a_drain();
            answers.the_journal_closes();
            trace!("shutdown begins: {reason:?}");
            let report = block_on(runtime.shutdown(reason));
            trace!("shutdown is over: {report:?}");
            Some(Arc::unwrap_or_clone(report))
        })
    };
    let journal_fails = harness.journal_fails;
    let detach = || {
        let (runtime, answers) = (harness.runtime.clone(), harness.answers.clone());
        thread::spawn(move || {
            linger();
            answers.the_journal_closes();
            trace!("the runtime detaches");
            let detached = block_on(runtime.detach());
            trace!("it is detached: {detached:?}");
            assert!(detached.is_ok() || journal_fails, "{detached:?}");
            None
        })
    };
    let enders = match ending {
        Ending::Drain => vec![drain(DrainReason::Shutdown)],
        Ending::TwoDrains => vec![drain(DrainReason::Shutdown), drain(DrainReason::Restart)],
        Ending::DrainAndClose => vec![drain(DrainReason::Shutdown), close()],
        Ending::Close => vec![close()],
        Ending::TwoShutdowns => vec![shutdown(DrainReason::Shutdown), shutdown(DrainReason::Restart)],
        Ending::DrainAndShutdown => vec![drain(DrainReason::Shutdown), shutdown(DrainReason::Restart)],
        Ending::Detach => vec![detach()],
        Ending::DetachAndShutdown => vec![detach(), shutdown(DrainReason::Shutdown)],
        Ending::Abandon => {
            abandon(harness);
            Vec::new()
        }
        Ending::Drop | Ending::Settle => Vec::new(),
    };
    let mut reports: Vec<DrainReport> = enders.into_iter().filter_map(|ender| ender.join().unwrap()).collect();
    // A shutdown may have something to say of what came after the drain.
    reports.iter_mut().for_each(|report| report.warnings.clear());
    reports.dedup();
    assert!(reports.len() <= 1, "whoever asked for a drain has the same report: {reports:?}");
    reports
}

/// Begins to end the run, and waits for nothing.
fn abandon(harness: &Harness) {
    linger();
    harness.beginning().of_a_drain();
    harness.answers.the_journal_closes();
    let runtime = &harness.runtime;
    match up_to(3) {
        0 => drop(runtime.drain(DrainReason::Shutdown)),
        1 => drop(runtime.shutdown(DrainReason::Shutdown)),
        2 => drop(runtime.detach()),
        _ => drop(runtime.close(DrainReason::Shutdown)),
    }
    linger();
}

/// Is told what begins, right before.
struct Beginning {
    answers: Arc<Answers>,
    /// None where the journal says by itself when it hears of a drain.
    calls: Option<Arc<Calls>>,
}

impl Beginning {
    fn of_a_drain(&self) {
        self.answers.a_drain_begins();
        if let Some(calls) = &self.calls {
            calls.a_drain_begins();
        }
    }
}

impl Harness {
    fn beginning(&self) -> Beginning {
        Beginning { answers: self.answers.clone(), calls: self.is_over_nats.then(|| self.calls.clone()) }
    }
}
