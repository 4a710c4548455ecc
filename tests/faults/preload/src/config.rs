//! What the environment asks for, read once.

use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;
use std::sync::OnceLock;
use std::time::Duration;

use crate::own;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Fail,
    FailFrom,
    FullFrom,
    SlowFrom,
    Kill,
    Tear,
    NoLocks,
    NoSharedMemory,
    NoThreadsFrom,
}

#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// The first operation is number 1.
    pub(crate) at: u64,
}

pub(crate) struct Config {
    /// Not empty.
    files: Vec<u8>,
    pub(crate) fault: Option<Fault>,
    /// What a sync takes longer on a slow disk.
    pub(crate) slow: Duration,
    pub(crate) until: Option<CString>,
    pub(crate) count: Option<CString>,
    pub(crate) shadow: Option<CString>,
}

static CONFIG: OnceLock<Option<Config>> = OnceLock::new();

impl Config {
    /// Nothing when no files are watched: then every function only calls the real one.
    ///
    /// The library's constructor is the first to call it, before the program can have threads or signal handlers, so
    /// that no later call allocates or waits.
    pub(crate) fn get() -> Option<&'static Self> {
        CONFIG.get_or_init(Self::read).as_ref()
    }

    fn read() -> Option<Self> {
        let files = text("LASTWORD_FAULT_FILES")?;
        let fault = text("LASTWORD_FAULT").map(|kind| Fault { kind: kind_of(&kind), at: number("LASTWORD_FAULT_AT") });
        let config = Self {
            files,
            fault,
            slow: Duration::from_millis(number("LASTWORD_FAULT_SLOW_MS")),
            until: path("LASTWORD_FAULT_UNTIL"),
            count: path("LASTWORD_FAULT_COUNT"),
            shadow: path("LASTWORD_FAULT_SHADOW"),
        };
        // The count is there from the start, so that a test can tell "nothing happened" from "was not loaded". What is
        // in it stays: it may be the count of the program that has started this one.
        if let Some(count) = &config.count {
            own::open(count, libc::O_WRONLY | libc::O_CREAT).map_or_else(|| wrong("LASTWORD_FAULT_COUNT"), own::close);
        }
        Some(config)
    }

    /// Whether the file system that is played lacks something.
    pub(crate) fn lacks(what: Kind) -> bool {
        Self::get().and_then(|config| config.fault).is_some_and(|fault| fault.kind == what)
    }

    /// Whether this thread can be started; the first one that the program starts is number 1.
    pub(crate) fn has_thread(number: u64) -> bool {
        let fault = Self::get().and_then(|config| config.fault);
        fault.is_none_or(|fault| fault.kind != Kind::NoThreadsFrom || number < fault.at)
    }

    /// Whether files of this path are watched. SQLite's `-shm` is memory: nothing of it has to survive.
    pub(crate) fn watches(&self, path: &[u8]) -> bool {
        !path.ends_with(b"-shm") && path.windows(self.files.len()).any(|part| part == self.files)
    }
}

fn kind_of(name: &[u8]) -> Kind {
    match name {
        b"fail" => Kind::Fail,
        b"fail-from" => Kind::FailFrom,
        b"full-from" => Kind::FullFrom,
        b"slow-from" => Kind::SlowFrom,
        // Every death spares a copy into the shadow, so that one before a power cut needs nothing more.
        b"kill" | b"power" => Kind::Kill,
        b"tear" => Kind::Tear,
        b"no-locks" => Kind::NoLocks,
        b"no-shared-memory" => Kind::NoSharedMemory,
        b"no-threads-from" => Kind::NoThreadsFrom,
        _ => wrong("LASTWORD_FAULT"),
    }
}

fn number(name: &str) -> u64 {
    let number = text(name).and_then(|number| String::from_utf8(number).ok()?.parse().ok());
    number.unwrap_or_else(|| wrong(name))
}

fn text(name: &str) -> Option<Vec<u8>> {
    std::env::var_os(name).map(OsStringExt::into_vec).filter(|text| !text.is_empty())
}

fn path(name: &str) -> Option<CString> {
    text(name).and_then(|text| CString::new(text).ok())
}

/// A test that asks for what there is not would pass without its fault.
fn wrong(what: &str) -> ! {
    own::give_up(format_args!("{what} is wrong"))
}
