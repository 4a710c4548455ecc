//! What is held of permits, slots and the like, for tests.

use std::collections::BTreeMap;

use crate::dispatch::held_by;
use crate::runtime::Runtime;

/// Things that somebody holds, by name, and how many.
pub(crate) type Held = BTreeMap<&'static str, u64>;

impl Runtime {
    /// What is still held of permits, slots and the like: nothing, when no request and no delivery is under way and
    /// nothing is owed to anyone in this run.
    #[must_use]
    pub fn held_resources(&self) -> BTreeMap<&'static str, u64> {
        let core = self.core();
        let mut held = held_by(core.dispatcher());
        held.extend(core.active().held());
        held.insert("turns in a session's order", core.order().held());
        held.retain(|_, count| *count > 0);
        held
    }
}
