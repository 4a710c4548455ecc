//! A call for its caller: a future that meters the guest, cuts it, and can be dropped at any moment.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use lastword_events::{Deferral, HookCall, Outcome};
use tokio::sync::{AcquireError, SemaphorePermit};

use crate::call_context::CallContext;
use crate::guest::{HookResult, attempt};
use crate::limits::{LACK_PAUSE, MAX_TURN_WAIT, OUTER_CUT_GRACE};
use crate::loaded::Loaded;
use crate::meter::{Meter, Pause};
use crate::outcome::{of_deadline, of_host, of_panic};
use crate::slots::{Slot, TakenMemories, acquire};
use crate::state::GuestState;
use crate::timer::Timer;
use lastword_events::{Change, KeyValues};
use lastword_memory::Reservation;

/// The result of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallReport {
    /// Delivered, failed, or deferred. A deferred call was *put back*, because other calls hold memory, slots or mappings that it needs.
    /// It counts as no attempt, and the caller makes it again under the same number. Its guest's changes are gone, and HTTP requests that
    /// the guest has sent are sent again. A call for which the machine has no mapping or no file left reports after a
    /// [pause](crate::limits::LACK_PAUSE), in which it holds nothing.
    pub outcome: Outcome,
    /// Units of fuel. For a guest that was cut at its deadline the number is only a lower bound: the engine keeps the count in a
    /// register, and stores it when a function is called or left.
    pub fuel_used: u64,
    /// The most memory that the call had, in bytes: its memories and tables together, and what the host kept for it.
    pub peak_memory: u64,
    /// The part of `peak_memory` that the host kept: handles, header fields, requests and their bodies, changed keys.
    pub host_memory: u64,
    /// From the first poll to the answer.
    pub wall: Duration,
    /// The part of `wall` that counts for the deadline: the time in which the guest ran or waited for the host.
    pub active: Duration,
    /// Bytes of the shared memory that a similar call should reserve: the most that this call had. If the call was put back for lack of
    /// shared memory, the number includes the bytes that it asked for.
    pub counted_memory: u64,
    /// Bytes of host memory that the call lacked, if it was put back for lack of host memory, see
    /// [`Plugin::has_host_memory_for`](crate::Plugin::has_host_memory_for). Otherwise 0.
    pub wanted_host_memory: u64,
    /// The guest's changes of key-value storage, one for each key. Empty unless the guest answered ok. The caller that gave the call its
    /// [`KeyValues`] makes them visible together with the outcome.
    pub changes: Vec<(String, Change)>,
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One call of a hook, made by [`Sandbox::call`](crate::Sandbox::call).
///
/// Nothing happens before the first poll. Each poll of a guest that keeps the CPU comes back within about a
/// [tick](crate::limits::TICK); dropping the call cuts the guest and frees all that it used. It can be polled on any
/// thread and outside of a tokio task, but inside a runtime's context
/// ([`Handle::enter`](tokio::runtime::Handle::enter)) with time enabled: a guest that waits for the host needs a timer.
#[must_use = "a call does nothing until it is polled"]
pub struct Call {
    stage: Stage,
    context: Arc<CallContext<GuestState>>,
    first_poll: Option<Instant>,
    /// The timer of the outer cut, of waits for a turn, and of the pause after a lack.
    timer: Timer,
    /// The call's reservation, until its guest begins.
    memory: Option<Reservation>,
}

enum Stage {
    New(HookCall),
    /// The call waits for a slot, or for memories beside its slot's.
    Queued(Queued),
    Running(Running),
    /// The machine had no mapping or file left for the guest. The guest, its slot and its memories are gone.
    Lacked(Lacked),
    Done,
}

struct Queued {
    call: HookCall,
    acquire: BoxFuture<Result<TakenMemories, AcquireError>>,
    /// The end of the longest wait. `None` where no timer can wake the call.
    until: Option<tokio::time::Instant>,
    since: Instant,
}

/// The order of the fields matters: the guest is dropped before its slot and its memories are free.
struct Running {
    guest: BoxFuture<HookResult>,
    waker: Waker,
    _slot: Slot<GuestState>,
    _memories: TakenMemories,
}

struct Lacked {
    answer: HookResult,
    /// The time at which the caller gets the outcome. Delayed, because an immediate retry would fail in the same way.
    until: tokio::time::Instant,
}

impl Call {
    pub(crate) fn new(plugin: Arc<Loaded<GuestState>>, call: HookCall, deadline: Duration) -> Self {
        let meter = Meter::new(deadline.min(plugin.limits.deadline));
        let context = Arc::new(CallContext::new(plugin, meter));
        Self { stage: Stage::New(call), context, first_poll: None, timer: Timer::default(), memory: None }
    }

