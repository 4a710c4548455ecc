//! A network namespace of Linux: interfaces, addresses and routes of its own. It has no name. It is there for as long as somebody has it,
//! and so whatever happens to a test, nothing has to be removed.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

/// The namespace of the thread that opens it.
const OF_THIS_THREAD: &str = "/proc/thread-self/ns/net";

#[derive(Debug)]
pub(crate) struct Namespace(File);

impl Namespace {
    /// A new one, in which no interface is up.
    pub(crate) fn new() -> io::Result<Self> {
        // A thread that is in it makes it, and ends.
        let make = || -> io::Result<Self> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Self::here()
        };
        thread::scope(|scope| scope.spawn(make).join().unwrap())
    }

    /// That of this thread.
    pub(crate) fn here() -> io::Result<Self> {
        File::open(OF_THIS_THREAD).map(Self)
    }

    /// From now on this thread is in it, and so are the threads and processes that it starts. A socket stays where it was made.
    pub(crate) fn enter(&self) -> io::Result<()> {
        Ok(setns(&self.0, CloneFlags::CLONE_NEWNET)?)
    }

    /// The same, until what this gives is dropped.
    pub(crate) fn enter_for_now(&self) -> io::Result<Back> {
        let back = Back(Self::here()?);
        self.enter()?;
        Ok(back)
    }

    /// Where other processes find it.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

/// Takes the thread that drops this back to the namespace in which it was.
#[derive(Debug)]
pub(crate) struct Back(Namespace);

impl Drop for Back {
    fn drop(&mut self) {
        // It has left that one with the same rights.
        self.0.enter().unwrap();
    }
}
