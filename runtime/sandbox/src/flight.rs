//! What the parts of one call share: its caller's side, the guest's future and the guest's store.

use std::sync::Arc;
use std::task::Wake;

use crate::key_values::KeyValues;
use crate::meter::Meter;
use crate::plugin::Loaded;

/// A call under way. It is one allocation, and holds the plugin once: the plugin's reference count is written by every
/// worker, so each clone of it is a cache line that travels between processors.
pub(crate) struct Flight {
    pub(crate) plugin: Arc<Loaded>,
    pub(crate) meter: Meter,
    /// What the grant `keyvalue` reads.
    pub(crate) key_values: Option<Arc<dyn KeyValues>>,
}

/// The waker of the guest's future.
impl Wake for Flight {
    fn wake(self: Arc<Self>) {
        self.meter.woken();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.meter.woken();
    }
}

/// A slot for a guest; free again when this is dropped.
pub(crate) struct Slot(Arc<Flight>);

impl Slot {
    /// Takes over a permit that was forgotten.
    pub(crate) fn new(flight: &Arc<Flight>) -> Self {
        Self(Arc::clone(flight))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.plugin.host.slots.add_permits(1);
    }
}
