//! A lack: the machine has no mapping, or no file that may be open, for a call that runs. Such a call has not failed, because other calls
//! hold these resources, so it is put back. It gives up its slot at once, which may be another's meanwhile, and tells its caller after a
//! pause ([`LACK_PAUSE`](crate::limits::LACK_PAUSE)). So a plugin with such calls has fewer under way, and other plugins lose nothing by
//! it.
//!
//! Mappings stay with the slots that have used them, so calls in those slots go on.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

/// The least time between two warnings about a lack, because thousands of calls may be put back.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// The system's error for a lack, if one of these errors has it. Each error is the cause of the one before.
pub(crate) fn lack<'e>(mut causes: impl Iterator<Item = &'e (dyn Error + 'static)>) -> Option<Errno> {
    causes.find_map(|cause| {
        let errno = cause.downcast_ref::<Errno>().copied();
        errno.or_else(|| cause.downcast_ref().and_then(of_io)).filter(|errno| is_lack(*errno))
    })
}

/// Like [`lack`], for an error and its causes.
pub(crate) fn lack_of(error: &(dyn Error + 'static)) -> Option<Errno> {
    let mut next = Some(error);
    lack(std::iter::from_fn(move || {
        let this = next?;
        next = this.source();
        Some(this)
    }))
}

/// Whether this error of the system is a lack. `runtime/egress/src/lack.rs` has the same three for errors of look-ups: without the feature
/// `http` that crate is not in the tree, and mappings and files can be missing all the same.
pub(crate) fn is_lack(errno: Errno) -> bool {
    [Errno::NOMEM, Errno::MFILE, Errno::NFILE].contains(&errno)
}

fn of_io(error: &io::Error) -> Option<Errno> {
    // All callers that have waited for a look-up share its error.
    let shared = || error.get_ref()?.downcast_ref::<Arc<io::Error>>()?.raw_os_error();
    error.raw_os_error().or_else(shared).map(Errno::from_raw_os_error)
}

/// The time of the last warning about a lack.
#[derive(Default)]
pub(crate) struct Told(Mutex<Option<Instant>>);

impl Told {
    /// Warns that a call was put back because the machine lacked something.
    pub(crate) fn tell(&self, what: Errno) {
        if self.is_due(Instant::now()) {
            tracing::warn!(
                "calls are put back, and fewer run at once until there is enough: this process has no mapping (vm.max_map_count), \
                 no memory, or no open file (`ulimit -n`) left: {what}"
            );
        }
    }

    /// Whether a warning is due. If so, this counts as one.
    fn is_due(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= TOLD_EVERY);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error: wasmtime::Error) -> Option<Errno> {
        lack(error.context("instantiating").chain())
    }

    #[test]
    fn a_machine_without_mappings_or_files_is_told_from_what_is_wrong() {
        let os = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        for errno in [Errno::NOMEM, Errno::MFILE, Errno::NFILE] {
            assert_eq!(of(errno.into()), Some(errno), "as wasmtime's own calls give it");
            assert_eq!(of(os(errno).into()), Some(errno), "as the standard library gives it");
            let of_a_look_up = io::Error::other(Arc::new(os(errno)));
            assert_eq!(of(of_a_look_up.into()), Some(errno));
        }
        for other in [os(Errno::ACCESS), io::Error::other("no number")] {
            assert_eq!(of(other.into()), None);
        }
        assert_eq!(of(wasmtime::Error::msg("something else")), None);
    }

    #[test]
    fn a_lack_that_lasts_is_said_each_minute() {
        let (told, first) = (Told::default(), Instant::now());
        let due = [0, 1, 59, 60, 61, 119, 120].map(|seconds| told.is_due(first + Duration::from_secs(seconds)));
        assert_eq!(due, [true, false, false, true, false, false, true]);
    }
}
