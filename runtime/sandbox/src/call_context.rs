//! The data that the parts of one call share: its caller's side, the guest's future and the guest's store.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Wake;
use std::time::{Duration, Instant};

use lastword_events::KeyValues;

use crate::loaded::Loaded;
use crate::meter::Meter;
use crate::usage::Usage;

/// A call under way. The context is one allocation, and holds the plugin once: every worker writes the plugin's reference count, so each
/// clone is a cache line that travels between processors. `T` is the data of the store.
pub(crate) struct CallContext<T: 'static> {
    pub(crate) plugin: Arc<Loaded<T>>,
    pub(crate) meter: Meter,
    pub(crate) usage: Usage,
    /// The storage of the grant `keyvalue`.
    pub(crate) key_values: Option<Arc<dyn KeyValues>>,
    /// The time at which the caller will drop the call, if it has announced one.
    pub(crate) cut_at: OnceLock<Instant>,
    /// Whether the call was polled without an answer.
    pub(crate) paused: AtomicBool,
}

impl<T> CallContext<T> {
    pub(crate) fn new(plugin: Arc<Loaded<T>>, meter: Meter) -> Self {
        let usage = Usage::new(plugin.limits.fuel);
        let paused = AtomicBool::new(false);
        Self { plugin, meter, usage, key_values: None, cut_at: OnceLock::new(), paused }
    }

    /// Milliseconds left for a guest that begins now, rounded up. Never more than `given`, the time left when the call was made.
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
impl<T> Wake for CallContext<T> {
    fn wake(self: Arc<Self>) {
        self.meter.woken();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.meter.woken();
    }
}