    /// Gives the guest its storage for the grant `keyvalue`. Call it before the first poll.
    pub fn with_key_values(mut self, store: Arc<dyn KeyValues>) -> Self {
        if let Some(context) = Arc::get_mut(&mut self.context) {
            context.key_values = Some(store);
        }
        self
    }

    /// Gives the call a reservation of the same plugin's [`memory`](crate::Plugin::memory). Call it before the first poll. A call without
    /// a reservation, or with a small one, grows, and may have to wait while its guest runs.
    pub fn with_memory(mut self, reservation: Reservation) -> Self {
        self.memory = Some(reservation);
        self
    }

    /// Announces that the caller will drop the call at `at`; the guest sees no more time than that. It has an effect until the
    /// guest begins; only the first call counts.
    pub fn cut_at(&self, at: Instant) {
        self.context.cut_at.get_or_init(|| at);
    }

    fn report(&mut self, answer: HookResult) -> CallReport {
        let now = Instant::now();
        let CallContext { plugin, meter, usage, .. } = &*self.context;
        CallReport {
            outcome: answer.outcome,
            changes: answer.changes,
            fuel_used: plugin.limits.fuel.saturating_sub(usage.fuel_left()),
            peak_memory: usage.peak_memory(),
            counted_memory: usage.counted_memory(),
            host_memory: usage.host_memory_at_peak(),
            wanted_host_memory: usage.wanted_host_memory(),
            wall: self.first_poll.map_or(Duration::ZERO, |first| now.saturating_duration_since(first)),
            active: meter.finish(now),
        }
    }

    /// Takes a slot, and memories if the call needs more than one. After `Ready(Ok)` the guest can be polled.
    fn start(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Outcome>> {
        let mut queued = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::New(call) => {
                let plugin = &self.context.plugin;
                let taken = plugin.extra_memories.is_none()
                    && plugin.host.slots.try_acquire().map(SemaphorePermit::forget).is_ok();
                if taken {
                    return Poll::Ready(self.begin_guest(call, TakenMemories::default()));
                }
                let context = Arc::clone(&self.context);
                let acquire = Box::pin(async move { acquire(&context.plugin).await });
                let until = Timer::is_possible().then(|| tokio::time::Instant::now() + MAX_TURN_WAIT);
                Queued { call, acquire, until, since: Instant::now() }
            }
            Stage::Queued(queued) => queued,
            started => {
                self.stage = started;
                return Poll::Ready(Ok(()));
            }
        };
        match queued.acquire.as_mut().poll(cx) {
            Poll::Ready(Ok(memories)) => {
                self.context.meter.add_turn(queued.since.elapsed());
                Poll::Ready(self.begin_guest(queued.call, memories))
            }
            Poll::Ready(Err(_closed)) => Poll::Ready(Err(of_host("the sandbox was closed".to_owned()))),
            Poll::Pending if queued.until.is_some_and(|until| self.timer.poll_at(until, cx).is_ready()) => {
                Poll::Ready(Err(Outcome::Deferred(Deferral::Turn)))
            }
            Poll::Pending if self.memory.as_mut().is_some_and(|memory| memory.queue(cx).is_err()) => {
                Poll::Ready(Err(Outcome::Deferred(Deferral::Memory)))
            }
            Poll::Pending => {
                self.stage = Stage::Queued(queued);
                Poll::Pending
            }
        }
    }

    /// Begins the guest in the slot that was taken. [`Slot`] gives the slot back.
    fn begin_guest(&mut self, call: HookCall, memories: TakenMemories) -> Result<(), Outcome> {
        let slot = Slot::new(&self.context);
        let mut memory = self.memory.take();
        if memory.as_mut().is_some_and(|memory| memory.run().is_err()) {
            return Err(Outcome::Deferred(Deferral::Memory));
        }
        self.stage = Stage::Running(Running {
            guest: Box::pin(attempt(Arc::clone(&self.context), call, memory)),
            waker: Waker::from(Arc::clone(&self.context)),
            _slot: slot,
            _memories: memories,
        });
        Ok(())
    }

    /// Cuts the call while the guest is not running. The guest may wait for the host.
    fn cut(&mut self) -> Poll<CallReport> {
        let meter = &self.context.meter;
        let outcome = of_deadline(meter.deadline(), meter.waiting(Instant::now()));
        self.end(outcome)
    }

