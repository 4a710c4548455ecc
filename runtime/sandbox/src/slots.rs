//! What a call takes of the pool while it is under way.
//!
//! A call takes a slot, which has one linear memory. Guests with more of them take the others first, and wait for that
//! without a slot: a call that waits for memories keeps none from a slot, and calls with one memory never wait for one.

use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit};

use crate::call_context::CallContext;
use crate::cleaning::after_call;
use crate::extra_memories::ExtraMemories;
use crate::loaded::Loaded;

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
        after_call(plugin.instance.engine(), usage.peak_guest_memory());
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
