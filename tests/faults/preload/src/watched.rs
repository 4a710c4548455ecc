//! Which descriptors are of watched files. Without a lock: every `close` of every program passes here.

use std::ffi::CStr;
use std::os::raw::c_int;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::Config;
use crate::own;

/// One that is higher is not watched. Systems give far fewer to a process, unless asked.
const DESCRIPTORS: usize = 1 << 16;

static WATCHED: [AtomicBool; DESCRIPTORS] = [const { AtomicBool::new(false) }; DESCRIPTORS];

pub(crate) fn opened(fd: c_int, given: &CStr) {
    let Some(config) = Config::get() else { return };
    let errno = own::errno();
    // As given as well: the real one differs when the temporary directory is behind a link.
    let watch = config.watches(given.to_bytes())
        || own::path_of(fd, &mut [0; own::PATH]).is_some_and(|path| config.watches(path));
    // Also when not: the number may have been one of a file that was closed out of our sight.
    set(fd, watch);
    own::set_errno(errno);
}

/// To be called before the descriptor is closed: afterwards another thread may be given the same number.
pub(crate) fn closing(fd: c_int) {
    if Config::get().is_some() {
        set(fd, false);
    }
}

/// The configuration, if the descriptor is watched.
pub(crate) fn by(fd: c_int) -> Option<&'static Config> {
    let config = Config::get()?;
    place(fd)?.load(Ordering::Acquire).then_some(config)
}

fn set(fd: c_int, watch: bool) {
    if let Some(place) = place(fd) {
        place.store(watch, Ordering::Release);
    }
}

fn place(fd: c_int) -> Option<&'static AtomicBool> {
    WATCHED.get(usize::try_from(fd).ok()?)
}