    /// Gives up all that the call holds, because the machine lacked something, and tells the caller later. Only the caller's own next
    /// call has to wait for that.
    fn pause(&mut self, answer: HookResult, cx: &mut Context<'_>) -> Poll<CallReport> {
        if !Timer::is_possible() {
            return self.end(answer);
        }
        if let Err(panic) = self.drop_guest() {
            return self.end(of_panic(&*panic));
        }
        // The guest's time ends here.
        self.context.meter.finish(Instant::now());
        self.stage = Stage::Lacked(Lacked { answer, until: tokio::time::Instant::now() + LACK_PAUSE });
        self.poll_pause(cx)
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<CallReport> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Lacked(Lacked { answer, until }) => {
                if self.timer.poll_at(until, cx).is_ready() {
                    return self.end(answer);
                }
                self.stage = Stage::Lacked(Lacked { answer, until });
            }
            other => self.stage = other,
        }
        Poll::Pending
    }

    /// Ends the call. Drops the guest before it reports the outcome.
    fn end(&mut self, answer: impl Into<HookResult>) -> Poll<CallReport> {
        let answer = match self.drop_guest() {
            Ok(()) => answer.into(),
            Err(panic) => of_panic(&*panic).into(),
        };
        Poll::Ready(self.report(answer))
    }

    /// Drops the guest. That may panic: destructors may panic after a panic in the host, and a subscriber of the embedder gets the last
    /// lines that the guest has printed.
    fn drop_guest(&mut self) -> std::thread::Result<()> {
        let stage = std::mem::replace(&mut self.stage, Stage::Done);
        catch_unwind(AssertUnwindSafe(|| drop(stage)))
    }
}

impl Drop for Call {
    /// A panic while the guest is dropped must not reach the caller that drops the call.
    fn drop(&mut self) {
        if let Err(panic) = self.drop_guest() {
            tracing::error!(outcome = %of_panic(&*panic), "a call that was dropped panicked");
        }
    }
}

impl Future for Call {
    type Output = CallReport;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallReport> {
        let this = &mut *self;
        let now = Instant::now();
        this.first_poll.get_or_insert(now);
        if matches!(this.stage, Stage::Lacked(_)) {
            return this.poll_pause(cx);
        }
        match this.start(cx) {
            Poll::Pending => {
                this.context.paused.store(true, Ordering::Relaxed);
                return Poll::Pending;
            }
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(outcome)) => return this.end(outcome),
        }
        let Stage::Running(running) = &mut this.stage else {
            return this.end(of_host("polled again after its end".to_owned()));
        };
        let CallContext { plugin, meter, .. } = &*this.context;
        let last = meter.deadline().saturating_add(OUTER_CUT_GRACE);
        if meter.begin(now) >= last {
            return this.cut();
        }
        let polled = {
            let _running = plugin.host.ticker.running();
            let mut inner = Context::from_waker(&running.waker);
            catch_unwind(AssertUnwindSafe(|| running.guest.as_mut().poll(&mut inner)))
        };
        match polled {
            Ok(Poll::Ready(answer)) if answer.lacked => return this.pause(answer, cx),
            Ok(Poll::Ready(answer)) => return this.end(answer),
            Err(panic) => return this.end(of_panic(&*panic)),
            Ok(Poll::Pending) => this.context.paused.store(true, Ordering::Relaxed),
        }
        match meter.pause(Instant::now(), cx.waker()) {
            Pause::Ready => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Pause::Waits { active } => match wait(&mut this.timer, last.saturating_sub(active), cx) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(())) => this.cut(),
                Err(outcome) => this.end(outcome),
            },
            Pause::WaitsForTurn { turns } => match wait(&mut this.timer, MAX_TURN_WAIT.saturating_sub(turns), cx) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(())) => this.end(Outcome::Deferred(Deferral::Turn)),
                Err(outcome) => this.end(outcome),
            },
        }
    }
}

/// Wakes the caller when the guest has waited for `left`. Ready once that is over.
fn wait(timer: &mut Timer, left: Duration, cx: &mut Context<'_>) -> Result<Poll<()>, Outcome> {
    if !Timer::is_possible() {
        return Err(of_host(
            "a guest that waits for the host needs a tokio runtime: poll the call inside Handle::enter".to_owned(),
        ));
    }
    // A time that the clock cannot represent has no cut to wait for.
    let at = tokio::time::Instant::now().checked_add(left);
    Ok(at.map_or(Poll::Pending, |at| timer.poll_at(at, cx)))
}

#[cfg(test)]
mod tests {
    use lastword_events::{Delivery, EndReason, Event, PluginName, Session, SessionEnd, Timestamp};

    use super::*;
    use crate::config::SandboxConfig;
    use crate::limits::Limits;
    use crate::plugin::Plugin;
    use crate::sandbox::Sandbox;
    use crate::source::Source;

    fn load(sandbox: &Sandbox, guest: &str) -> Plugin {
        let source = Source::Bytes(lastword_test_guests::component(guest));
        sandbox.load(PluginName::new(guest).unwrap(), &source, Limits::default()).unwrap()
    }

