//! Waits until something ends the daemon, and takes its last steps.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword::{Detached, Runtime};
use lastword_config::{Drain, OnStop};
use lastword_events::DrainReason;
use lastword_server::Server;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout_at;

use super::controls::{Asked, Stop};
use super::idle::nobody_needs;
use super::spool::Intake;
use super::systemd;
use crate::exit::{Exit, undelivered};
use crate::limits::{
    CONNECTIONS_CLOSE, DETACHING_ADOPTED, DRAIN_OVERRUN, FREEING, LEAVING, OUTPUT_OVERRUN, STALLED_READER,
    TAKEN_OVER_LEAVES, WATCHDOG_OVERRUN,
};
use crate::node::{Behind, Node, Over};
use crate::output::line_queue::LineWriter;
use crate::report::{Drawing, Reports};
use crate::settle::{log_drain, settle};
use crate::signals::{Received, Signals};
use crate::traces::Traces;
use crate::watchdog::Watchdog;

/// A daemon that serves.
pub(super) struct Service {
    pub(super) runtime: Runtime,
    pub(super) server: Server,
    /// The tokio runtime of the server.
    pub(super) io_runtime: Handle,
    pub(super) logs: LineWriter,
    pub(super) signals: Signals,
    pub(super) watchdog: Watchdog,
    pub(super) asked: watch::Receiver<Asked>,
    /// The task that returns memory to the system until the end.
    pub(super) giving_back: AbortHandle,
    pub(super) drain: Drain,
    /// Draws drains.
    pub(super) reports: Option<Reports>,
    /// Sends the last spans.
    pub(super) traces: Option<Arc<Traces>>,
    pub(super) on_stop: OnStop,
    /// Takes in the spool.
    pub(super) intake: Option<Intake>,
    /// The idle time after which the daemon exits.
    pub(super) exit_when_idle: Option<Duration>,
    /// The node of a cluster, if the daemon is one.
    pub(super) node: Option<Node>,
}

/// How a daemon has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub(super) exit: Exit,
    /// Whether the daemon was idle, but an event has come since, so that another daemon has to continue.
    pub(super) needs_successor: bool,
}

/// The cause of the end. The first one counts.
#[derive(Clone, Copy, Debug)]
enum Cause {
    Signal(Received),
    /// An operator, through the API.
    Asked(Stop, Instant),
    /// The daemon was idle.
    Idle(Instant),
    /// The runtime cannot serve its sessions any more.
    Failed(Instant),
    /// Another node has the journal.
    TakenOver(Instant),
    /// The journal's servers have lost a part of it.
    Lost(Instant),
    /// The journal's thread has ended by itself.
    Defect(Instant),
}

impl Cause {
    /// Returns the beginning of the budget.
    fn at(self) -> Instant {
        match self {
            Self::Signal(signal) => signal.at,
            Self::Asked(_, at) | Self::Idle(at) | Self::Failed(at) => at,
            Self::TakenOver(at) | Self::Lost(at) | Self::Defect(at) => at,
        }
    }

    fn reason(self) -> DrainReason {
        match self {
            Self::Asked(Stop::Drain(reason), _) => reason,
            Self::Signal(_) | Self::Asked(Stop::HandOver, _) | Self::Idle(_) => DrainReason::Shutdown,
            Self::Failed(_) | Self::TakenOver(_) | Self::Lost(_) | Self::Defect(_) => DrainReason::Crashed,
        }
    }
}

