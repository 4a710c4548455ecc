//! The clock of one call. It counts the time in which the guest runs or waits for the host, and not the time in which the guest is ready
//! and other threads have the CPU. So neighbours never cause a plugin's cut.
//!
//! A caller polls the call. Each poll is a period in which the guest runs ([`Period`] gives its cost). When a poll ends without an
//! answer, either
//!
//! - the guest's waker has fired already: the guest gave up the CPU at an epoch and would go on at once. Until the next poll it is
//!   *ready*, which does not count; or
//! - the waker has not fired: the guest *waits for the host*, from the end of the poll to the moment of the wake, and that counts. From
//!   the wake to the next poll it is ready again. Or the guest *waits for its turn*: for memory that other calls have. That is not its
//!   fault and does not count. The meter sums it up separately.
//!
//! The guest's future therefore gets a waker of its own, which tells the [`Meter`] the moment before it wakes the caller's task. The
//! store shares the meter, and the epoch callback asks it whether the deadline has come.
//!
//! A blocking host function calls [`Meter::host_kept_thread`]; its off-CPU time counts towards the deadline. Only look-ups in key-value
//! storage block. No function of WASI does, because of `allow_blocking_current_thread(false)`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::cpu::{Period, WAIT_COUNTED_FROM};
use crate::host_calls::HostCall;

pub(crate) struct Meter {
    deadline: Duration,
    /// Whether the guest waits for its turn when it waits.
    in_turn: AtomicBool,
    /// The guest's last host call: the number of its host calls, and in the low bits [`HostCall::number`].
    host_call: AtomicU64,
    inner: Mutex<Inner>,
}

/// Bits of [`HostCall::number`].
const KIND_BITS: u32 = 2;

struct Inner {
    /// The counted time of ended periods.
    counted: Duration,
    /// The time of ended waits for a turn.
    turns: Duration,
    state: State,
    /// The host call in which the guest last waited, and the beginning of the wait.
    wait: Option<(u64, Instant)>,
}

enum State {
    /// The call was not polled yet, or its deadline has been dealt with.
    Idle,
    Polled(Period),
    /// The guest was woken while it was polled: it yielded at an epoch.
    PolledAndWoken(Period),
    Waits {
        since: Instant,
        caller: Waker,
    },
    WaitsForTurn {
        since: Instant,
        caller: Waker,
    },
    Ready,
}

/// The host call that a guest waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) what: &'static str,
    pub(crate) time: Duration,
}

/// How a poll without an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// The guest can go on at once.
    Ready,
    /// The guest waits for the host. `active` is the counted time until now.
    Waits { active: Duration },
    /// The guest waits for its turn. `turns` is the time of such waits until now.
    WaitsForTurn { turns: Duration },
}

impl Meter {
    pub(crate) fn new(deadline: Duration) -> Self {
        Self {
            deadline,
            in_turn: AtomicBool::new(false),
            host_call: AtomicU64::new(0),
            inner: Mutex::new(Inner { counted: Duration::ZERO, turns: Duration::ZERO, state: State::Idle, wait: None }),
        }
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The time that the guest still has until its deadline.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        self.deadline.saturating_sub(self.lock().active(now))
    }

    /// Begins a poll of the guest. Returns the time counted before it.
    pub(crate) fn begin(&self, now: Instant) -> Duration {
        let mut inner = self.lock();
        inner.counted = inner.active(now);
        inner.turns = inner.turns(now);
        inner.state = State::Polled(Period::begin(now));
        inner.counted
    }

    /// Ends a poll without an answer. If the guest waits, `caller` will be woken with it.
    pub(crate) fn pause(&self, now: Instant, caller: &Waker) -> Pause {
        let mut inner = self.lock();
        inner.counted = inner.active(now);
        if matches!(inner.state, State::PolledAndWoken(_)) {
            inner.state = State::Ready;
            inner.wait = None;
            Pause::Ready
        } else if self.in_turn.load(Ordering::Relaxed) {
            inner.state = State::WaitsForTurn { since: now, caller: caller.clone() };
            inner.wait = None;
            Pause::WaitsForTurn { turns: inner.turns }
        } else {
            let call = self.host_call.load(Ordering::Relaxed);
            if inner.wait.is_none_or(|(waited, _)| waited != call) {
                inner.wait = Some((call, now));
            }
            inner.state = State::Waits { since: now, caller: caller.clone() };
            Pause::Waits { active: inner.counted }
        }
    }

