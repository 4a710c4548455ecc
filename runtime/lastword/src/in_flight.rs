//! Requests that are being carried out.

use std::convert::Infallible;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::sync::Mutex;

/// Requests that are being carried out, and whether more are let in. A drain waits a little for requests that were made before the drain:
/// so they are carried out in the order in which their owner made them.
#[derive(Debug)]
pub(crate) struct InFlight {
    tickets: Mutex<Option<Sender<Infallible>>>,
    tickets_gone: tokio::sync::Mutex<Receiver<Infallible>>,
}

/// A request holds this until it is carried out.
pub(crate) struct Ticket(#[expect(dead_code, reason = "held, not used")] Sender<Infallible>);

impl Default for InFlight {
    fn default() -> Self {
        // Nothing is ever sent. The channel only shows when every ticket is gone.
        let (ticket, tickets_gone) = channel(1);
        Self { tickets: Mutex::new(Some(ticket)), tickets_gone: tokio::sync::Mutex::new(tickets_gone) }
    }
}

impl InFlight {
    /// A ticket for a request. None once a drain or a closing has begun: then starts are refused, and nobody waits for ends. None as well
    /// once the runtime was dropped.
    pub(crate) fn enter(&self) -> Option<Ticket> {
        self.tickets.lock().clone().map(Ticket)
    }

    /// Whether requests are let in.
    pub(crate) fn is_open(&self) -> bool {
        self.tickets.lock().is_some()
    }

    /// Lets no more requests in, and says whether any is under way. None if they were closed already: the first cause wins.
    pub(crate) fn close(&self) -> Option<bool> {
        // One of the senders is this one's own.
        self.tickets.lock().take().map(|tickets| tickets.strong_count() > 1)
    }

    /// Resolves when every request is finished that came before [`Self::close`].
    pub(crate) async fn finished(&self) {
        let mut tickets_gone = self.tickets_gone.lock().await;
        // The channel gives None once every ticket is gone.
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
