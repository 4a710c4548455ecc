//! Threads that sleep. shuttle wakes a sleeping thread now and then although nobody has asked for it, which `std` allows,
//! and which hides that somebody forgot to: here nobody wakes without a reason.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use shuttle::future::block_on;

pub use shuttle::thread::{Builder, JoinHandle, ThreadId, yield_now};

use super::Mutex;
use super::clock::{now, sleep_until};

shuttle::thread_local! {
    static TOKEN: Arc<Token> = Arc::default();
}

/// A handle to a thread.
#[derive(Clone, Debug)]
pub struct Thread {
    id: ThreadId,
    token: Arc<Token>,
}

#[derive(Debug, Default)]
struct Token(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    there: bool,
    sleeper: Option<Waker>,
}

impl Thread {
    /// As `std`'s.
    #[must_use]
    pub fn id(&self) -> ThreadId {
        self.id
    }

    /// Wakes the thread, or keeps it from falling asleep the next time.
    pub fn unpark(&self) {
        let sleeper = {
            let mut state = self.token.0.lock();
            state.there = true;
            state.sleeper.take()
        };
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }
}

impl Token {
    async fn taken(&self) {
        poll_fn(|cx| {
            let mut state = self.0.lock();
            if std::mem::take(&mut state.there) {
                return Poll::Ready(());
            }
            state.sleeper = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// This thread.
#[must_use]
pub fn current() -> Thread {
    Thread { id: shuttle::thread::current().id(), token: TOKEN.with(Arc::clone) }
}

/// Sleeps until somebody calls [`Thread::unpark`].
pub fn park() {
    block_on(TOKEN.with(Arc::clone).taken());
}

/// Sleeps until it is woken or a timer goes off.
pub fn park_timeout(time: Duration) {
    let token = TOKEN.with(Arc::clone);
    let (mut woken, mut timer) = (pin!(token.taken()), pin!(sleep_until(now() + time)));
    // Whether it was the one or the other makes no difference to who sleeps.
    block_on(poll_fn(|cx| match woken.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => timer.as_mut().poll(cx),
    }));
}
