use std::collections::BTreeMap;

use crate::runtime::Runtime;

/// Things that somebody holds, by name, and how many.
pub(crate) type Held = BTreeMap<&'static str, u64>;

impl Runtime {
    /// What is still held of places, slots and the like: nothing, when no request and no delivery is under way and
    /// nothing is owed to anyone in this run.
    #[must_use]
    pub fn leftovers(&self) -> BTreeMap<&'static str, u64> {
        let inner = self.inner();
        let mut held = inner.dispatcher.held();
        held.extend(inner.set.lock().held());
        held.insert("places in a session's order", inner.places.held());
        held.retain(|_, count| *count > 0);
        held
    }
}
