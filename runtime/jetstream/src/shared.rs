//! What the journal's callers and its writer share: the state, and the writes on their way into the chain.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use lastword_events::JournalName;
use lastword_journal::state::Store;
use lastword_journal::{CommitObserver, JournalError, JournalOp, Pending, Reply};
use tokio::sync::{Notify, watch};

use crate::limits::{MAX_QUEUED_WRITES, SILENT_AFTER};
use crate::record::Record;
use crate::snapshot::Snapshot;
use crate::state::{Answer as StateAnswer, State};
use crate::status::{Ended, JournalStatus};
use crate::sync::{Instant, Mutex, RwLock};
use crate::values::Values;
use crate::waiting::{Answer, Queued, Waiting};

/// What the journal's callers and its writer share.
pub(crate) struct Shared {
    pub(crate) name: JournalName,
    /// The locks of the store are taken before that of the state.
    pub(crate) store: Store<Values>,
    inner: Mutex<Inner>,
    /// Wakes the writer.
    pub(crate) wake: Notify,
    /// Requests without an answer.
    lines: AtomicUsize,
    /// The moment from which the writer counts its time.
    pub(crate) began: Instant,
    /// Since when something waits and nothing was acknowledged, in milliseconds since `began`. [`NOTHING_WAITS`] if nothing waits.
    waiting_since: AtomicU64,
    /// Whether the stream is nearly full.
    pub(crate) is_full: AtomicBool,
    /// Whether the run drains.
    pub(crate) drains: AtomicBool,
    pub(crate) status: RwLock<JournalStatus>,
    pub(crate) ended: watch::Sender<Option<Ended>>,
    pub(crate) observer: OnceLock<CommitObserver>,
    release: Mutex<Release>,
}

const NOTHING_WAITS: u64 = u64::MAX;

struct Inner {
    state: State,
    /// In the order in which they were carried out.
    queue: Vec<Queued>,
    phase: Phase,
}

/// What the journal takes.
enum Phase {
    /// Nothing: its run has not begun.
    Opened,
    /// Writes.
    Running,
    /// Nothing any more.
    Over(JournalError),
}

/// Whether the journal is released, and the callers that wait for that.
#[derive(Default)]
enum Release {
    #[default]
    NotAsked,
    UnderWay {
        /// Whether the journal was dropped, and nobody waits.
        is_drop: bool,
        waiting: Vec<Reply<()>>,
    },
    Over(Result<(), JournalError>),
}

/// Whether the writer is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Nothing,
    /// Once everything is durable.
    Release,
    /// Once everything is durable, but not for long.
    Drop,
}

impl Shared {
    pub(crate) fn new(state: State, status: JournalStatus, began: Instant) -> Self {
        let values = state.values().clone();
        let sizes = values.sizes();
        Self {
            name: status.journal,
            store: Store::new(values, sizes),
            inner: Mutex::new(Inner { state, queue: Vec::new(), phase: Phase::Opened }),
            wake: Notify::new(),
            lines: AtomicUsize::new(0),
            began,
            waiting_since: AtomicU64::new(NOTHING_WAITS),
            is_full: AtomicBool::new(false),
            drains: AtomicBool::new(false),
            status: RwLock::new(status),
            ended: watch::Sender::new(None),
            observer: OnceLock::new(),
            release: Mutex::default(),
        }
    }

    /// Begins the run, once.
    pub(crate) fn begin_run<T>(&self, recovered: impl FnOnce(&State) -> T) -> Result<T, JournalError> {
        let mut inner = self.inner.lock();
        match &inner.phase {
            Phase::Opened => (),
            Phase::Running => return Err(JournalError::Unavailable("it was recovered before".to_owned())),
            Phase::Over(error) => return Err(error.clone()),
        }
        let recovered = recovered(&inner.state);
        inner.phase = Phase::Running;
        Ok(recovered)
    }

