//! Settings of the allocators. C's allocator, which SQLite uses, must not take 64 MiB of address space for each thread
//! where address space is limited. Our own has to return freed memory to the system even when no thread allocates any
//! more.

mod pace;

#[cfg(not(target_env = "msvc"))]
use std::ptr::null_mut;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use rustix::process::{Resource, getrlimit};

use pace::Pace;

/// Lets all threads share one arena of C's allocator where `ulimit -v` limits address space. Elsewhere each thread has
/// its own arena, which is faster and costs nothing. Call it before other threads exist.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the environment variable for it is read before the program begins")]
pub(crate) fn share_where_limited() {
    if getrlimit(Resource::As).current.is_some() {
        // SAFETY: `mallopt` takes two integers and touches nothing but the allocator's settings; it must not run beside
        // another `mallopt`, and this is the only one.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    }
}

/// Returns memory that was unused for some seconds (jemalloc's `dirty_decay_ms`, 10 s) to the system. jemalloc does so
/// itself while the process allocates and frees, but not while the process idles after a burst.
#[cfg(not(target_env = "msvc"))]
pub(crate) fn give_back_unused() {
    all_arenas(c"arena.4096.decay");
}

/// Returns unused memory every few seconds, and less often while the process idles. Runs until it is aborted.
#[expect(clippy::disallowed_methods, reason = "nothing tells of memory that has become old enough")]
pub(crate) async fn keep_giving_back() {
    let mut pace = Pace::default();
    loop {
        tokio::time::sleep(pace.next()).await;
        give_back_unused();
    }
}

/// Returns all unused memory. Takes a while if much was used, so call it when nothing waits.
#[cfg(not(target_env = "msvc"))]
pub(crate) fn give_back_all_unused() {
    all_arenas(c"arena.4096.purge");
}

/// Runs a control for all arenas, which the number 4096 in its name stands for. The control has no value.
#[cfg(not(target_env = "msvc"))]
#[expect(unsafe_code, reason = "no safe function of a library does this")]
fn all_arenas(control: &std::ffi::CStr) {
    // SAFETY: the name ends with a zero byte, and this control neither reads nor writes a value. It may be used on any thread.
    let failed = unsafe { tikv_jemalloc_sys::mallctl(control.as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
    debug_assert_eq!(failed, 0, "there is no such control");
}

/// Nothing to do: the system's allocator decides itself.
#[cfg(target_env = "msvc")]
pub(crate) fn give_back_unused() {}

/// Nothing to do: the system's allocator decides itself.
#[cfg(target_env = "msvc")]
pub(crate) fn give_back_all_unused() {}

/// Nothing to do: only glibc's allocator has arenas.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn share_where_limited() {}