impl Service {
    /// Serves until the end. The process can exit when it returns.
    pub(super) async fn run(mut self) -> Left {
        let cause = self.ended().await;
        let deadline = cause.at() + self.drain.budget;
        self.signals.ignore();
        let at_worst = match cause {
            _ if self.runtime.has_failed() => Exit::Internal,
            Cause::TakenOver(_) => Exit::TakenOver,
            Cause::Lost(_) => Exit::Journal,
            Cause::Defect(_) => Exit::Internal,
            _ => undelivered(self.runtime.durability()),
        };
        self.watchdog.expect(at_worst);
        self.watchdog.arm(deadline + WATCHDOG_OVERRUN);
        self.giving_back.abort();
        let _paused = self.node.as_ref().map(Node::stop_adopting);
        // A drain lets go of them behind the own sessions, and takes ends of adopted sessions until then, as its own.
        let mut detaching = if self.drains(cause) { None } else { self.detach_adopted(cause) };
        let mut leaves_work = false;
        let exit = match (cause, self.on_stop) {
            (Cause::Failed(_) | Cause::Defect(_), _) => self.give_up(cause, deadline).await,
            (Cause::TakenOver(_), _) => self.stop_at_once(cause).await,
            (Cause::Signal(_), OnStop::Keep) | (Cause::Asked(Stop::HandOver, _), _) => {
                self.hand_over(cause, deadline).await.0
            }
            (Cause::Idle(_), _) => {
                // Deliveries of a plugin that is not installed cannot be made.
                let orphaned: u64 = self.runtime.stats().plugins.iter().map(|plugin| plugin.orphaned).sum();
                let (exit, left) = self.hand_over(cause, deadline).await;
                leaves_work = left.is_none_or(|left| left.sessions > 0 || left.owed > orphaned);
                exit
            }
            (Cause::Signal(_), OnStop::Drain) if !self.drain.enabled => self.leave_owed(cause, deadline).await,
            _ => {
                let (exit, behind) = self.drain(cause, deadline).await;
                detaching = behind;
                exit
            }
        };
        let exit = if self.runtime.has_failed() { Exit::Internal } else { exit };
        self.watchdog.expect(exit);
        self.leave_cluster(cause, exit, detaching, deadline).await;
        // From here on a hook that writes to the spool sees that no daemon takes it in. Events from before are seen
        // here.
        let waits = self.intake.as_ref().is_some_and(Intake::release);
        let needs_successor = matches!(cause, Cause::Idle(_)) && (waits || leaves_work);
        if let Some(traces) = &self.traces {
            traces.finish(deadline);
        }
        let dropped = self.logs.dropped();
        if dropped > 0 {
            tracing::error!("{dropped} log lines were dropped: the reader of stderr was too slow for them");
        }
        self.logs.flush(deadline + OUTPUT_OVERRUN, STALLED_READER);
        if Instant::now() + FREEING > deadline {
            // The process ends now, and the system frees its memory.
            std::mem::forget(self);
        }
        Left { exit, needs_successor }
    }

    async fn ended(&mut self) -> Cause {
        let mut failed = pin!(self.runtime.failed());
        let mut signal = pin!(self.signals.first());
        let mut over = pin!(is_over(self.node.as_ref()));
        tokio::select! {
            biased;
            () = &mut failed => {
                tracing::error!("a worker panicked, which is a defect of lastword: the daemon leaves");
                Cause::Failed(Instant::now())
            }
            signal = &mut signal => Cause::Signal(signal),
            over = &mut over => {
                let (Over::Taken(why) | Over::Lost(why) | Over::Defect(why)) = &over;
                tracing::error!("this run is over: {why}");
                match over {
                    Over::Taken(_) => Cause::TakenOver(Instant::now()),
                    Over::Lost(_) => Cause::Lost(Instant::now()),
                    Over::Defect(_) => Cause::Defect(Instant::now()),
                }
            }
            (stop, at) = stop_asked(&mut self.asked) => {
                match stop {
                    Stop::Drain(_) => tracing::info!("an operator asked for it: draining, and leaving"),
                    Stop::HandOver => tracing::info!("asked to hand over to the next daemon: leaving"),
                }
                Cause::Asked(stop, at)
            }
            () = nobody_needs(&self.server, self.intake.as_ref(), self.exit_when_idle) => {
                tracing::info!("nobody needs the daemon any more: leaving");
                Cause::Idle(Instant::now())
            }
        }
    }

    /// Whether the end of the daemon is the end of its sessions.
    fn drains(&self, cause: Cause) -> bool {
        match cause {
            Cause::Signal(_) => self.on_stop == OnStop::Drain && self.drain.enabled,
            Cause::Asked(stop, _) => matches!(stop, Stop::Drain(_)),
            // Nobody else may find them in the journal.
            Cause::Lost(_) => true,
            Cause::Idle(_) | Cause::Failed(_) | Cause::TakenOver(_) | Cause::Defect(_) => false,
        }
    }

    /// Lets go of the adopted journals, within the budget.
    fn detach_adopted(&self, cause: Cause) -> Option<JoinHandle<()>> {
        self.node.as_ref().map(|node| node.detach_adopted(cause.at()))
    }

