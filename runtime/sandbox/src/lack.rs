//! What the machine has too little of while calls run: mappings, and files that may be open. A call that finds none has not failed,
//! because it is others that hold them: it is put back. It gives up its slot at once, which may be another's meanwhile, and tells its
//! caller after a pause ([`LACK_PAUSE`](crate::limits::LACK_PAUSE)). So a plugin whose calls find none has fewer under way, and others
//! lose nothing for it.
//!
//! Mappings stay with the slots that have used them: calls in those go on.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

/// How often it is said at most that calls are put back for a lack: it may happen to thousands.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// The system's word for what it has none of, if that is what these errors, each the cause of the one before, say.
pub(crate) fn lack<'e>(mut causes: impl Iterator<Item = &'e (dyn Error + 'static)>) -> Option<Errno> {
    causes.find_map(|cause| {
        let errno = cause.downcast_ref::<Errno>().copied();
        errno.or_else(|| cause.downcast_ref().and_then(of_io)).filter(|errno| is_lack(*errno))
    })
}

/// As [`lack`], of an error and its causes.
pub(crate) fn lack_of(error: &(dyn Error + 'static)) -> Option<Errno> {
    let mut next = Some(error);
    lack(std::iter::from_fn(move || {
        let this = next?;
        next = this.source();
        Some(this)
    }))
}

fn is_lack(errno: Errno) -> bool {
    [Errno::NOMEM, Errno::MFILE, Errno::NFILE].contains(&errno)
}

fn of_io(error: &io::Error) -> Option<Errno> {
    // The error of a look-up is shared by all who have waited for it.
    let shared = || error.get_ref()?.downcast_ref::<Arc<io::Error>>()?.raw_os_error();
    error.raw_os_error().or_else(shared).map(Errno::from_raw_os_error)
}

/// When it was last said that the machine lacks something.
#[derive(Default)]
pub(crate) struct Told(Mutex<Option<Instant>>);

impl Told {
    /// A call was put back because the machine had none left of something.
    pub(crate) fn tell(&self, what: Errno) {
        if self.is_due(Instant::now()) {
            tracing::warn!(
                "calls are put back, and fewer run at once until there is enough: this process has no mapping (vm.max_map_count), \
                 no memory, or no open file (`ulimit -n`) left: {what}"
            );
        }
    }

    /// Whether it is to be said now. If so, it counts as said.
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
