//! The disposition of a signal that our parent has set.

use std::mem::MaybeUninit;

/// Whether the process was started with this signal ignored. Call it before a handler is installed.
#[expect(
    unsafe_code,
    reason = "no safe library reads a disposition, and /proc/self/status is Linux's alone and not in every container"
)]
pub(super) fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action the call changes nothing. `action` is valid for writes, and is read only when the
    // call has succeeded and so has filled it in.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::{SIGPIPE, SIGUSR1};

    use super::*;

    #[test]
    fn rust_ignores_sigpipe_and_leaves_the_others() {
        assert!(is_ignored(SIGPIPE));
        assert!(!is_ignored(SIGUSR1));
        assert!(!is_ignored(-1), "there is none");
    }
}
