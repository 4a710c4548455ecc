//! What the process has none left of: files that may be open, or memory. That says nothing of what was asked for, and others hold it.

use std::{fs::File, io};

use rustix::io::Errno;

/// Whether it was a lack that made this fail.
pub(crate) fn is_lack(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    number.is_some_and(|number| [Errno::MFILE, Errno::NFILE, Errno::NOMEM].contains(&number))
}

/// The lack that there is now, or else `error`. For what does not say itself that it could open no file, as `getaddrinfo`: a file
/// that is always there is opened. Blocks no longer than that takes.
pub(crate) fn lack_instead_of(error: io::Error) -> io::Error {
    match File::open("/dev/null") {
        Err(lack) if is_lack(&lack) => lack,
        _ => error,
    }
}
