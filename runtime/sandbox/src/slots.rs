//! The part of the pool that a call takes while it is under way, and its return.
//!
//! A call takes a slot, which has one linear memory. A guest with more memories takes the others first, and waits for them without a
//! slot. So a call that waits for memories holds no slot, and calls with one memory never wait for others.
//!
//! A call's memory goes back to the system after its end. The pool cleans several slots with one system call ([`DECOMMIT_BATCH`]), and
//! keeps the memory of slots that wait for that. After a burst they would wait until the next call. Wasmtime has no function that cleans
//! them. But it cleans all slots in a thread's queue once the queue has a batch, and each used stack goes there. So a thread that has
//! ended calls with much memory uses as many stacks as make a batch.

use std::cell::Cell;
use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::{AcquireError, OwnedSemaphorePermit};
use wasmtime::{Engine, Func, Store};

use crate::call_context::CallContext;
use crate::extra_memories::ExtraMemories;
use crate::limits::{DECOMMIT_BATCH, FREE_MEMORY_BYTES, MAX_UNCLEANED_BYTES};
use crate::loaded::{Code, Loaded};

/// A slot for a guest. Dropping it frees the slot.
pub(crate) struct Slot<T: 'static>(Arc<CallContext<T>>);

impl<T> Slot<T> {
    /// Takes over a permit that was forgotten.
    pub(crate) fn new(context: &Arc<CallContext<T>>) -> Self {
        Self(Arc::clone(context))
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        let CallContext { plugin, usage, .. } = &*self.0;
        match &plugin.code {
            Code::Component(code) => clean_after(code.instance.engine(), usage.peak_guest_memory()),
            #[cfg(feature = "test-util")]
            Code::Native(_) => (),
        }
        plugin.host.slots.add_permits(1);
    }
}

/// The memories of a call under way. Dropping them frees the memories.
#[derive(Default)]
pub(crate) struct TakenMemories {
    _of_the_share: Option<OwnedSemaphorePermit>,
    _of_the_pool: Option<OwnedSemaphorePermit>,
}

/// Waits for the slot and memories of a call. It forgets the slot's permit, because [`Slot`] gives the slot back.
pub(crate) async fn acquire<T>(plugin: &Loaded<T>) -> Result<TakenMemories, AcquireError> {
    let ExtraMemories { of_each_call, share } = &plugin.extra_memories;
    let mut taken = TakenMemories::default();
    if *of_each_call > 0 {
        taken._of_the_share = Some(Arc::clone(share).acquire_many_owned(*of_each_call).await?);
        taken._of_the_pool = Some(Arc::clone(&plugin.host.extra_memories).acquire_many_owned(*of_each_call).await?);
    }
    plugin.host.slots.acquire().await?.forget();
    Ok(taken)
}

thread_local! {
    /// Bytes of calls that ended on this thread since it last had slots cleaned.
    static UNCLEANED: Cell<u64> = const { Cell::new(0) };
}

/// Counts a call of `bytes` that has ended on this thread, after its store is gone. Small calls do not count, because their memory stays
/// resident in any case.
fn clean_after(engine: &Engine, bytes: u64) {
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
            // Other threads clean at this moment, and find the same queues.
            break;
        }
    }
}

/// Calls an empty function on a stack of the pool, which the pool then has to clean.
fn use_a_stack(engine: &Engine) -> Option<()> {
    let mut store = Store::try_new(engine, ()).ok()?;
    let nothing = Func::wrap(&mut store, || {});
    let call = pin!(nothing.call_async(&mut store, &[], &mut []));
    match call.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(())) => Some(()),
        _ => None,
    }
}
