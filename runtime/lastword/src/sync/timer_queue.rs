//! The timers that wait for moments.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// The waiting timers, by moment.
#[derive(Debug, Default)]
pub(crate) struct TimerQueue {
    /// By moment, and then by number.
    waiting: BTreeMap<(Instant, u64), Waker>,
    /// How many timers there were.
    number: u64,
    /// All waiting has ended.
    is_over: bool,
}

impl TimerQueue {
    /// A new number for a timer.
    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// The moment of the first timer.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    /// Ends all waiting. Gives the wakers of all timers, in the order of their moments.
    pub(crate) fn end(&mut self) -> Vec<Waker> {
        self.is_over = true;
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes the wakers of all timers whose moment has come, in their order.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<Waker> {
        let mut due = Vec::new();
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= now
        {
            due.push(first.remove());
        }
        due
    }
}

/// A clock with timers.
pub(crate) trait TimerClock: Unpin {
    /// Runs a function with the waiting timers and the present moment, under the clock's lock.
    fn with_queue<T>(&self, work: impl FnOnce(&mut TimerQueue, Instant) -> T) -> T;
}

/// Ready from a moment on, or once all waiting has ended. Dropping this cancels it.
pub(crate) struct Timer<C: TimerClock> {
    clock: C,
    at: Instant,
    /// The timer's number, once it was polled.
    number: Option<u64>,
}

impl<C: TimerClock> Timer<C> {
    pub(crate) fn new(clock: C, at: Instant) -> Self {
        Self { clock, at, number: None }
    }
}

impl<C: TimerClock> Future for Timer<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { clock, at, number } = &mut *self;
        let mut replaced = None;
        let is_ready = clock.with_queue(|queue, now| {
            if *at <= now || queue.is_over {
                return true;
            }
            let number = *number.get_or_insert_with(|| queue.next_number());
            replaced = queue.waiting.insert((*at, number), cx.waker().clone());
            false
        });
        // The clock is not locked here: dropping the waker may drop a task.
        drop(replaced);
        if is_ready { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<C: TimerClock> Drop for Timer<C> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let cancelled = self.clock.with_queue(|queue, _| queue.waiting.remove(&(self.at, number)));
            drop(cancelled);
        }
    }
}
