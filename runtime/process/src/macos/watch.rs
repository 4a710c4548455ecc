//! Waits for a process's end with a kqueue.

use std::future::pending;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime;

use super::handle::Handle;
use crate::{Gone, WatchError};

#[derive(Debug)]
pub(crate) struct Watch {
    /// Has one event, the process's end, which is never taken out.
    kqueue: AsyncFd<OwnedFd>,
}

impl Watch {
    #[expect(clippy::needless_pass_by_value, reason = "on Linux the watch goes on with the handle's descriptor")]
    pub(crate) fn new(handle: Handle) -> Result<Self, WatchError> {
        runtime::Handle::try_current().map_err(|_| WatchError::NoRuntime)?;
        let refused = |errno: Errno| match errno {
            Errno::ESRCH => WatchError::Gone(Gone::NoProcess),
            errno => WatchError::Register(errno.into()),
        };
        let kqueue = Kqueue::new().map_err(refused)?;
        let pid = usize::try_from(handle.pid()).map_err(|_| WatchError::Gone(Gone::NoProcess))?;
        let end = KEvent::new(pid, EventFilter::EVFILT_PROC, EvFlags::EV_ADD, FilterFlag::NOTE_EXIT, 0, 0);
        kqueue.kevent(&[end], &mut [], None).map_err(refused)?;
        // Another process may have got the pid before this point.
        if Handle::open(handle.pid())?.start_time()? != handle.start_time()? {
            return Err(WatchError::Gone(Gone::Reused));
        }
        #[expect(
            deprecated,
            reason = "what replaces it is unsafe for types that change their descriptor; an OwnedFd keeps its own"
        )]
        let kqueue = AsyncFd::try_with_interest(OwnedFd::from(kqueue), Interest::READABLE)
            .map_err(|refused| WatchError::Register(refused.into()))?;
        Ok(Self { kqueue })
    }

    pub(crate) async fn exited(&self) {
        // The kqueue stays readable, because nothing clears it. A runtime that shuts down is no death.
        if self.kqueue.readable().await.is_err() {
            pending::<()>().await;
        }
    }
}