    /// Reads the state.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.inner.lock().state)
    }

    /// Carries a record out and hands it to the writer. What is carried out is never taken back, so whatever refuses it comes before.
    pub(crate) fn write<T>(
        &self,
        mut record: Record,
        (operations, completions): (usize, usize),
        answer: impl FnOnce(Reply<T>, StateAnswer) -> Answer,
    ) -> Pending<T> {
        // Outside of the lock: it takes longer than the rest.
        let body = match record.encode() {
            Ok(body) => body,
            Err(error) => return Pending::ready(Err(JournalError::Unwritable(error.to_string()))),
        };
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let (reply, pending) = Pending::later();
        {
            let mut inner = self.inner.lock();
            if let Err(error) = inner.takes() {
                return Pending::ready(Err(error));
            }
            let answered = inner.state.apply(&mut record);
            let record = (!answered.changed_nothing()).then_some(body);
            let waiting = Waiting { answer: answer(reply, answered), operations, completions, bytes };
            if waiting.is_line() {
                self.lines.fetch_add(1, Ordering::Relaxed);
            }
            inner.queue.push(Queued { record, waiting });
        }
        self.wake.notify_one();
        pending
    }

    /// Answers once everything before is durable.
    pub(crate) fn flush(&self) -> Pending<()> {
        let (reply, pending) = Pending::later();
        {
            let mut inner = self.inner.lock();
            if let Err(error) = inner.takes().and_then(|()| self.is_writable()) {
                return Pending::ready(Err(error));
            }
            inner.queue.push(Queued::flush(reply));
        }
        self.wake.notify_one();
        pending
    }

    /// Whether the run takes writes.
    pub(crate) fn takes(&self) -> Result<(), JournalError> {
        self.inner.lock().takes()
    }

    /// Whether an owner's request is taken. An end waits for as long as it takes: nobody else could take it.
    pub(crate) fn admits(&self, op: &JournalOp) -> Result<(), JournalError> {
        self.has_room()?;
        match op {
            JournalOp::End { .. }
            | JournalOp::EndWithoutStart { .. }
            | JournalOp::Replace { .. }
            | JournalOp::Seen { .. } => Ok(()),
            _ => {
                self.is_writable()?;
                if self.is_full.load(Ordering::Relaxed) {
                    let full = "its stream is nearly full: raise `max_bytes`, or ask another node; ends and outcomes still have room";
                    return Err(JournalError::Full(full.to_owned()));
                }
                Ok(())
            }
        }
    }

    /// Whether one more request may wait.
    pub(crate) fn has_room(&self) -> Result<(), JournalError> {
        if self.lines.load(Ordering::Relaxed) >= MAX_QUEUED_WRITES {
            let busy = format!("{MAX_QUEUED_WRITES} requests wait for the servers already; send this one again later");
            return Err(JournalError::Busy(busy));
        }
        Ok(())
    }

    /// Whether the servers acknowledge anything.
    pub(crate) fn is_writable(&self) -> Result<(), JournalError> {
        match self.silent_for() {
            Some(silent) if silent >= SILENT_AFTER => Err(silence(silent)),
            _ => Ok(()),
        }
    }

    /// How long nothing was acknowledged although something waits.
    pub(crate) fn silent_for(&self) -> Option<Duration> {
        let since = self.waiting_since.load(Ordering::Relaxed);
        (since != NOTHING_WAITS).then(|| self.began.elapsed().saturating_sub(Duration::from_millis(since)))
    }

    pub(crate) fn set_waiting_since(&self, since: Option<Duration>) {
        let since = since.map_or(NOTHING_WAITS, |since| u64::try_from(since.as_millis()).unwrap_or(NOTHING_WAITS - 1));
        self.waiting_since.store(since, Ordering::Relaxed);
    }

    pub(crate) fn lines_answered(&self, lines: usize) {
        self.lines.fetch_sub(lines, Ordering::Relaxed);
    }

    /// Whether the writer is to end, and what was handed over since the last call. If it is to end, nothing comes behind that.
    pub(crate) fn take_queue(&self) -> (Asked, Vec<Queued>) {
        // In this order: who asks lets nothing more be handed over before.
        let asked = self.asked();
        (asked, std::mem::take(&mut self.inner.lock().queue))
    }

    /// What was handed over since the last call, and the state with exactly that.
    pub(crate) fn take_queue_and_snapshot(&self) -> (Vec<Queued>, Snapshot) {
        let mut inner = self.inner.lock();
        (std::mem::take(&mut inner.queue), inner.state.snapshot())
    }

    /// Asks the writer to end. Answers once it has, with whether everything is durable.
    pub(crate) fn release(&self, is_drop: bool) -> Pending<()> {
        // Before the writer is asked: it ends once what was handed over is durable, and must not miss anything. The two locks are taken one
        // after the other, and never one within the other.
        self.inner.lock().refuse_from_now_on(JournalError::Closed);
        let mut release = self.release.lock();
        let pending = match &mut *release {
            Release::Over(answer) => Pending::ready(answer.clone()),
            Release::UnderWay { waiting, .. } => {
                let (reply, pending) = Pending::later();
                waiting.push(reply);
                pending
            }
            Release::NotAsked => {
                let (reply, pending) = Pending::later();
                *release = Release::UnderWay { is_drop, waiting: vec![reply] };
                pending
            }
        };
        drop(release);
        self.wake.notify_one();
        pending
    }

    pub(crate) fn asked(&self) -> Asked {
        match &*self.release.lock() {
            Release::UnderWay { is_drop: true, .. } => Asked::Drop,
            Release::UnderWay { .. } => Asked::Release,
            Release::NotAsked | Release::Over(_) => Asked::Nothing,
        }
    }

    /// Nothing is written any more. Gives what was handed over since. Whoever waits for a release is answered with `written`.
    pub(crate) fn end(&self, ended: Ended, written: &Result<(), JournalError>) -> Vec<Queued> {
        let left = {
            let mut inner = self.inner.lock();
            inner.refuse_from_now_on(ended.error());
            std::mem::take(&mut inner.queue)
        };
        self.status.write().ended.get_or_insert_with(|| ended.clone());
        self.ended.send_if_modified(|now| {
            let is_first = now.is_none();
            now.get_or_insert(ended);
            is_first
        });
        let before = std::mem::replace(&mut *self.release.lock(), Release::Over(written.clone()));
        if let Release::UnderWay { waiting, .. } = before {
            waiting.into_iter().for_each(|reply| reply.send(written.clone()));
        }
        left
    }
}

