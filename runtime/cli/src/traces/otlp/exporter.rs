//! The queue of spans, and the thread that sends them.
//!
//! Whoever has a span never waits: a span that does not fit is dropped and counted. A batch that cannot be sent is lost and counted, and
//! not sent again, and the next one waits for a second: so a collector that is away costs one attempt a second at most, however many spans
//! there are.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use parking_lot::{Condvar, Mutex};
use tokio::runtime::Builder;

use super::client::Client;

/// Spans that wait to be sent: 10 to 20 MiB, and what 4 000 deliveries make.
const MAX_QUEUED_SPANS: usize = 16 * 1024;
/// Spans of one request, as many as OpenTelemetry's own exporters send.
const MAX_BATCH: usize = 512;
/// How long spans wait for others to be sent along.
const BATCH_WAIT: Duration = Duration::from_secs(1);
/// How long a collector that is away is left alone.
const AWAY_WAIT: Duration = Duration::from_secs(1);

/// The spans that are to be sent. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct SpanQueue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something is queued, or sent, or everything is to be sent.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queued: VecDeque<SpanData>,
    /// The spans that are being sent.
    sending: usize,
    /// Everything is to be sent now.
    flushing: bool,
    /// When the last batch was lost. `None`: the collector is not away.
    away: Option<Instant>,
    /// The spans that did not fit, or could not be sent.
    dropped: u64,
}

impl State {
    /// Until when the next batch waits, if there have been spans for it since `first`. `None`: it goes now.
    fn waits_until(&self, first: Instant) -> Option<Instant> {
        if self.flushing {
            return None;
        }
        let for_others = (self.queued.len() < MAX_BATCH).then(|| first + BATCH_WAIT);
        let for_collector = self.away.map(|last| last + AWAY_WAIT);
        // The later one of those that there are.
        for_others.max(for_collector)
    }
}

impl SpanQueue {
    /// Adds spans. Those that do not fit are dropped.
    pub(super) fn push(&self, spans: impl IntoIterator<Item = SpanData>) {
        let mut state = self.0.state.lock();
        let (had, dropped) = (state.queued.len(), state.dropped);
        for span in spans {
            if state.queued.len() < MAX_QUEUED_SPANS {
                state.queued.push_back(span);
            } else {
                state.dropped += 1;
            }
        }
        // The thread waits for the first span, and then for a batch.
        let wakes = had == 0 || (had < MAX_BATCH && state.queued.len() >= MAX_BATCH);
        let is_first_loss = dropped == 0 && state.dropped > 0;
        drop(state);
        if wakes {
            self.0.changed.notify_all();
        }
        if is_first_loss {
            tell_first_loss();
        }
    }

    /// Counts spans that were not made, because too much would have to be remembered for them.
    pub(super) fn count_lost(&self, spans: u64) {
        let mut state = self.0.state.lock();
        let is_first_loss = state.dropped == 0;
        state.dropped += spans;
        drop(state);
        if is_first_loss {
            tell_first_loss();
        }
    }