    /// Drains. Meanwhile no session begins, and ends are accepted, also those of adopted sessions. Also returns the task
    /// that lets go of the adopted journals behind the drain.
    async fn drain(&self, cause: Cause, deadline: Instant) -> (Exit, Option<JoinHandle<()>>) {
        let latest = deadline.checked_sub(DETACHING_ADOPTED).unwrap_or(deadline);
        let (drawing, detaching) =
            with_next(self.drain_and_close(cause, deadline), latest, || self.detach_adopted(cause)).await;
        let exit = match cause {
            Cause::Lost(_) => self.settle_lost(),
            _ => settle(&self.runtime),
        };
        self.release(cause.reason(), deadline).await;
        if let Some(drawing) = drawing {
            drawing.wait(deadline);
        }
        (exit, detaching)
    }

    /// Drains, and then answers the requests that are under way. Returns the drawing of the drain.
    async fn drain_and_close(&self, cause: Cause, deadline: Instant) -> Option<Drawing> {
        systemd::stopping("draining");
        if let Some(reports) = &self.reports {
            reports.drain_begins(cause.at(), self.drain.budget);
        }
        let drain = timeout_at((deadline + DRAIN_OVERRUN).into(), self.runtime.drain_since(cause.reason(), cause.at()));
        let drawing = match drain.await {
            Ok(report) => {
                log_drain(&report);
                self.server.drained(&report);
                // Draws while connections are closed: the report has been sent by then.
                self.reports.as_ref().and_then(|reports| reports.drained(report, "drained"))
            }
            Err(_) => {
                tracing::error!("the drain did not return within its budget and is left to itself");
                None
            }
        };
        self.close_connections(deadline).await;
        drawing
    }

    /// Returns the exit code of a run whose journal has lost something, and logs the number of deliveries that were not
    /// made.
    fn settle_lost(&self) -> Exit {
        let left = self.runtime.undelivered_ends();
        if left > 0 {
            tracing::error!(
                "{left} session-end deliveries were not made, and are owed only if what is left of the journal has them"
            );
        }
        Exit::Journal
    }

    /// Leaves everything owed, without any call (`[drain] enabled = false`).
    async fn leave_owed(&self, cause: Cause, deadline: Instant) -> Exit {
        systemd::stopping("leaving");
        let close = timeout_at((deadline + DRAIN_OVERRUN).into(), self.runtime.close(cause.reason()));
        if close.await.is_err() {
            tracing::error!("the journal did not answer within the budget");
        }
        self.close_connections(deadline).await;
        settle(&self.runtime)
    }

    /// Leaves every session active for the next daemon (`on-stop = "keep"`). Returns the exit code, and the numbers
    /// left unless they are unknown.
    async fn hand_over(&self, cause: Cause, deadline: Instant) -> (Exit, Option<Detached>) {
        systemd::stopping("handing over");
        // Comes first, with the budget that the signal began, so that calls are cut in time whatever clients do.
        let detach = self.runtime.detach_since(cause.at());
        // Runs at the same time, so that a plugin that hangs and a slow client do not add up.
        let closing = self.begin_to_close(deadline + DRAIN_OVERRUN);
        let detached = timeout_at((deadline + DRAIN_OVERRUN).into(), detach).await;
        // A client that waited for a delivery now gets the answer that it is made later, and has to read it.
        closed(closing, closing_ends(deadline)).await;
        match detached {
            Ok(Ok(left)) => {
                let (sessions, owed) = (left.sessions, left.owed);
                tracing::info!(sessions, owed, "left to the next daemon, as they are");
                (Exit::Delivered, Some(left))
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "the journal could not be written at the end");
                (undelivered(self.runtime.durability()), None)
            }
            Err(_) => {
                tracing::error!("the journal did not answer within the budget");
                (undelivered(self.runtime.durability()), None)
            }
        }
    }

    /// Exits because of a defect: sessions would wait for ever. Writes accepted events down, so that the next start
    /// continues.
    async fn give_up(&self, cause: Cause, deadline: Instant) -> Exit {
        self.hand_over(cause, deadline).await;
        Exit::Internal
    }

    /// Stops because another node has the journal, ends its sessions and makes what is owed: nothing that is said here would
    /// be on record.
    async fn stop_at_once(&self, cause: Cause) -> Exit {
        systemd::stopping("another node has the journal");
        let until = cause.at() + TAKEN_OVER_LEAVES;
        // No call begins any more, and those that are under way are made again by the other node.
        drop(self.runtime.detach_since(cause.at()));
        self.close_connections(until).await;
        Exit::TakenOver
    }

    /// Hands what this node has left to the other nodes. The own journal is on record by now.
    async fn leave_cluster(&self, cause: Cause, exit: Exit, detaching: Option<JoinHandle<()>>, deadline: Instant) {
        let (Some(node), Some(detaching)) = (&self.node, detaching) else { return };
        // Also when only the own journal is another node's: the adopted ones are still this one's.
        let until = deadline + DRAIN_OVERRUN;
        if timeout_at(until.into(), detaching).await.is_err() {
            tracing::warn!(
                "some adopted journals were not let go of in time: another node takes them over all the same"
            );
        }
        // A drain that has delivered everything has also written it down.
        let is_done = exit == Exit::Delivered
            && self.runtime.undelivered_ends() == 0
            && self.runtime.stats().sessions == 0
            && node.owes_nothing();
        let behind = match cause {
            _ if is_done => Behind::NothingOwed,
            Cause::Signal(_) if self.on_stop == OnStop::Drain => Behind::Owed,
            Cause::Asked(Stop::Drain(_), _) => Behind::Owed,
            // The next daemon under this name goes on, or has it to itself already. Whoever fell to a defect is noticed by its silence:
            // what it fell to may be deadly for the next one too.
            _ => Behind::Successor,
        };
        let at_most = deadline + OUTPUT_OVERRUN - LOG_LINES;
        node.leave(behind, until.max(Instant::now() + LEAVING).min(at_most)).await;
    }

    /// Answers the requests that are under way, if their clients read the answers.
    async fn close_connections(&self, deadline: Instant) {
        let until = closing_ends(deadline);
        closed(self.begin_to_close(until), until).await;
    }

    /// Takes no new request from now on.
    fn begin_to_close(&self, until: Instant) -> JoinHandle<()> {
        let server = self.server.clone();
        self.io_runtime.spawn(async move { server.close(until).await })
    }

    /// Closes the journal, so that it is complete and free when the process is gone, also for somebody who copies its
    /// file.
    async fn release(&self, reason: DrainReason, deadline: Instant) {
        let released = timeout_at((deadline + DRAIN_OVERRUN).into(), self.runtime.shutdown(reason));
        if released.await.is_err() {
            tracing::debug!("the journal is left to the system to close");
        }
    }
}