    /// Notes that the guest can go on, so it is ready from now on. Wakes the caller's task if it waits for that.
    pub(crate) fn woken(&self) {
        let mut inner = self.lock();
        match std::mem::replace(&mut inner.state, State::Idle) {
            State::Polled(period) | State::PolledAndWoken(period) => inner.state = State::PolledAndWoken(period),
            State::Waits { since, caller } => {
                inner.counted += since.elapsed();
                inner.state = State::Ready;
                // Not under the lock, because the woken task may poll the call at once.
                drop(inner);
                caller.wake();
            }
            State::WaitsForTurn { since, caller } => {
                inner.turns += since.elapsed();
                inner.state = State::Ready;
                drop(inner);
                caller.wake();
            }
            other @ (State::Ready | State::Idle) => inner.state = other,
        }
    }

    /// Ends the call. Returns its counted time.
    pub(crate) fn finish(&self, now: Instant) -> Duration {
        let mut inner = self.lock();
        inner.counted = inner.active(now);
        inner.state = State::Idle;
        inner.counted
    }

    /// The counted time so far, with that of a running poll.
    pub(crate) fn active(&self, now: Instant) -> Duration {
        self.lock().active(now)
    }

    pub(crate) fn is_past_deadline(&self) -> bool {
        self.active(Instant::now()) >= self.deadline
    }

    /// Notes that a host function has kept this thread from `from` until `now`.
    pub(crate) fn host_kept_thread(&self, from: Instant, now: Instant) {
        // The usual few microseconds need no reading of the clock.
        if now.saturating_duration_since(from) < WAIT_COUNTED_FROM {
            return;
        }
        if let State::Polled(period) | State::PolledAndWoken(period) = &mut self.lock().state {
            period.wait(from, now);
        }
    }

    /// Notes that the guest calls the host, for the `number`th time.
    pub(crate) fn begin_host_call(&self, number: u64) {
        self.host_call.store(number << KIND_BITS, Ordering::Relaxed);
    }

    /// Notes the interface of that call, if it may wait.
    pub(crate) fn in_host_call(&self, call: HostCall) {
        let number = self.host_call.load(Ordering::Relaxed) >> KIND_BITS;
        self.host_call.store((number << KIND_BITS) | call.number(), Ordering::Relaxed);
    }

    /// The host call that the guest last waited in, and the time of the wait.
    pub(crate) fn waiting(&self, now: Instant) -> Option<Waiting> {
        let (call, since) = self.lock().wait?;
        let what = match HostCall::of_number(call & ((1 << KIND_BITS) - 1)) {
            Some(call) => call.as_str(),
            None if call == 0 => "the copy of its transcript",
            None => "the host",
        };
        Some(Waiting { what, time: now.saturating_duration_since(since) })
    }

