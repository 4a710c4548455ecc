//! Word of what comes into a spool's directory: the system gives it, so that a daemon that nobody speaks to does
//! nothing.

use std::path::Path;

#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;

#[cfg(target_os = "linux")]
use rustix::fs::inotify;
#[cfg(target_os = "linux")]
use tokio::io::Interest;
#[cfg(target_os = "linux")]
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use crate::limits::SPOOL_LOOK;

/// Bytes of changes that are read at once. What they say is not looked at, and what is left is read the next time.
#[cfg(target_os = "linux")]
const MANY: usize = 4096;

/// Word of what comes into a directory.
pub(super) struct Changes {
    #[cfg(target_os = "linux")]
    told: Option<AsyncFd<OwnedFd>>,
}

impl Changes {
    /// From now on. To be called in a tokio runtime.
    #[cfg(target_os = "linux")]
    pub(super) fn of(directory: &Path) -> Self {
        let told = watch(directory)
            .inspect_err(|error| tracing::warn!(%error, "the system does not watch the spool: it is looked at"))
            .ok();
        Self { told }
    }

    /// Nobody tells on this system.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn of(_directory: &Path) -> Self {
        Self {}
    }

    /// Resolves when something has come since the last call, or may have.
    pub(super) async fn come(&self) {
        #[cfg(target_os = "linux")]
        if let Some(told) = &self.told {
            let read =
                |told: &OwnedFd| -> std::io::Result<usize> { Ok(rustix::io::read(told, [0; MANY].as_mut_slice())?) };
            if told.async_io(Interest::READABLE, read).await.is_ok() {
                return;
            }
        }
        timeout(SPOOL_LOOK, std::future::pending::<()>()).await.ok();
    }
}

/// An event's file is renamed when it is whole.
#[cfg(target_os = "linux")]
fn watch(directory: &Path) -> std::io::Result<AsyncFd<OwnedFd>> {
    let told = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&told, directory, inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::ONLYDIR)?;
    #[expect(
        deprecated,
        reason = "what replaces it is unsafe for types that change their descriptor; an OwnedFd keeps its own"
    )]
    let told = AsyncFd::with_interest(told, Interest::READABLE)?;
    Ok(told)
}