/// What the log's last lines have after the registry was told that this node leaves.
const LOG_LINES: Duration = Duration::from_millis(5);

/// How much later than `until` the server's `close` may return.
const CLOSE_OVERRUN: Duration = Duration::from_millis(10);

/// Returns the time until which clients may read their answers, once nothing else is awaited.
fn closing_ends(deadline: Instant) -> Instant {
    (Instant::now() + CONNECTIONS_CLOSE).min(deadline + DRAIN_OVERRUN)
}

/// Waits for the connections until then. The server keeps to the time; this is for a server that is blocked.
async fn closed(closing: JoinHandle<()>, until: Instant) {
    if timeout_at((until + CLOSE_OVERRUN).into(), closing).await.is_err() {
        tracing::warn!("some connections could not be closed in time");
    }
}

/// Carries `work` out, and `next` behind it, or already then if the work takes longer.
async fn with_next<T, U>(work: impl Future<Output = T>, then: Instant, next: impl FnOnce() -> U) -> (T, U) {
    let mut work = pin!(work);
    match timeout_at(then.into(), &mut work).await {
        Ok(done) => (done, next()),
        Err(_) => {
            let next = next();
            (work.await, next)
        }
    }
}

/// Resolves with the reason when the journal is another node's, or takes nothing more. Never without a cluster.
async fn is_over(node: Option<&Node>) -> Over {
    match node {
        Some(node) => node.is_over().await,
        None => std::future::pending().await,
    }
}

/// Resolves when an operator asks for the end.
async fn stop_asked(asked: &mut watch::Receiver<Asked>) -> (Stop, Instant) {
    let asked = asked.wait_for(Option::is_some).await.ok().and_then(|asked| *asked);
    match asked {
        Some(asked) => asked,
        // Nobody can ask any more.
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_comes_next_is_behind_the_work_and_waits_for_none_that_takes_too_long() {
        let far = Instant::now() + Duration::from_secs(3_600);
        let is_done = Cell::new(false);
        assert_eq!(with_next(async { is_done.set(true) }, far, || is_done.get()).await, ((), true));
        // This work ends because of what comes next.
        let (tell, told) = oneshot::channel();
        let (worked, ()) = with_next(async { told.await.unwrap() }, Instant::now(), || tell.send(2).unwrap()).await;
        assert_eq!(worked, 2);
    }
}
