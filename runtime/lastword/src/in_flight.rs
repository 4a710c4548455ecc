//! Requests that are being carried out.

use std::convert::Infallible;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::sync::Mutex;

/// Requests that are being carried out, and whether more are let in. A drain waits a little for those that came before it:
/// what an owner said before its last word is carried out in its order.
#[derive(Debug)]
pub(crate) struct InFlight {
    tickets: Mutex<Option<Sender<Infallible>>>,
    tickets_gone: tokio::sync::Mutex<Receiver<Infallible>>,
}

/// Held by a request until it is carried out.
pub(crate) struct Ticket(#[expect(dead_code, reason = "held, not used")] Sender<Infallible>);

impl Default for InFlight {
    fn default() -> Self {
        // Nothing is ever sent: what counts is that every ticket is gone.
        let (ticket, tickets_gone) = channel(1);
        Self { tickets: Mutex::new(Some(ticket)), tickets_gone: tokio::sync::Mutex::new(tickets_gone) }
    }
}

impl InFlight {
    /// None once a drain, or a closing without one, has begun: starts are refused then, and nobody waits for ends. None as
    /// well once the runtime was dropped.
    pub(crate) fn enter(&self) -> Option<Ticket> {
        self.tickets.lock().clone().map(Ticket)
    }

    /// Whether anyone is let in.
    pub(crate) fn is_open(&self) -> bool {
        self.tickets.lock().is_some()
    }

    /// Lets no more in, and says whether any is under way. None when that was so already: the first cause wins.
    pub(crate) fn close(&self) -> Option<bool> {
        // One is ours.
        self.tickets.lock().take().map(|tickets| tickets.strong_count() > 1)
    }

    /// Resolves when every request that came before [`Self::close`] is carried out.
    pub(crate) async fn finished(&self) {
        let mut tickets_gone = self.tickets_gone.lock().await;
        // None for good, once every ticket is.
        tickets_gone.recv().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_that_came_before_are_waited_for_and_the_first_cause_wins() {
        let in_flight = InFlight::default();
        let ticket = in_flight.enter();
        assert_eq!(in_flight.close(), Some(true));
        assert_eq!(in_flight.close(), None);
        assert!(in_flight.enter().is_none());
        let mut finished = std::pin::pin!(in_flight.finished());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(finished.as_mut().poll(&mut cx).is_pending());
        drop(ticket);
        finished.await;
        assert_eq!(InFlight::default().close(), Some(false));
    }
}
