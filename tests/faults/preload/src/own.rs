//! Files and the process, around the functions that this library stands in front of.
//!
//! What it defines anew is asked of the kernel, everything else of C's library. Nothing here is counted, or broken.

use std::ffi::CStr;
use std::fmt::Display;
use std::io::Write;
use std::os::raw::c_int;

pub(crate) const PATH: usize = libc::PATH_MAX as usize;

/// Relative to the working directory, never inherited by a program that is started.
pub(crate) fn open(path: &CStr, flags: c_int) -> Option<c_int> {
    // SAFETY: the path ends with a zero, and outlives the call.
    let fd = unsafe {
        libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags | libc::O_CLOEXEC, 0o600 as c_int)
    };
    c_int::try_from(fd).ok().filter(|fd| *fd >= 0)
}

pub(crate) fn close(fd: c_int) {
    // SAFETY: the descriptor is one that `open` gave, and each is closed once.
    unsafe { libc::syscall(libc::SYS_close, fd) };
}

/// All of `bytes`, or not.
#[must_use]
pub(crate) fn write(fd: c_int, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        // SAFETY: address and length are those of one slice.
        let done = unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
        match usize::try_from(done).ok().and_then(|done| bytes.get(done..)) {
            Some(rest) if done > 0 => bytes = rest,
            _ => return false,
        }
    }
    true
}

/// Without moving the place at which the program reads.
pub(crate) fn read_at(fd: c_int, buffer: &mut [u8], at: i64) -> Option<usize> {
    // SAFETY: address and length are those of one slice, which is ours alone.
    let done = unsafe { libc::pread64(fd, buffer.as_mut_ptr().cast(), buffer.len(), at) };
    usize::try_from(done).ok()
}

/// What the descriptor is open for: `O_RDONLY`, `O_WRONLY` or `O_RDWR`.
pub(crate) fn access(fd: c_int) -> c_int {
    // SAFETY: this command takes no third argument.
    unsafe { libc::fcntl(fd, libc::F_GETFL) & libc::O_ACCMODE }
}

/// Whether it is a regular file that still has a name.
pub(crate) fn is_named_file(fd: c_int) -> bool {
    // SAFETY: numbers only, for which zero is a value like any other.
    let mut about: libc::stat64 = unsafe { std::mem::zeroed() };
    // SAFETY: `about` is of the type that the function fills in.
    let done = unsafe { libc::fstat64(fd, &raw mut about) };
    done == 0 && about.st_mode & libc::S_IFMT == libc::S_IFREG && about.st_nlink > 0
}

/// `/proc/self/fd/3`: a second way to the file of a descriptor.
pub(crate) fn by_descriptor<R>(fd: c_int, with: impl FnOnce(&CStr) -> Option<R>) -> Option<R> {
    let mut path = [0; 32];
    write!(path.as_mut_slice(), "/proc/self/fd/{fd}").ok()?;
    with(CStr::from_bytes_until_nul(&path).ok()?)
}

/// The absolute path of the file that is open, with no symbolic link in it.
pub(crate) fn path_of(fd: c_int, into: &mut [u8; PATH]) -> Option<&[u8]> {
    let length = by_descriptor(fd, |link| {
        // SAFETY: the link's path ends with a zero; address and length are those of one array.
        let length = unsafe { libc::readlink(link.as_ptr(), into.as_mut_ptr().cast(), into.len()) };
        usize::try_from(length).ok()
    })?;
    into.get(..length)
}

#[must_use]
pub(crate) fn rename(from: &CStr, to: &CStr) -> bool {
    // SAFETY: both end with a zero.
    unsafe { libc::rename(from.as_ptr(), to.as_ptr()) == 0 }
}

pub(crate) fn unlink(path: &CStr) {
    // SAFETY: the path ends with a zero.
    unsafe { libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, path.as_ptr(), 0 as c_int) };
}

pub(crate) fn exists(path: &CStr) -> bool {
    // SAFETY: the path ends with a zero.
    unsafe { libc::access(path.as_ptr(), libc::F_OK) == 0 }
}

pub(crate) fn errno() -> c_int {
    // SAFETY: C's library answers the address of this thread's own.
    unsafe { *libc::__errno_location() }
}

pub(crate) fn set_errno(code: c_int) {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = code }
}

/// As nothing can be: no handler runs, no buffer is written out.
pub(crate) fn die() -> ! {
    loop {
        // SAFETY: signals this process only. There is no way back from it; the loop says so to the compiler.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    }
}

/// For mistakes of a test: it must not go on as if nothing were wrong.
pub(crate) fn give_up(why: impl Display) -> ! {
    // There is nobody left to tell that it could not be told.
    let _told: bool = write(libc::STDERR_FILENO, format!("lastword-faults: {why}\n").as_bytes());
    std::process::abort()
}
