//! Code that is in memory, by the component that it was compiled from: plugins with the same bytes share it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::compiled::CompiledComponent;
use crate::error::LoadError;

/// SHA-256 of a component.
pub(crate) type Sum = [u8; 32];

/// One component's code, as long as somebody has it. Locked while it is made: who wants the same waits for it.
type Shared = Arc<Mutex<Weak<CompiledComponent>>>;

/// The code of every component that a plugin is there of.
#[derive(Default)]
pub(crate) struct SharedCode(Mutex<HashMap<Sum, Shared>>);

impl SharedCode {
    /// The code of this component: what is there already, or what `make` gives.
    pub(crate) fn get_or_make(
        &self,
        sum: Sum,
        make: impl FnOnce() -> Result<CompiledComponent, LoadError>,
    ) -> Result<Arc<CompiledComponent>, LoadError> {
        let shared = self.entry(sum);
        let mut weak = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = weak.upgrade() {
            return Ok(there);
        }
        let made = Arc::new(make()?);
        *weak = Arc::downgrade(&made);
        Ok(made)
    }

    /// The code of this component, if it is there.
    pub(crate) fn get(&self, sum: &Sum) -> Option<Arc<CompiledComponent>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is being made is not there yet, and is not waited for with all locked.
        all.get(sum)?.try_lock().ok()?.upgrade()
    }

    fn entry(&self, sum: Sum) -> Shared {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody has any more goes, but for what somebody is making.
        all.retain(|_, shared| Arc::strong_count(shared) > 1 || is_alive(shared));
        Arc::clone(all.entry(sum).or_default())
    }
}

fn is_alive(shared: &Shared) -> bool {
    shared.try_lock().map_or(true, |code| code.strong_count() > 0)
}
