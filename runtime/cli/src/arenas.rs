//! The allocators. C's, which SQLite uses: where address space is limited it must not take 64 MiB of it for each thread. And
//! ours: what was freed goes back to the system also when nobody allocates any more.

mod pace;

#[cfg(not(target_env = "msvc"))]
use std::ptr::null_mut;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use rustix::process::{Resource, getrlimit};

use pace::Pace;

/// Lets all threads share what C's allocator takes, where `ulimit -v` counts it. Elsewhere each thread has its own,
/// which is faster and costs nothing. To be called before there are threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the environment variable for it is read before the program begins")]
pub(crate) fn share_where_limited() {
    if getrlimit(Resource::As).current.is_some() {
        // SAFETY: `mallopt` takes two integers and touches nothing but the allocator's settings; it must not run beside
        // another `mallopt`, and this is the only one.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    }
}

/// Gives back what has not been used for some seconds (jemalloc's `dirty_decay_ms`, 10 s). It does that by itself as memory is
/// allocated and freed, and not when a burst is over and the process idles.
#[cfg(not(target_env = "msvc"))]
pub(crate) fn give_back_unused() {
    all_arenas(c"arena.4096.decay");
}

/// Does that every few seconds, and less often while the process idles, until it is aborted.
#[expect(clippy::disallowed_methods, reason = "nothing tells of memory that has become old enough")]
pub(crate) async fn keep_giving_back() {
    let mut pace = Pace::default();
    loop {
        tokio::time::sleep(pace.next()).await;
        give_back_unused();
    }
}

/// Gives back all that is not used now. It takes a while where much was used: at moments when nobody waits.
#[cfg(not(target_env = "msvc"))]
pub(crate) fn give_back_all_unused() {
    all_arenas(c"arena.4096.purge");
}

/// `control` has 4096 in its name, which stands for all arenas, and no value.
#[cfg(not(target_env = "msvc"))]
#[expect(unsafe_code, reason = "no safe function of a library does this")]
fn all_arenas(control: &std::ffi::CStr) {
    // SAFETY: the name ends with a zero byte, and this control neither reads nor writes a value. It may be used on any thread.
    let failed = unsafe { tikv_jemalloc_sys::mallctl(control.as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
    debug_assert_eq!(failed, 0, "there is no such control");
}

/// The system's allocator does what it does.
#[cfg(target_env = "msvc")]
pub(crate) fn give_back_unused() {}

/// The system's allocator does this by itself as well.
#[cfg(target_env = "msvc")]
pub(crate) fn give_back_all_unused() {}

/// Only glibc's does.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn share_where_limited() {}
