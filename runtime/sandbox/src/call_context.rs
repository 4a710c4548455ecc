//! What the parts of one call share: its caller's side, the guest's future and the guest's store; and what it takes of
//! the pool while it is under way.
//!
//! A call takes a slot, which has one linear memory. Guests with more of them take the others first, and wait for that
//! without a slot: whoever waits for memories keeps nobody from a slot, and calls with one memory never wait for one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Wake;
use std::time::{Duration, Instant};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::cleaning::after_call;
use crate::host::Host;
use crate::meter::Meter;
use crate::plugin::Loaded;
use crate::pool::extra_memories;
use lastword_events::KeyValues;

/// A call under way. It is one allocation, and holds the plugin once: the plugin's reference count is written by every
/// worker, so each clone of it is a cache line that travels between processors.
pub(crate) struct CallContext {
    pub(crate) plugin: Arc<Loaded>,
    pub(crate) meter: Meter,
    /// What the grant `keyvalue` reads.
    pub(crate) key_values: Option<Arc<dyn KeyValues>>,
    /// When it is cut at the latest, if anybody knows.
    pub(crate) cut_at: OnceLock<Instant>,
    /// It was polled without an answer.
    pub(crate) paused: AtomicBool,
}

impl CallContext {
    pub(crate) fn new(plugin: Arc<Loaded>, meter: Meter) -> Self {
        Self { plugin, meter, key_values: None, cut_at: OnceLock::new(), paused: AtomicBool::new(false) }
    }

    /// Milliseconds that a guest which begins now can count on, of `given` when the call was made: a begun one counts whole.
    pub(crate) fn remaining_ms(&self, given: u32) -> u32 {
        if !self.paused.load(Ordering::Relaxed) {
            return given;
        }
        let now = Instant::now();
        let until_cut = self.cut_at.get().map_or(Duration::MAX, |at| at.saturating_duration_since(now));
        let left = self.meter.left(now).min(until_cut).as_nanos().div_ceil(1_000_000);
        given.min(u32::try_from(left).unwrap_or(u32::MAX))
    }
}

/// The waker of the guest's future.
impl Wake for CallContext {
    fn wake(self: Arc<Self>) {
        self.meter.woken();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.meter.woken();
    }
}

/// A slot for a guest; free again when this is dropped.
pub(crate) struct Slot(Arc<CallContext>);

impl Slot {
    /// Takes over a permit that was forgotten.
    pub(crate) fn new(context: &Arc<CallContext>) -> Self {
        Self(Arc::clone(context))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let CallContext { plugin, meter, .. } = &*self.0;
        after_call(plugin.instance.engine(), meter.peak_guest_memory());
        plugin.host.slots.add_permits(1);
    }
}

/// The linear memories that each call of one plugin takes beyond the first.
pub(crate) struct ExtraMemories {
    of_each_call: u32,
    /// What its calls have together, half of the pool's: a plugin that hangs leaves the other half.
    share: Arc<Semaphore>,
}

impl ExtraMemories {
    /// For a plugin with `memories` linear memories, in a pool of `slots`.
    pub(crate) fn new(memories: u32, slots: u32) -> Self {
        let of_each_call = memories.saturating_sub(1);
        let share = (extra_memories(slots) / 2).max(of_each_call);
        Self { of_each_call, share: Arc::new(Semaphore::new(share as usize)) }
    }

    /// Whether its calls need nothing but a slot.
    pub(crate) fn is_none(&self) -> bool {
        self.of_each_call == 0
    }
}

/// The memories of a call under way; free again when this is dropped.
#[derive(Default)]
pub(crate) struct TakenMemories {
    _of_the_share: Option<OwnedSemaphorePermit>,
    _of_the_pool: Option<OwnedSemaphorePermit>,
}

/// Waits for what a call takes of the pool. Its slot is for [`Slot`] to give back: its permit is forgotten here.
pub(crate) async fn acquire(plugin: &Loaded, host: &Host) -> Result<TakenMemories, AcquireError> {
    let ExtraMemories { of_each_call, share } = &plugin.extra_memories;
    let mut taken = TakenMemories::default();
    if *of_each_call > 0 {
        taken._of_the_share = Some(Arc::clone(share).acquire_many_owned(*of_each_call).await?);
        taken._of_the_pool = Some(Arc::clone(&host.extra_memories).acquire_many_owned(*of_each_call).await?);
    }
    host.slots.acquire().await?.forget();
    Ok(taken)
}
