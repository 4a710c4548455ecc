//! Waits for a pidfd.

use std::future::pending;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime;

use super::handle::{Handle, is_over};
use crate::WatchError;

#[derive(Debug)]
pub(crate) struct Watch {
    pidfd: AsyncFd<OwnedFd>,
}

impl Watch {
    pub(crate) fn new(handle: Handle) -> Result<Self, WatchError> {
        runtime::Handle::try_current().map_err(|_| WatchError::NoRuntime)?;
        #[expect(
            deprecated,
            reason = "what replaces it is unsafe for types that change their descriptor; an OwnedFd keeps its own"
        )]
        let pidfd = AsyncFd::try_with_interest(handle.into_pidfd(), Interest::READABLE)
            .map_err(|refused| WatchError::Register(refused.into()))?;
        Ok(Self { pidfd })
    }

    pub(crate) async fn exited(&self) {
        loop {
            // The runtime shuts down, which is no death.
            let Ok(mut ready) = self.pidfd.readable().await else { return pending().await };
            match is_over(&self.pidfd) {
                Ok(true) => return,
                Ok(false) => ready.clear_ready(),
                // The machine is short of memory. The state is unknown, and the wake-up condition still holds.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }
}