    /// Until the guard is dropped, waits of the guest are waits for its turn.
    pub(crate) fn begin_turn(&self) -> InTurn<'_> {
        self.in_turn.store(true, Ordering::Relaxed);
        InTurn(self)
    }

    /// Adds a wait for a turn before the first poll.
    pub(crate) fn add_turn(&self, waited: Duration) {
        self.lock().turns += waited;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Meter::begin_turn`].
pub(crate) struct InTurn<'a>(&'a Meter);

impl Drop for InTurn<'_> {
    fn drop(&mut self) {
        self.0.in_turn.store(false, Ordering::Relaxed);
    }
}

impl Inner {
    fn turns(&self, now: Instant) -> Duration {
        match &self.state {
            State::WaitsForTurn { since, .. } => self.turns + now.saturating_duration_since(*since),
            _ => self.turns,
        }
    }

    fn active(&self, now: Instant) -> Duration {
        self.counted
            + match &self.state {
                State::Polled(period) | State::PolledAndWoken(period) => period.cost(now),
                State::Waits { since, .. } => now.saturating_duration_since(*since),
                State::Idle | State::Ready | State::WaitsForTurn { .. } => Duration::ZERO,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::task::Wake;

    const MS: Duration = Duration::from_millis(1);

    fn meter() -> Meter {
        Meter::new(500 * MS)
    }

    #[test]
    fn time_in_which_the_guest_is_ready_does_not_count() {
        let meter = meter();
        let start = Instant::now();
        meter.begin(start);
        meter.woken();
        assert_eq!(meter.pause(start + MS / 2, Waker::noop()), Pause::Ready);
        // The neighbours have the CPU for 300 ms.
        meter.begin(start + 300 * MS);
        assert_eq!(meter.finish(start + 300 * MS), MS / 2);
    }

    #[test]
    fn time_in_which_the_guest_waits_for_the_host_counts() {
        let meter = meter();
        let start = Instant::now();
        meter.begin(start);
        assert_eq!(meter.pause(start, Waker::noop()), Pause::Waits { active: Duration::ZERO });
        assert_eq!(meter.active(start + 40 * MS), 40 * MS);
        meter.begin(start + 100 * MS);
        assert_eq!(meter.finish(start + 100 * MS), 100 * MS);
    }

    #[test]
    fn a_wait_is_counted_from_its_beginning_and_belongs_to_one_host_call() {
        let meter = meter();
        let start = Instant::now();
        let waits = |at: Instant| {
            meter.begin(at);
            assert!(matches!(meter.pause(at, Waker::noop()), Pause::Waits { .. }));
        };
        waits(start);
        assert_eq!(meter.waiting(start + MS).unwrap(), Waiting { what: "the copy of its transcript", time: MS });
        meter.begin_host_call(1);
        meter.in_host_call(HostCall::Poll);
        waits(start + 10 * MS);
        // Another event woke it, and it waits on.
        waits(start + 20 * MS);
        let waiting = Waiting { what: HostCall::Poll.as_str(), time: 30 * MS };
        assert_eq!(meter.waiting(start + 40 * MS), Some(waiting));
        meter.begin_host_call(2);
        meter.in_host_call(HostCall::Poll);
        waits(start + 50 * MS);
        assert_eq!(meter.waiting(start + 51 * MS).unwrap().time, MS, "the next call waits for itself");
        meter.begin(start + 60 * MS);
        meter.woken();
        assert_eq!(meter.pause(start + 61 * MS, Waker::noop()), Pause::Ready);
        assert_eq!(meter.waiting(start + 62 * MS), None, "it was running");
    }

    #[test]
    fn from_the_wake_on_it_is_ready() {
        let meter = meter();
        let start = Instant::now();
        meter.begin(start);
        assert_eq!(meter.pause(start, Waker::noop()), Pause::Waits { active: Duration::ZERO });
        meter.woken();
        let at_wake = meter.active(start);
        meter.woken();
        meter.begin(start + 1000 * MS);
        assert_eq!(meter.finish(start + 1000 * MS), at_wake, "a second wake changes nothing, nor does the delay");
        assert!(at_wake < 500 * MS);
    }

    #[test]
    fn time_in_which_it_waits_for_its_turn_does_not_count_and_is_summed_up() {
        let meter = meter();
        let start = Instant::now();
        meter.begin(start);
        let turn = meter.begin_turn();
        assert_eq!(meter.pause(start, Waker::noop()), Pause::WaitsForTurn { turns: Duration::ZERO });
        assert_eq!(meter.waiting(start + MS), None, "it does not wait for the host");
        meter.begin(start + 300 * MS);
        assert_eq!(meter.pause(start + 300 * MS, Waker::noop()), Pause::WaitsForTurn { turns: 300 * MS });
        meter.begin(start + 700 * MS);
        drop(turn);
        assert_eq!(meter.pause(start + 700 * MS, Waker::noop()), Pause::Waits { active: Duration::ZERO });
        assert_eq!(meter.finish(start + 710 * MS), 10 * MS);
        assert_eq!(meter.lock().turns, 700 * MS);
    }

    #[test]
    fn the_caller_is_woken_with_the_guest() {
        struct Flag(AtomicU64);
        impl Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let flag = Arc::new(Flag(AtomicU64::new(0)));
        let meter = meter();
        let now = Instant::now();
        meter.begin(now);
        assert_eq!(meter.pause(now, &Waker::from(Arc::clone(&flag))), Pause::Waits { active: Duration::ZERO });
        meter.woken();
        assert_eq!(flag.0.load(Ordering::Relaxed), 1);
    }
}
