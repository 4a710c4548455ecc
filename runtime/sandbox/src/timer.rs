//! A call's timer. It is made when it is first needed: a call that waits neither for the host nor for a turn has none.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

#[derive(Default)]
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Whether this thread can have one.
    pub(crate) fn is_possible() -> bool {
        Handle::try_current().is_ok()
    }

    /// Ready from `at` on. The task is woken by then or earlier, and has to ask again.
    pub(crate) fn poll_at(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if at <= Instant::now() {
            return Poll::Ready(());
        }
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        let due = timer.as_mut().poll(cx);
        if due.is_pending() && timer.deadline() <= at {
            // A timer that was set for an earlier wait stays as it is, because setting it anew takes the timer's lock.
            return due;
        }
        timer.as_mut().reset(at);
        timer.as_mut().poll(cx)
    }
}
