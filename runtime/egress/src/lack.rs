//! Resources that the process has run out of: open files, or memory. Such an error says nothing about the request,
//! because other requests hold the resource.

use std::{fs::File, io};

use rustix::io::Errno;

/// Whether the error is a lack of a resource. The sandbox, which can do without this crate, has the same three in its `lack.rs`.
pub(crate) fn is_lack(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    number.is_some_and(|number| [Errno::MFILE, Errno::NFILE, Errno::NOMEM].contains(&number))
}

/// Returns the current lack of a resource, or else `error`. For calls such as `getaddrinfo` whose error does not tell
/// that no file could be opened: this opens a file that always exists. Blocks no longer than that takes.
pub(crate) fn lack_instead_of(error: io::Error) -> io::Error {
    match File::open("/dev/null") {
        Err(lack) if is_lack(&lack) => lack,
        _ => error,
    }
}
