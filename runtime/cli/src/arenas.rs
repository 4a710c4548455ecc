//! C's allocator, which SQLite uses: where address space is limited it must not take 64 MiB of it for each thread.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use rustix::process::{Resource, getrlimit};

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

/// Only glibc's does.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn share_where_limited() {}
