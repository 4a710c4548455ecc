//! Serves the owner until something ends it, and drains. A raw connection of the daemon has a loop of its own, and
//! `server/src/raw/connection.rs` says why.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use lastword::Runtime;
use lastword_events::{DrainReason, DrainReport};
use tokio::task::AbortHandle;
use tokio::time::{timeout, timeout_at};

use super::answers::Answers;
use super::cause::Cause;
use super::ignored_events::IgnoredEvents;
use super::reader::Lines;
use crate::exit::{Exit, undelivered};
use crate::limits::{
    COUNTING_WAIT, DRAIN_LINE_BEFORE_END, DRAIN_OVERRUN, FREEING, LAST_LINE_BEFORE_END, OUTPUT_OVERRUN,
    OWNER_DIED_WAIT, SIGNAL_THREAD_WAIT, STALLED_READER, WATCHDOG_OVERRUN,
};
use crate::output::line_queue::LineWriter;
use crate::output::stdout_queue::OwnerWriter;
use crate::report::Reports;
use crate::settle::{log_drain, settle};
use crate::signals::{Received, Signals};
use crate::traces::Traces;
use crate::watchdog::Watchdog;
use lastword_protocol::input::Input;
use lastword_protocol::output::{Drain, Output};
use lastword_protocol::reader::ReadLine;

/// Hands the owner's events to the runtime until something ends it, and then drains.
pub(super) struct Service {
    runtime: Runtime,
    output: OwnerWriter,
    logs: LineWriter,
    lines: Lines,
    signals: Signals,
    watchdog: Watchdog,
    answers: Answers,
    ignored: IgnoredEvents,
    input_ended: bool,
    /// The time after which no line is taken. `None` before the drain.
    takes_lines_until: Option<Instant>,
    /// The task that returns memory to the system until the drain.
    giving_back: AbortHandle,
    /// Draws the drain.
    reports: Option<Reports>,
    /// Sends the last spans.
    traces: Option<Traces>,
    /// A finished drain that is not drawn yet.
    drained: Option<DrainReport>,
}

impl Service {
    pub(super) fn new(
        runtime: Runtime,
        output: OwnerWriter,
        logs: LineWriter,
        lines: Lines,
        signals: Signals,
        watchdog: Watchdog,
        giving_back: AbortHandle,
    ) -> Self {
        Self {
            runtime,
            output,
            logs,
            lines,
            signals,
            watchdog,
            answers: Answers::default(),
            ignored: IgnoredEvents::default(),
            input_ended: false,
            takes_lines_until: None,
            giving_back,
            reports: None,
            traces: None,
            drained: None,
        }
    }

    /// Sets the reports that draw the drain.
    pub(super) fn with_reports(self, reports: Option<Reports>) -> Self {
        Self { reports, ..self }
    }

    /// Sets the traces whose last spans are sent at the end.
    pub(super) fn with_traces(self, traces: Option<Traces>) -> Self {
        Self { traces, ..self }
    }