    fn end() -> HookCall {
        let id = "abcdefgh.1/session-end/p".parse().unwrap();
        HookCall {
            session: Arc::new(Session::new("t", "s")),
            delivery: Delivery { id, attempt: 1, remaining_ms: 500, late: false },
            event: Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now()))),
        }
    }

    fn poll(call: &mut Call) -> Poll<CallReport> {
        Pin::new(call).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn a_call_that_has_waited_long_enough_for_its_slot_is_put_back_and_leaves_nothing_taken() {
        let sandbox =
            Sandbox::new(SandboxConfig { max_concurrent_calls: Some(1), ..SandboxConfig::default() }).unwrap();
        let (sleeps, good) = (load(&sandbox, "sleep"), load(&sandbox, "good"));
        let long = Duration::from_secs(60);
        let mut holds = sandbox.call(&sleeps, end(), long);
        assert!(poll(&mut holds).is_pending(), "it has the slot");
        let mut waits = sandbox.call(&good, end(), long);
        assert!(poll(&mut waits).is_pending());
        let Stage::Queued(queued) = &mut waits.stage else { panic!("there is one slot") };
        let now = tokio::time::Instant::now();
        assert!(queued.until.unwrap() <= now + MAX_TURN_WAIT && queued.until.unwrap() > now + MAX_TURN_WAIT / 2);
        queued.until = Some(now);
        let Poll::Ready(report) = poll(&mut waits) else { panic!("it waits on") };
        assert_eq!(report.outcome, Outcome::Deferred(Deferral::Turn));
        assert_eq!((report.active, report.fuel_used), (Duration::ZERO, 0), "it has not run");
        drop(holds);
        assert_eq!(sandbox.call(&good, end(), long).await.outcome, Outcome::Delivered);
    }

    #[tokio::test]
    async fn a_call_that_lacks_something_gives_its_slot_to_others_at_once_and_says_so_after_a_pause() {
        let sandbox =
            Sandbox::new(SandboxConfig { max_concurrent_calls: Some(1), ..SandboxConfig::default() }).unwrap();
        let (sleeps, good) = (load(&sandbox, "sleep"), load(&sandbox, "good"));
        let long = Duration::from_secs(60);
        let mut lacks = sandbox.call(&sleeps, end(), long);
        assert!(poll(&mut lacks).is_pending(), "it has the slot");
        let lacked = HookResult { lacked: true, ..Outcome::Deferred(Deferral::Turn).into() };
        let began = tokio::time::Instant::now();
        assert!(lacks.pause(lacked, &mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(sandbox.call(&good, end(), long).await.outcome, Outcome::Delivered, "the slot is another's");
        let Stage::Lacked(paused) = &mut lacks.stage else { panic!("it has told already") };
        assert!(paused.until >= began + LACK_PAUSE);
        paused.until = tokio::time::Instant::now();
        let active = lacks.context.meter.active(Instant::now());
        let Poll::Ready(report) = poll(&mut lacks) else { panic!("it waits on") };
        assert_eq!(
            (report.outcome, report.active),
            (Outcome::Deferred(Deferral::Turn), active),
            "a pause costs nothing"
        );
        // A call that is dropped in its pause leaves nothing behind.
        let mut dropped = sandbox.call(&sleeps, end(), long);
        assert!(poll(&mut dropped).is_pending());
        let lacked = HookResult { lacked: true, ..Outcome::Deferred(Deferral::Turn).into() };
        assert!(dropped.pause(lacked, &mut Context::from_waker(Waker::noop())).is_pending());
        drop(dropped);
        assert_eq!(sandbox.call(&good, end(), long).await.outcome, Outcome::Delivered);
    }

    #[tokio::test]
    async fn a_guest_that_had_to_wait_is_told_what_is_left_when_it_begins() {
        let sandbox =
            Sandbox::new(SandboxConfig { max_concurrent_calls: Some(1), ..SandboxConfig::default() }).unwrap();
        let (sleeps, good) = (load(&sandbox, "sleep"), load(&sandbox, "good"));
        let mut holds = sandbox.call(&sleeps, end(), Duration::from_secs(60));
        assert!(poll(&mut holds).is_pending());
        let mut waits = sandbox.call(&good, end(), Duration::from_millis(300));
        assert_eq!(waits.context.remaining_ms(500), 500, "what it was given, when it begins at once");
        assert!(poll(&mut waits).is_pending());
        assert_eq!(waits.context.remaining_ms(500), 300, "no more than its deadline leaves");
        assert_eq!(waits.context.remaining_ms(200), 200, "no more than it was given");
        // A drain begins, with little budget left.
        waits.cut_at(Instant::now() + Duration::from_millis(40));
        assert!(waits.context.remaining_ms(500) <= 40);
    }
}
