//! The agent's process, and the moment of its end.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::board::Board;

/// The process that Lastword watches for a session. It is known by a descriptor and not by its number, so that no other
/// process is ever signalled in its place.
pub(crate) struct Agent {
    pid: u32,
    process: Arc<OwnedFd>,
    left: Arc<Board<Option<Instant>>>,
}

impl Agent {
    /// # Panics
    /// When there is no such process any more.
    pub(crate) fn of(pid: u32) -> Self {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
        let process = pidfd_open(number, PidfdFlags::empty());
        let process = Arc::new(process.unwrap_or_else(|error| panic!("process {pid}, the session's owner: {error}")));
        let left: Arc<Board<Option<Instant>>> = Arc::default();
        let (watched, told) = (process.clone(), left.clone());
        thread::spawn(move || {
            // Readable from the moment at which the process has ended, also while nobody has waited for it.
            let mut events = [PollFd::new(&*watched, PollFlags::IN)];
            retry_on_intr(|| poll(&mut events, None)).unwrap();
            let now = Instant::now();
            told.change(|left| *left = Some(now));
        });
        Self { pid, process, left }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends it a signal, if it is still there.
    pub(crate) fn signal(&self, signal: Signal) {
        match pidfd_send_signal(&*self.process, signal) {
            Ok(()) | Err(Errno::SRCH) => (),
            Err(error) => panic!("cannot signal process {}: {error}", self.pid),
        }
    }

    /// When it ended; none: it has not, within that time.
    pub(crate) fn left_within(&self, time: Duration) -> Option<Instant> {
        self.left.wait(time, |left| *left)
    }
}
