//! What the machine has too little of while calls run: mappings, and files that may be open. A call that finds none has not failed,
//! because it is others that hold them: it is put back, and its slot stays empty for a moment. So fewer calls run at once, until
//! there is enough for them.
//!
//! Mappings stay with the slots that have used them: calls in those go on.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustix::io::Errno;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::limits::LACK_PAUSE;

/// The system's word for what it has none of, if that is what these errors, each the cause of the one before, say.
pub(crate) fn lack<'e>(mut causes: impl Iterator<Item = &'e (dyn Error + 'static)>) -> Option<Errno> {
    causes.find_map(|cause| {
        let errno = cause.downcast_ref::<Errno>().copied();
        errno.or_else(|| cause.downcast_ref().and_then(of_io)).filter(|errno| is_lack(*errno))
    })
}

/// As [`lack`], of an error and its causes.
#[cfg(feature = "http")]
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

/// Leaves a slot empty for [`LACK_PAUSE`], and gives it back then; at once where there is no timer.
#[expect(clippy::disallowed_methods, reason = "nobody tells of a mapping, or of a file, that is free again")]
pub(crate) fn give_back_later(slots: &Arc<Semaphore>) {
    let slot = EmptySlot(Arc::clone(slots));
    if let Ok(tokio) = Handle::try_current() {
        // Whoever ends tokio's runtime before drops the slot with the task.
        drop(tokio.spawn(async move {
            tokio::time::sleep(LACK_PAUSE).await;
            drop(slot);
        }));
    }
}

/// Gives its slot back when it is dropped.
struct EmptySlot(Arc<Semaphore>);

impl Drop for EmptySlot {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

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

    #[tokio::test]
    async fn a_slot_for_which_something_was_lacking_comes_back_after_a_pause() {
        let slots = Arc::new(Semaphore::new(0));
        let began = Instant::now();
        give_back_later(&slots);
        slots.acquire().await.unwrap().forget();
        assert!(began.elapsed() >= LACK_PAUSE, "{:?}", began.elapsed());
    }

    #[test]
    fn where_there_is_no_timer_a_slot_comes_back_at_once() {
        let slots = Arc::new(Semaphore::new(0));
        give_back_later(&slots);
        assert_eq!(slots.available_permits(), 1);
    }
}
