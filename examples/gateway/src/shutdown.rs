//! Tells everyone who has to know that the service stops.

use std::future::Future;

use tokio::sync::watch;

/// Whether the service has begun to stop.
#[derive(Default)]
pub(crate) struct Shutdown {
    begun: watch::Sender<bool>,
}

impl Shutdown {
    pub(crate) fn begin(&self) {
        self.begun.send_replace(true);
    }

    pub(crate) fn has_begun(&self) -> bool {
        *self.begun.borrow()
    }

    /// Resolves when it has begun.
    pub(crate) fn begun(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut begun = self.begun.subscribe();
        async move {
            // The sender is gone only when everything is.
            begun.wait_for(|begun| *begun).await.ok();
        }
    }
}