    /// Waits for spans, and takes a batch.
    fn next(&self) -> Vec<SpanData> {
        let mut state = self.0.state.lock();
        while state.queued.is_empty() {
            self.0.changed.wait(&mut state);
        }
        let first = Instant::now();
        while let Some(until) = state.waits_until(first) {
            if self.0.changed.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        let count = state.queued.len().min(MAX_BATCH);
        state.sending = count;
        state.queued.drain(..count).collect()
    }

    /// Whether the last batch was lost.
    fn is_away(&self) -> bool {
        self.0.state.lock().away.is_some()
    }

    /// The batch is sent, or lost.
    fn sent(&self, is_lost: bool) {
        let mut state = self.0.state.lock();
        let count = std::mem::take(&mut state.sending);
        state.away = is_lost.then(Instant::now);
        if is_lost {
            state.dropped = state.dropped.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        drop(state);
        self.0.changed.notify_all();
    }

    fn flush(&self, until: Instant) -> Left {
        let mut state = self.0.state.lock();
        state.flushing = true;
        self.0.changed.notify_all();
        while !state.queued.is_empty() || state.sending > 0 {
            if self.0.changed.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        let unsent = u64::try_from(state.queued.len() + state.sending).unwrap_or(u64::MAX);
        Left { unsent, dropped: state.dropped }
    }
}

fn tell_first_loss() {
    tracing::warn!("more spans wait, for the collector or for their calls, than fit: others are dropped and counted");
}

/// The spans that did not reach the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// Those that wait, or are being sent.
    pub(super) unsent: u64,
    /// Those that did not fit or could not be sent.
    pub(super) dropped: u64,
}

/// Sends spans on a thread of its own.
pub(super) struct Exporter {
    queue: SpanQueue,
}

impl Exporter {
    /// Starts the thread, which is left behind when the process ends.
    ///
    /// # Errors
    /// When there is no thread or descriptor left.
    pub(super) fn spawn(sink: impl SpanExporter + 'static, client: Client) -> io::Result<Self> {
        let queue = SpanQueue::default();
        // Apart from the program's own, so that a collector can hold up nobody.
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let spans = queue.clone();
        thread::Builder::new().name("traces".to_owned()).spawn(move || {
            loop {
                let batch = spans.next();
                let sent = runtime.block_on(sink.export(batch));
                let failed = sent.err().map(|error| client.take_failure().unwrap_or_else(|| error.to_string()));
                let was_away = spans.is_away();
                match &failed {
                    // Once until it is back: the spans are counted.
                    Some(error) if !was_away => {
                        tracing::warn!(
                            "traces do not reach the collector: {error}; their spans are dropped and counted"
                        );
                    }
                    None if was_away => tracing::info!("traces reach the collector again"),
                    _ => (),
                }
                spans.sent(failed.is_some());
            }
        })?;
        Ok(Self { queue })
    }

    /// Returns the queue.
    pub(super) fn queue(&self) -> SpanQueue {
        self.queue.clone()
    }

    /// Sends everything, and waits for that until then.
    pub(super) fn flush(&self, until: Instant) -> Left {
        self.queue.flush(until)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

    use super::super::road::tests::span;
    use super::*;

    /// Sends how many spans each batch has, and answers what it is told to.
    #[derive(Debug)]
    struct Sink {
        batches: mpsc::Sender<usize>,
        answers: Mutex<mpsc::Receiver<OTelSdkResult>>,
    }

    impl SpanExporter for Sink {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.batches.send(batch.len()).ok();
            // Nobody answers any more: it hangs, as a collector may.
            self.answers.lock().recv().unwrap_or_else(|_| {
                loop {
                    thread::park();
                }
            })
        }
    }

    struct Collector {
        exporter: Exporter,
        batches: mpsc::Receiver<usize>,
        answer: mpsc::Sender<OTelSdkResult>,
    }

    fn collector() -> Collector {
        let (send, batches) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let sink = Sink { batches: send, answers: Mutex::new(answers) };
        let exporter = Exporter::spawn(sink, Client::new(Duration::from_secs(60))).unwrap();
        Collector { exporter, batches, answer }
    }

    /// Much more than anything here takes.
    fn patience() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn everything_is_sent_in_batches_when_it_is_flushed() {
        let collector = collector();
        let spans = MAX_BATCH + 3;
        for _ in 0..3 {
            collector.answer.send(Ok(())).unwrap();
        }
        collector.exporter.queue().push((0..spans).map(|_| span()));
        assert_eq!(collector.exporter.flush(patience()), Left { unsent: 0, dropped: 0 });
        let sizes: Vec<usize> = collector.batches.try_iter().collect();
        assert_eq!(sizes, [MAX_BATCH, 3]);
    }

    #[test]
    fn a_batch_that_cannot_be_sent_is_counted_and_the_next_one_goes_out() {
        let collector = collector();
        let fails = Err(OTelSdkError::InternalFailure("away".to_owned()));
        collector.answer.send(fails).unwrap();
        collector.answer.send(Ok(())).unwrap();
        collector.exporter.queue().push([span(), span()]);
        assert_eq!(collector.exporter.flush(patience()), Left { unsent: 0, dropped: 2 });
        collector.exporter.queue().push([span()]);
        assert_eq!(collector.exporter.flush(patience()), Left { unsent: 0, dropped: 2 });
    }

    #[test]
    fn a_full_batch_waits_for_a_collector_that_is_away_unless_all_is_to_be_sent() {
        let queue = SpanQueue::default();
        let add_batch = || queue.push((0..MAX_BATCH).map(|_| span()));
        let waits = |first| queue.0.state.lock().waits_until(first);
        let first = Instant::now();
        queue.push([span()]);
        assert_eq!(waits(first), Some(first + BATCH_WAIT));
        add_batch();
        assert_eq!(waits(first), None);
        // It goes at once, and so does what follows one that has arrived.
        assert_eq!(queue.next().len(), MAX_BATCH);
        queue.sent(false);
        add_batch();
        assert_eq!(queue.next().len(), MAX_BATCH);

        let tried = Instant::now();
        queue.sent(true);
        assert!(queue.is_away());
        add_batch();
        assert!(waits(first).unwrap() >= tried + AWAY_WAIT);
        assert_eq!(queue.flush(Instant::now()).unsent, u64::try_from(MAX_BATCH + 1).unwrap());
        assert_eq!(waits(first), None);
        assert_eq!(queue.next().len(), MAX_BATCH);
        queue.sent(false);
        assert!(!queue.is_away());
    }

    #[test]
    fn a_collector_that_hangs_holds_up_nobody_and_what_does_not_fit_is_counted() {
        let collector = collector();
        collector.exporter.queue().push([span()]);
        // It has taken the first one, and answers nothing.
        let flush = collector.exporter.flush(Instant::now());
        assert_eq!(flush, Left { unsent: 1, dropped: 0 });
        assert_eq!(collector.batches.recv(), Ok(1));
        collector.exporter.queue().push((0..MAX_QUEUED_SPANS + 5).map(|_| span()));
        collector.exporter.queue().count_lost(2);
        let left = collector.exporter.flush(Instant::now());
        assert_eq!(left, Left { unsent: u64::try_from(MAX_QUEUED_SPANS + 1).unwrap(), dropped: 7 });
    }
}
