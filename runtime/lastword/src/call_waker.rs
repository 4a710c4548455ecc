//! Wakes calls that wait for the host.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Wake;

use crate::sync::{Mutex, thread::Thread};

/// Calls of one worker that were woken while they waited for the host.
#[derive(Debug)]
pub(crate) struct Inbox {
    woken: Mutex<Vec<usize>>,
    worker: Thread,
}

impl Inbox {
    pub(crate) fn new(worker: Thread) -> Self {
        Self { woken: Mutex::default(), worker }
    }

    /// Moves what was woken to the end of `to`.
    pub(crate) fn take(&self, to: &mut Vec<usize>) {
        to.append(&mut self.woken.lock());
    }
}

/// Wakes one call of one worker. A guest that yields wakes its call while the call is polled: that must cost nothing.
#[derive(Debug)]
pub(crate) struct CallWaker {
    call: usize,
    state: AtomicU8,
    inbox: Arc<Inbox>,
}

/// Nobody has woken the call since its last poll.
const WAITING: u8 = 0;
/// The call is being polled.
const POLLED: u8 = 1;
/// The call was woken, and the worker knows that or sees it after the poll.
const WOKEN: u8 = 2;

impl CallWaker {
    pub(crate) fn new(call: usize, inbox: Arc<Inbox>) -> Self {
        Self { call, state: AtomicU8::new(WAITING), inbox }
    }

    pub(crate) fn begin_poll(&self) {
        self.state.swap(POLLED, Ordering::AcqRel);
    }

    /// Whether the call was woken during the poll. If not, the next wake puts it into the inbox.
    pub(crate) fn end_poll(&self) -> bool {
        self.state.compare_exchange(POLLED, WAITING, Ordering::AcqRel, Ordering::Acquire).is_err()
    }
}

impl Wake for CallWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == WAITING {
            self.inbox.woken.lock().push(self.call);
            self.inbox.worker.unpark();
        }
    }
}
