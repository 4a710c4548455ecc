//! What a call takes of the pool while it is under way, and how it goes back.
//!
//! A call takes a slot, which has one linear memory. Guests with more of them take the others first, and wait for that
//! without a slot: a call that waits for memories keeps none from a slot, and calls with one memory never wait for one.
//!
//! Its memory goes back to the system when it has ended. The pool cleans several slots with one system call
//! ([`DECOMMIT_BATCH`]) and keeps the memory of those that wait for that. After a burst they would wait until the next call.
//! wasmtime has no call that cleans them; but what goes into a thread's queue is cleaned with all that is in it when there is
//! a batch, and each stack that is used goes there. So a thread that has ended calls with much memory uses as many stacks as
//! make a batch.

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

/// A slot for a guest; free again when this is dropped.
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

/// The memories of a call under way; free again when this is dropped.
#[derive(Default)]
pub(crate) struct TakenMemories {
    _of_the_share: Option<OwnedSemaphorePermit>,
    _of_the_pool: Option<OwnedSemaphorePermit>,
}

/// Waits for what a call takes of the pool. Its slot is for [`Slot`] to give back: its permit is forgotten here.
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

/// A call with so much memory has ended on this thread, and its store is gone. Small ones do not count: what they used stays
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
