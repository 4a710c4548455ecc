//! Timers on a thread of their own.
//!
//! They are not tokio's timers, because tokio does not know of the worker threads. Tokio takes itself for idle while workers work. A test
//! that has paused tokio's clock would then jump to the end of a drain's budget. And a task that occupies tokio's only thread would make a
//! drain longer.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::timer_queue::{Timer, TimerClock, TimerQueue};

/// The thread that wakes tasks at their moments. It ends when this value is dropped, or [stopped](Self::stop).
pub(crate) struct Timers {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: TimerQueue,
    /// Until when the thread sleeps, if there is a timer.
    sleeps_until: Option<Instant>,
}

impl Timers {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(crate) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = thread::Builder::new().name("lastword-timers".to_owned()).spawn(move || theirs.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Ready from `at` on, or once the timers are stopped. Dropping the future cancels it.
    pub(crate) fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send + use<> {
        Timer::new(self.shared.clone(), at)
    }

    /// Ends the thread, and waits until it has ended. Waiting tasks are woken, and wait no longer.
    pub(crate) fn stop(&self) {
        let waiting = self.shared.state.lock().queue.end();
        self.shared.changed.notify_one();
        waiting.into_iter().for_each(wake);
        // A woken task may drop the owner of these timers, on the timers' own thread.
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            thread.join().ok();
        }
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn run(&self) {
        let mut state = self.state.lock();
        while !state.queue.is_over() {
            let due = state.queue.take_due(Instant::now());
            if due.is_empty() {
                self.sleep(&mut state);
            } else {
                MutexGuard::unlocked(&mut state, || due.into_iter().for_each(wake));
            }
        }
    }

    fn sleep(&self, state: &mut MutexGuard<'_, State>) {
        state.sleeps_until = state.queue.first();
        match state.sleeps_until {
            Some(at) => drop(self.changed.wait_until(state, at)),
            None => self.changed.wait(state),
        }
    }
}

/// A waker that panics must not stop the timers of others.
fn wake(waker: Waker) {
    if catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err() {
        tracing::error!("a waker panicked");
    }
}

impl TimerClock for Arc<Shared> {
    fn with_queue<T>(&self, work: impl FnOnce(&mut TimerQueue, Instant) -> T) -> T {
        let mut state = self.state.lock();
        let done = work(&mut state.queue, Instant::now());
        // A thread that wakes earlier finds the new timer by itself.
        if let Some(first) = state.queue.first()
            && state.sleeps_until.is_none_or(|until| first < until)
        {
            self.changed.notify_one();
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::task::{Context, Wake};
    use std::time::Duration;

    use super::*;

    /// Reports which waker was woken.
    struct Says(Mutex<Sender<u32>>, u32);

    impl Wake for Says {
        fn wake(self: Arc<Self>) {
            self.0.lock().send(self.1).unwrap();
        }
    }

    #[test]
    fn whoever_waits_is_woken_in_the_order_of_the_moments_and_who_gave_up_is_not() {
        let timers = Timers::start().unwrap();
        let (woken, wait) = channel();
        let now = Instant::now();
        let waits = |after_ms: u64, number: u32| {
            let mut timer = Box::pin(timers.sleep_until(now + Duration::from_millis(after_ms)));
            let waker = Waker::from(Arc::new(Says(Mutex::new(woken.clone()), number)));
            assert!(timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            timer
        };
        let (last, gave_up, first) = (waits(300, 3), waits(200, 2), waits(250, 1));
        drop(gave_up);
        assert_eq!((wait.recv().unwrap(), wait.recv().unwrap()), (1, 3));
        for mut over in [first, last] {
            assert!(over.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        }
        let shared = Arc::downgrade(&timers.shared);
        drop(timers);
        assert_eq!(shared.strong_count(), 0, "the thread is gone");
    }

    #[test]
    fn who_waits_when_the_timers_are_stopped_waits_no_longer() {
        let timers = Timers::start().unwrap();
        let (woken, wait) = channel();
        let waker = Waker::from(Arc::new(Says(Mutex::new(woken), 1)));
        let at = Instant::now() + Duration::from_secs(3600);
        let mut timer = Box::pin(timers.sleep_until(at));
        assert!(timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        timers.stop();
        assert_eq!((wait.recv().unwrap(), Arc::strong_count(&timers.shared)), (1, 2), "the thread is gone");
        for mut over in [timer, Box::pin(timers.sleep_until(at))] {
            assert!(over.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        }
        timers.stop();
    }

    #[test]
    fn a_moment_that_has_come_needs_no_waiting() {
        let timers = Timers::start().unwrap();
        let mut timer = Box::pin(timers.sleep_until(Instant::now()));
        assert!(timer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }
}