impl Inner {
    /// Whether the run takes writes.
    pub(crate) fn takes(&self) -> Result<(), JournalError> {
        match &self.phase {
            Phase::Opened => Err(JournalError::NotBegun),
            Phase::Running => Ok(()),
            Phase::Over(error) => Err(error.clone()),
        }
    }

    /// The first reason stays.
    fn refuse_from_now_on(&mut self, error: JournalError) {
        if !matches!(self.phase, Phase::Over(_)) {
            self.phase = Phase::Over(error);
        }
    }
}

/// The answer while nothing is acknowledged.
pub(crate) fn silence(silent: Duration) -> JournalError {
    let seconds = silent.as_secs();
    JournalError::Unavailable(format!(
        "the NATS servers have acknowledged nothing for {seconds} s (JetStream has no leader or no quorum, or cannot be reached): ask another \
         node, or send this again later"
    ))
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).field("lines", &self.lines).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lastword_events::{Event, Session, SessionStart};
    use lastword_journal::{Appended, JournalErrorKind};

    use super::*;

    fn shared(age: Duration) -> Shared {
        let status = JournalStatus {
            journal: "abcd1234".parse().unwrap(),
            stream: "LW_J_abcd1234".to_owned(),
            epoch: 1,
            last_sequence: 1,
            bytes: 0,
            max_bytes: 1 << 30,
            waiting: 0,
            silent_for: None,
            is_connected: true,
            replicas: vec![],
            unproven: None,
            unanswered: None,
            ended: None,
        };
        Shared::new(State::default(), status, Instant::now().checked_sub(age).unwrap())
    }

    fn running() -> Shared {
        let shared = shared(Duration::from_secs(60));
        shared.begin_run(|_| ()).unwrap();
        shared
    }

    fn start(op_id: Option<&str>) -> JournalOp {
        let (session, event) = (Session::new("acme", "s1").into(), Event::Start(SessionStart::default()).into());
        JournalOp::Start { session, event, owed: vec![], op_id: op_id.map(Into::into) }
    }

    fn write(shared: &Shared, op: JournalOp) -> Pending<Appended> {
        shared.write(Record::Op(op), (1, 0), |reply, answer| {
            let StateAnswer::Appended(appended) = answer else { panic!("{answer:?}") };
            Answer::Line(reply, appended)
        })
    }

    fn refusal(refused: Result<(), JournalError>) -> JournalErrorKind {
        refused.unwrap_err().kind()
    }

    #[tokio::test]
    async fn nothing_is_written_before_the_run_has_begun_or_after_it_is_released() {
        let shared = shared(Duration::ZERO);
        assert_eq!(write(&shared, start(None)).await, Err(JournalError::NotBegun));
        assert_eq!(shared.flush().await, Err(JournalError::NotBegun));
        shared.begin_run(|_| ()).unwrap();
        assert_eq!(shared.begin_run(|_| ()).unwrap_err().kind(), JournalErrorKind::Unavailable);
        drop(write(&shared, start(None)));
        let (asked, queue) = shared.take_queue();
        assert_eq!((asked, queue.len()), (Asked::Nothing, 1));
        let (first, second) = (shared.release(false), shared.release(true));
        assert_eq!(shared.asked(), Asked::Release);
        assert_eq!(write(&shared, start(None)).await, Err(JournalError::Closed));
        assert!(shared.end(Ended::Released, &Ok(())).is_empty());
        assert_eq!((first.await, second.await, shared.release(false).await), (Ok(()), Ok(()), Ok(())));
    }

    #[test]
    fn a_release_refuses_writes_before_it_asks_the_writer() {
        let shared = running();
        let asking = shared.release.lock();
        std::thread::scope(|scope| {
            scope.spawn(|| drop(shared.release(false)));
            // It waits for the lock with which it asks, and nothing is taken any more meanwhile.
            let until = Instant::now() + Duration::from_secs(60);
            while shared.takes().is_ok() && Instant::now() < until {
                std::thread::yield_now();
            }
            let (taken, is_asked) = (shared.takes(), matches!(*asking, Release::UnderWay { .. }));
            drop(asking);
            assert_eq!((taken, is_asked), (Err(JournalError::Closed), false));
        });
        assert_eq!(shared.asked(), Asked::Release);
    }

    #[test]
    fn a_writer_that_is_to_end_has_all_that_was_handed_over() {
        for _ in 0..200 {
            let shared = running();
            let written = std::thread::scope(|scope| {
                let writes = scope.spawn(|| {
                    let mut written = 0;
                    while shared.takes().is_ok() {
                        let mut inner = shared.inner.lock();
                        if inner.takes().is_ok() {
                            inner.queue.push(Queued::flush(Pending::later().0));
                            written += 1;
                        }
                    }
                    written
                });
                let takes = scope.spawn(|| {
                    let mut taken = 0;
                    loop {
                        let (asked, queue) = shared.take_queue();
                        taken += queue.len();
                        if asked == Asked::Release {
                            return taken;
                        }
                    }
                });
                drop(shared.release(false));
                (writes.join().unwrap(), takes.join().unwrap())
            });
            assert_eq!(written.0, written.1);
        }
    }

    #[test]
    fn a_start_is_refused_while_nothing_is_acknowledged_and_an_end_waits() {
        let shared = running();
        let now = shared.began.elapsed();
        shared.set_waiting_since(now.checked_sub(SILENT_AFTER / 2));
        assert_eq!(shared.admits(&start(None)), Ok(()));
        shared.set_waiting_since(now.checked_sub(SILENT_AFTER));
        let error = shared.admits(&start(None)).unwrap_err();
        assert!(error.to_string().contains("another node"), "{error}");
        let event = Event::Start(SessionStart::default()).into();
        let session = Arc::new(Session::new("acme", "s1"));
        let end = JournalOp::End { sequence: 1, session, event, owed: vec![], received: None, op_id: None };
        assert_eq!(shared.admits(&end), Ok(()));
        let replace = JournalOp::Replace { end: Box::new(end), start: Box::new(start(None)) };
        assert_eq!(shared.admits(&replace), Ok(()));
        shared.set_waiting_since(None);
        assert_eq!(shared.admits(&start(None)), Ok(()));
    }

    #[tokio::test]
    async fn a_flush_that_would_wait_for_servers_that_are_away_is_answered() {
        let shared = running();
        shared.set_waiting_since(Some(Duration::ZERO));
        assert_eq!(shared.flush().await.unwrap_err().kind(), JournalErrorKind::Unavailable);
        assert!(shared.take_queue().1.is_empty());
    }

    #[test]
    fn a_start_is_refused_in_a_stream_that_is_nearly_full() {
        let shared = running();
        shared.is_full.store(true, Ordering::Relaxed);
        assert_eq!(refusal(shared.admits(&start(None))), JournalErrorKind::Full);
    }

    #[test]
    fn more_requests_than_may_wait_are_refused_until_some_are_answered() {
        let shared = running();
        for _ in 0..MAX_QUEUED_WRITES {
            shared.has_room().unwrap();
            drop(write(&shared, start(None)));
        }
        assert_eq!(refusal(shared.has_room()), JournalErrorKind::Busy);
        shared.lines_answered(1);
        assert_eq!(shared.has_room(), Ok(()));
    }

    #[tokio::test]
    async fn what_changes_nothing_is_not_recorded_and_waits_for_what_is_before_it() {
        let shared = running();
        let (first, again) = (write(&shared, start(Some("o"))), write(&shared, start(Some("o"))));
        let (_, queue) = shared.take_queue();
        assert_eq!(queue.iter().map(|queued| queued.record.is_some()).collect::<Vec<_>>(), [true, false]);
        queue.into_iter().for_each(|queued| drop(queued.waiting.durable()));
        assert!(matches!(first.await, Ok(Appended::Session { sequence: 1, .. })));
        assert_eq!(again.await, Ok(Appended::DuplicateOp { generation: 1 }));
    }

    #[tokio::test]
    async fn whoever_waits_when_another_node_has_the_journal_is_told_so() {
        let shared = running();
        let waits = write(&shared, start(None));
        let by = Some("n2".to_owned());
        let ended = Ended::TakenOver { journal: shared.name, by, sequence: 7 };
        let mut watch = shared.ended.subscribe();
        let left = shared.end(ended.clone(), &Err(ended.error()));
        left.into_iter().for_each(|queued| queued.waiting.fail(&ended.error()));
        for error in [waits.await.unwrap_err(), write(&shared, start(None)).await.unwrap_err()] {
            let text = error.to_string();
            assert!(text.contains("another node, n2, has taken the journal abcd1234 over"), "{text}");
        }
        assert_eq!(*watch.borrow_and_update(), Some(ended.clone()));
        // The first reason stays.
        drop(shared.end(Ended::Defect, &Ok(())));
        assert_eq!(*shared.ended.borrow(), Some(ended));
    }
}
