//! An answer that comes later.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::JournalError;

/// An answer that a journal will give. Dropping it does not undo the write.
#[derive(Debug)]
pub struct Pending<T>(State<T>);

#[derive(Debug)]
enum State<T> {
    // The journal in memory answers at once, and should not pay for a channel.
    Ready(Option<Result<T, JournalError>>),
    Waiting(oneshot::Receiver<Result<T, JournalError>>),
}

/// The other end of a [`Pending`]. Dropping it answers [`JournalError::Closed`].
#[derive(Debug)]
pub struct Reply<T>(oneshot::Sender<Result<T, JournalError>>);

impl<T> Pending<T> {
    /// An answer that is there already.
    #[must_use]
    pub fn ready(answer: Result<T, JournalError>) -> Self {
        Self(State::Ready(Some(answer)))
    }

    /// An answer that another thread will give.
    #[must_use]
    pub fn later() -> (Reply<T>, Self) {
        let (sender, receiver) = oneshot::channel();
        (Reply(sender), Self(State::Waiting(receiver)))
    }
}

impl<T> Reply<T> {
    /// Gives the answer. The receiver may be dropped already.
    pub fn send(self, answer: Result<T, JournalError>) {
        // If the receiver was dropped, nobody misses the answer.
        self.0.send(answer).ok();
    }
}

impl<T: Unpin> Future for Pending<T> {
    type Output = Result<T, JournalError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            State::Waiting(receiver) => {
                Pin::new(receiver).poll(cx).map(|answer| answer.unwrap_or(Err(JournalError::Closed)))
            }
        }
    }
}
