//! Notices that the journal is taken away while no write happens: a thread that the kernel wakes.
//!
//! Only Linux's inotify is used. Elsewhere the next commit notices.

use std::io::{self, PipeWriter};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use crate::ownership::JournalFiles;

/// Room for some events at once; the kernel keeps the others.
const EVENTS_BYTES: usize = 4096;

/// Watches until it is dropped. The drop does not wait for the thread, because the kernel takes some 10 ms to close its descriptors.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Closing it wakes the thread.
    _stop: PipeWriter,
}

impl Watch {
    /// Calls `taken_away` each time that the files are found gone. A missing watch is no failure, because the next commit notices.
    pub(crate) fn start(files: &Arc<JournalFiles>, taken_away: impl Fn() + Send + 'static) -> Option<Self> {
        Self::try_start(files, taken_away)
            .inspect_err(|error| tracing::debug!(%error, "the journal's files are not watched"))
            .ok()
    }

    fn try_start(files: &Arc<JournalFiles>, taken_away: impl Fn() + Send + 'static) -> io::Result<Self> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let directory = files.path().parent().unwrap_or(Path::new("/"));
        // The journal's own writes cause none of these events.
        let changes = WatchFlags::MOVED_FROM | WatchFlags::MOVED_TO | WatchFlags::DELETE;
        inotify::add_watch(&events, directory, changes)?;
        // For the directories above, only their own moves and removals. The process may not be allowed to read some of them.
        for above in directory.ancestors() {
            let goes = WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF | WatchFlags::MASK_ADD;
            inotify::add_watch(&events, above, goes).ok();
        }
        let (stopped, stop) = io::pipe()?;
        let files = files.clone();
        thread::Builder::new()
            .name("lastword-watch".to_owned())
            .spawn(move || watch(&events, &stopped.into(), &files, taken_away))?;
        Ok(Self { _stop: stop })
    }
}

fn watch(events: &OwnedFd, stopped: &OwnedFd, files: &JournalFiles, on_taken_away: impl Fn()) {
    loop {
        let mut ready = [PollFd::new(stopped, PollFlags::IN), PollFd::new(events, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) | Err(Errno::INTR) => (),
            Err(_) => return,
        }
        let [stopped, _] = &ready;
        if !stopped.revents().is_empty() {
            return;
        }
        let mut buffer = [MaybeUninit::uninit(); EVENTS_BYTES];
        let mut reader = inotify::Reader::new(events, &mut buffer);
        // The events do not matter, because the thread checks the files.
        while reader.next().is_ok() {}
        if let Err(taken_away) = files.check() {
            files.log(&taken_away);
            on_taken_away();
        }
    }
}
