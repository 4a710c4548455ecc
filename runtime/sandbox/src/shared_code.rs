//! Code in memory, by the component that it was compiled from. Plugins with the same bytes share it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::compiled::CompiledComponent;
use crate::error::LoadError;

/// SHA-256 of a component.
pub(crate) type Sum = [u8; 32];

/// One component's code, as long as a plugin or `Compiled` has it. Locked while it is made, so a second caller waits for it.
type Shared = Arc<Mutex<Weak<CompiledComponent>>>;

/// The code of every component in use.
#[derive(Default)]
pub(crate) struct SharedCode(Mutex<HashMap<Sum, Shared>>);

impl SharedCode {
    /// The code of this component: the existing code, or the result of `make`.
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

    /// The code of this component, if it exists.
    pub(crate) fn get(&self, sum: &Sum) -> Option<Arc<CompiledComponent>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Code that is being made does not exist yet. A wait for it would keep all others locked.
        all.get(sum)?.try_lock().ok()?.upgrade()
    }

    fn entry(&self, sum: Sum) -> Shared {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Removes code that has no user, except code that is being made.
        all.retain(|_, shared| Arc::strong_count(shared) > 1 || is_alive(shared));
        Arc::clone(all.entry(sum).or_default())
    }
}

fn is_alive(shared: &Shared) -> bool {
    shared.try_lock().map_or(true, |code| code.strong_count() > 0)
}
