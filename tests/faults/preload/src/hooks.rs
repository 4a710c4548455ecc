//! C's functions, under their own names.
//!
//! `open` takes a mode only when it creates something, and Rust cannot define functions with a variable number of
//! arguments. On Linux the mode is where it would be if it were always there; it is passed on unread.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use libc::{mode_t, off_t, off64_t, pthread_attr_t, pthread_t, size_t, ssize_t};

use crate::config::{Config, Kind};
use crate::operation::{Operation, perform};
use crate::own;
use crate::real::real;
use crate::{shadow, watched};

/// Reads the environment before the program runs.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = {
    extern "C" fn at_load() {
        Config::get();
    }
    at_load
};

/// Answers that there is no such function. Not seen on glibc, which has them all.
fn missing<R: From<i8>>() -> R {
    own::set_errno(libc::ENOSYS);
    R::from(-1)
}

macro_rules! open {
    ($name:ident($($directory:ident: $of:ty)?)) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($directory: $of,)? path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            type Real = unsafe extern "C" fn($($of,)? *const c_char, c_int, ...) -> c_int;
            let Some(real) = real!($name as Real) else { return missing() };
            // SAFETY: the caller's own arguments.
            let fd = unsafe { real($($directory,)? path, flags, mode) };
            if fd >= 0 {
                // SAFETY: what could be opened is a path that ends with a zero.
                watched::opened(fd, unsafe { CStr::from_ptr(path) });
            }
            fd
        }
    };
}

open!(open());
open!(open64());
open!(openat(directory: c_int));
open!(openat64(directory: c_int));

#[unsafe(no_mangle)]
unsafe extern "C" fn close(fd: c_int) -> c_int {
    let Some(real) = real!(close as unsafe extern "C" fn(c_int) -> c_int) else { return missing() };
    watched::closing(fd);
    // SAFETY: the caller's own argument.
    unsafe { real(fd) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let Some(real) = real!(unlink as unsafe extern "C" fn(*const c_char) -> c_int) else { return missing() };
    // SAFETY: the caller says that it is a path, and so that it ends with a zero.
    shadow::unlink(unsafe { CStr::from_ptr(path) }, || unsafe { real(path) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    type Real = unsafe extern "C" fn(c_int, *const c_void, size_t) -> ssize_t;
    let Some(real) = real!(write as Real) else { return missing() };
    // SAFETY: the caller's own arguments, or a part of its bytes.
    perform(fd, Operation::Write, |part| unsafe { real(fd, bytes, count / part) })
}

macro_rules! pwrite {
    ($name:ident($offset:ty)) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int, bytes: *const c_void, count: size_t, at: $offset) -> ssize_t {
            type Real = unsafe extern "C" fn(c_int, *const c_void, size_t, $offset) -> ssize_t;
            let Some(real) = real!($name as Real) else { return missing() };
            // SAFETY: the caller's own arguments, or a part of its bytes.
            perform(fd, Operation::Write, |part| unsafe { real(fd, bytes, count / part, at) })
        }
    };
}

pwrite!(pwrite(off_t));
pwrite!(pwrite64(off64_t));

macro_rules! ftruncate {
    ($name:ident($offset:ty)) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int, length: $offset) -> c_int {
            let Some(real) = real!($name as unsafe extern "C" fn(c_int, $offset) -> c_int) else { return missing() };
            // SAFETY: the caller's own arguments.
            perform(fd, Operation::Truncate, |_| unsafe { real(fd, length) })
        }
    };
}

ftruncate!(ftruncate(off_t));
ftruncate!(ftruncate64(off64_t));

macro_rules! sync {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int) -> c_int {
            let Some(real) = real!($name as unsafe extern "C" fn(c_int) -> c_int) else { return missing() };
            // SAFETY: the caller's own argument.
            perform(fd, Operation::Sync, |_| unsafe { real(fd) })
        }
    };
}

/// Of all files: only ours are locked so.
#[unsafe(no_mangle)]
unsafe extern "C" fn flock(fd: c_int, operation: c_int) -> c_int {
    let Some(real) = real!(flock as unsafe extern "C" fn(c_int, c_int) -> c_int) else { return missing() };
    if Config::lacks(Kind::NoLocks) {
        own::set_errno(libc::ENOLCK);
        return -1;
    }
    // SAFETY: the caller's own arguments.
    unsafe { real(fd, operation) }
}

/// Threads are refused as a system does that has no more to give.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut pthread_t,
    attributes: *const pthread_attr_t,
    start: extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
) -> c_int {
    type Start = extern "C" fn(*mut c_void) -> *mut c_void;
    type Real = unsafe extern "C" fn(*mut pthread_t, *const pthread_attr_t, Start, *mut c_void) -> c_int;
    static STARTED: AtomicU64 = AtomicU64::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed) + 1;
    let Some(real) = real!(pthread_create as Real).filter(|_| Config::has_thread(number)) else { return libc::EAGAIN };
    // SAFETY: the caller's own arguments.
    unsafe { real(thread, attributes, start, argument) }
}

macro_rules! mmap {
    ($name:ident($offset:ty)) => {
        /// Of all files: SQLite's `-shm` is the only one that is mapped to be shared.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            at: *mut c_void,
            length: size_t,
            protection: c_int,
            flags: c_int,
            fd: c_int,
            offset: $offset,
        ) -> *mut c_void {
            type Real = unsafe extern "C" fn(*mut c_void, size_t, c_int, c_int, c_int, $offset) -> *mut c_void;
            let is_shared_file = fd >= 0 && flags & libc::MAP_SHARED != 0;
            let real = real!($name as Real).filter(|_| !(is_shared_file && Config::lacks(Kind::NoSharedMemory)));
            let Some(real) = real else {
                own::set_errno(libc::ENODEV);
                return libc::MAP_FAILED;
            };
            // SAFETY: the caller's own arguments.
            unsafe { real(at, length, protection, flags, fd, offset) }
        }
    };
}

mmap!(mmap(off_t));
mmap!(mmap64(off64_t));

sync!(fsync);
sync!(fdatasync);
