//! Memory of calls that have ended goes back to the system.
//!
//! The pool cleans several slots with one system call ([`DECOMMIT_BATCH`]) and keeps the memory of those that wait for that.
//! After a burst they would wait until the next call. wasmtime has no call that cleans them; but what goes into a
//! thread's queue is cleaned with all that is in it when there is a batch, and each stack that is used goes there. So a thread
//! that has ended calls with much memory uses as many stacks as make a batch.

use std::cell::Cell;
use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmtime::{Engine, Func, Store};

use crate::limits::{DECOMMIT_BATCH, FREE_MEMORY_BYTES, MAX_UNCLEANED_BYTES};

thread_local! {
    /// Bytes of calls that ended on this thread since it last had slots cleaned.
    static UNCLEANED: Cell<u64> = const { Cell::new(0) };
}

/// A call with so much memory has ended on this thread, and its store is gone. Small ones do not count: what they used stays
/// resident in any case.
pub(crate) fn after_call(engine: &Engine, bytes: u64) {
    if bytes <= FREE_MEMORY_BYTES {
        return;
    }
    let uncleaned = UNCLEANED.get().saturating_add(bytes);
    if uncleaned < MAX_UNCLEANED_BYTES {
        UNCLEANED.set(uncleaned);
        return;
    }
    UNCLEANED.set(0);
    for _ in 0..DECOMMIT_BATCH {
        if use_a_stack(engine).is_none() {
            // Others clean theirs at this moment, and find the same queues.
            break;
        }
    }
}

/// Calls a function that does nothing, on a stack of the pool, which is then to be cleaned.
fn use_a_stack(engine: &Engine) -> Option<()> {
    let mut store = Store::try_new(engine, ()).ok()?;
    let nothing = Func::wrap(&mut store, || {});
    let call = pin!(nothing.call_async(&mut store, &[], &mut []));
    match call.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(())) => Some(()),
        _ => None,
    }
}
