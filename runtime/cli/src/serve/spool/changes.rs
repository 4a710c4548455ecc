//! Notices new files in a spool's directory. The system reports them, so that an idle daemon does nothing.

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

/// Bytes of change reports that are read at once. Their content is ignored, and the rest is read the next time.
#[cfg(target_os = "linux")]
const MANY: usize = 4096;

/// Reports of new files in a directory.
pub(super) struct Changes {
    #[cfg(target_os = "linux")]
    told: Option<AsyncFd<OwnedFd>>,
}

impl Changes {
    /// Begins to watch. Call it in a tokio runtime.
    #[cfg(target_os = "linux")]
    pub(super) fn of(directory: &Path) -> Self {
        let told = watch(directory)
            .inspect_err(|error| tracing::warn!(%error, "the system does not watch the spool: it is looked at"))
            .ok();
        Self { told }
    }

    /// This system reports no changes.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn of(_directory: &Path) -> Self {
        Self {}
    }

    /// Resolves when a file has come since the last call, or may have.
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

/// Watches for renames: an event's file is renamed when it is complete.
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