    /// Serves, drains and writes the last lines. The process can end when it returns.
    pub(super) async fn run(mut self, drain: bool, budget: Duration) -> Exit {
        let cause = self.serve().await;
        let deadline = cause.at() + budget;
        self.signals.ignore();
        let at_worst = if self.runtime.has_failed() { Exit::Internal } else { undelivered(self.runtime.durability()) };
        self.watchdog.expect(at_worst);
        self.watchdog.arm(deadline + WATCHDOG_OVERRUN);
        self.giving_back.abort();
        self.takes_lines_until = Some(deadline - LAST_LINE_BEFORE_END.min(budget / 4));
        let exit = match cause {
            Cause::Failed { .. } => self.give_up(deadline).await,
            _ if drain => self.drain(cause, deadline).await,
            _ => self.close(cause.reason(), deadline).await,
        };
        // The panic may have happened in the drain, which continued without that worker.
        let exit = if self.runtime.has_failed() { Exit::Internal } else { exit };
        self.watchdog.expect(exit);
        if let Some(summary) = self.ignored.summary() {
            tracing::info!("events that were not about the life of a session: {summary}");
        }
        if let Some(summary) = self.ignored.foreign_summary() {
            tracing::info!("events in words that --from does not name: {summary}");
        }
        self.log_duplicate_ends();
        self.output.flush(deadline + OUTPUT_OVERRUN, STALLED_READER);
        // Only now, because the owner waits for the drain's line.
        self.draw(deadline);
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
            std::mem::forget(self.runtime);
        }
        exit
    }

    fn log_duplicate_ends(&self) {
        let ends = self.runtime.duplicate_ends();
        if ends.count > 0 {
            let (all, more) = (ends.count, ends.with_more);
            tracing::info!("duplicate ends, not delivered again: {all}; {more} of them said more");
        }
    }

    /// Draws the drain in the rest of the budget.
    fn draw(&mut self, deadline: Instant) {
        let drawing = self.reports.as_ref().zip(self.drained.take());
        if let Some(drawing) = drawing.and_then(|(reports, report)| reports.drained(report, "exit")) {
            drawing.wait(deadline);
        }
    }

    /// Takes lines in order until the end.
    async fn serve(&mut self) -> Cause {
        let mut failed = pin!(self.runtime.failed());
        loop {
            let has_room = self.answers.has_room();
            let line = tokio::select! {
                biased;
                () = &mut failed => return Cause::Failed { at: Instant::now() },
                signal = self.signals.first() => return self.take_lines_read_before(signal),
                answer = self.answers.next() => {
                    self.output.answer(answer);
                    continue;
                }
                line = self.lines.recv(), if has_room => line,
            };
            match line {
                Some(line) => {
                    if let Some(reason) = self.take(line) {
                        return Cause::ShutdownLine { reason, at: Instant::now() };
                    }
                }
                None => return self.owner_left().await,
            }
        }
    }

    /// Handles the lines that were read before the signal, without waiting. So an end among them keeps its own reason,
    /// and a shutdown line among them is the cause instead of the signal.
    fn take_lines_read_before(&mut self, signal: Received) -> Cause {
        self.lines.gather();
        while let Some(line) = self.lines.gathered() {
            if let Some(reason) = self.take(line) {
                return Cause::ShutdownLine { reason, at: signal.at };
            }
        }
        Cause::Signal(signal)
    }

    /// Handles one line. Returns the reason if it asks for shutdown.
    fn take(&mut self, line: ReadLine) -> Option<DrainReason> {
        match line.input {
            Ok(Input::Shutdown(reason)) => return Some(reason),
            Ok(Input::Event(event)) => self.answers.ask(&self.runtime, line.number, *event),
            Ok(Input::Unrelated { name, session }) => {
                self.ignored.count(&name);
                if let Some(identity) = session {
                    self.runtime.seen(&identity);
                }
            }
            Ok(Input::Foreign(foreign)) => {
                self.ignored.foreign(&foreign);
                if let Some(bad) = foreign.error {
                    self.answers.refuse(line.number, &bad);
                }
            }
            Ok(Input::Blank) => {}
            Err(bad) => self.answers.refuse(line.number, &bad),
        }
        None
    }

    /// Finds the cause of the input's end: a signal to the whole process group may have come or be about to come.
    /// Without one the owner died.
    async fn owner_left(&mut self) -> Cause {
        let at = Instant::now();
        self.input_ended = true;
        if self.signals.input_ended(at) {
            tracing::info!("stdin ended after the interrupt: shutting down");
            return Cause::Interrupted { at };
        }
        match self.signal_soon_after(at).await {
            Some(signal) => Cause::Signal(signal),
            None => {
                match self.runtime.active_sessions() {
                    0 => tracing::info!("stdin ended without a shutdown line; no session is active"),
                    active => tracing::warn!(
                        "stdin ended without a shutdown line: the owner is taken for dead, its {active} active sessions end \
                         as crashed"
                    ),
                }
                Cause::OwnerDied { at: Instant::now() }
            }
        }
    }

    async fn signal_soon_after(&mut self, at: Instant) -> Option<Received> {
        let until = tokio::time::Instant::from_std(at) + OWNER_DIED_WAIT;
        let signal = timeout_at(until, self.signals.first());
        if let Ok(signal) = self.meanwhile(signal).await {
            return Some(signal);
        }
        // The signal came in time, but the signal thread has not run yet.
        while self.signals.has_unanswered() && at.elapsed() < SIGNAL_THREAD_WAIT {
            let signal = timeout(OWNER_DIED_WAIT, self.signals.first());
            if let Ok(signal) = self.meanwhile(signal).await {
                return Some(signal);
            }
        }
        None
    }

    /// Drains. Meanwhile the runtime refuses starts and accepts ends.
    async fn drain(&mut self, cause: Cause, deadline: Instant) -> Exit {
        let until = deadline + DRAIN_OVERRUN;
        if let Some(reports) = &self.reports {
            reports.drain_begins(cause.at(), deadline.saturating_duration_since(cause.at()));
        }
        let drain = timeout_at(until.into(), self.runtime.drain_since(cause.reason(), cause.at()));
        let report = self.meanwhile(drain).await.ok();
        let tell_by = deadline - DRAIN_LINE_BEFORE_END;
        self.answer_the_rest(tell_by).await;
        self.output.make_room_for_last(tell_by, STALLED_READER);
        match report {
            Some(report) => {
                self.tell(&report);
                self.drained = Some(report);
            }
            None => {
                tracing::error!("the drain did not return within its budget and is left to itself");
                if let Some(report) = self.count_so_far(cause, until + COUNTING_WAIT).await {
                    self.tell(&report);
                }
            }
        }
        settle(&self.runtime)
    }

    /// Returns the counts so far of a drain that has not returned.
    async fn count_so_far(&self, cause: Cause, until: Instant) -> Option<DrainReport> {
        loop {
            let report = self.runtime.drain_so_far(cause.reason(), cause.at());
            if report.is_some() || Instant::now() >= until {
                return report;
            }
            // No event tells when the lock is free.
            timeout(COUNTING_WAIT / 10, std::future::pending::<()>()).await.ok();
        }
    }

    /// Leaves everything owed, without any call (`[drain] enabled = false`).
    async fn close(&mut self, reason: DrainReason, deadline: Instant) -> Exit {
        let close = timeout_at((deadline + DRAIN_OVERRUN).into(), self.runtime.close(reason));
        if self.meanwhile(close).await.is_err() {
            tracing::error!("the journal did not answer within the budget");
        }
        self.answer_the_rest(deadline - DRAIN_LINE_BEFORE_END).await;
        settle(&self.runtime)
    }

    /// Exits because a worker has panicked: its sessions would wait for ever. Writes accepted events down, so that the
    /// next start delivers what is owed.
    async fn give_up(&mut self, deadline: Instant) -> Exit {
        tracing::error!("a worker panicked, which is a defect of lastword: the program leaves");
        match timeout_at((deadline + DRAIN_OVERRUN).into(), self.runtime.detach()).await {
            Ok(Ok(_)) => (),
            Ok(Err(error)) => tracing::error!(%error, "the journal could not be written at the end"),
            Err(_) => tracing::error!("the journal did not answer within the budget"),
        }
        self.answer_the_rest(deadline - DRAIN_LINE_BEFORE_END).await;
        // Called for its log line: the number of owed or lost deliveries.
        settle(&self.runtime);
        Exit::Internal
    }

    /// Waits for `future`. Meanwhile takes lines, as long as there is time for them, and prints answers.
    async fn meanwhile<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            let until = self.takes_lines_until;
            let in_time = until.is_none_or(|until| Instant::now() < until);
            let takes_lines = in_time && !self.input_ended && self.answers.has_room();
            let line = tokio::select! {
                biased;
                done = &mut future => return done,
                () = sleep_until(until), if takes_lines => continue,
                answer = self.answers.next() => {
                    self.output.answer(answer);
                    continue;
                }
                line = self.lines.recv(), if takes_lines => line,
            };
            match line {
                Some(line) => {
                    // A second shutdown line changes nothing.
                    self.take(line);
                }
                None => self.input_ended = true,
            }
        }
    }

    /// Prints the answers to events that were handed over before the end, as far as there is time.
    async fn answer_the_rest(&mut self, until: Instant) {
        while !self.answers.is_empty() {
            match timeout_at(until.into(), self.answers.next()).await {
                Ok(answer) => self.output.answer(answer),
                Err(_) => return,
            }
        }
    }

    fn tell(&self, report: &DrainReport) {
        log_drain(report);
        let dropped = self.output.dropped() + report.unreported;
        let reason = report.reason.to_string();
        self.output.last(&Output::Drain(Drain::new(report, &reason, dropped)).line());
    }
}

/// Never resolves without a moment.
async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
