//! What the parts of one call share: its caller's side, the guest's future and the guest's store.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Wake;
use std::time::{Duration, Instant};

use lastword_events::KeyValues;

use crate::loaded::Loaded;
use crate::meter::Meter;
use crate::usage::Usage;

/// A call under way. It is one allocation, and holds the plugin once: the plugin's reference count is written by every
/// worker, so each clone of it is a cache line that travels between processors. `T` is what its store holds.
pub(crate) struct CallContext<T: 'static> {
    pub(crate) plugin: Arc<Loaded<T>>,
    pub(crate) meter: Meter,
    pub(crate) usage: Usage,
    /// What the grant `keyvalue` reads.
    pub(crate) key_values: Option<Arc<dyn KeyValues>>,
    /// When it is cut at the latest, if that is known.
    pub(crate) cut_at: OnceLock<Instant>,
    /// It was polled without an answer.
    pub(crate) paused: AtomicBool,
}

impl<T> CallContext<T> {
    pub(crate) fn new(plugin: Arc<Loaded<T>>, meter: Meter) -> Self {
        let usage = Usage::new(plugin.limits.fuel);
        let paused = AtomicBool::new(false);
        Self { plugin, meter, usage, key_values: None, cut_at: OnceLock::new(), paused }
    }

    /// Milliseconds left for a guest that begins now, rounded up; never more than `given`, what was left when the call was made.
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
