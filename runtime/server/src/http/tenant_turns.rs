//! Turns of tenants: each tenant has one at a time.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Mutex as TurnMutex, OwnedMutexGuard};

/// The tenant of a turn. `None` is every tenant.
pub(super) type Whose = Option<Arc<str>>;

/// Gives each tenant one turn at a time, in the order in which its callers ask. So where tenants wait for one another,
/// each waits once, however many callers it has. The turns of a tenant share a value for as long as it has callers.
pub(crate) struct TenantTurns<T = ()> {
    /// The tenants with callers.
    tenants: Mutex<HashMap<Whose, OfTenant<T>>>,
}

/// The turn of one tenant.
#[derive(Default)]
struct OfTenant<T> {
    /// Callers that have the turn or wait for it.
    callers: usize,
    turn: Arc<TurnMutex<T>>,
}

/// A turn, until it is dropped.
pub(super) struct Turn<'a, T = ()> {
    pub(super) value: OwnedMutexGuard<T>,
    /// Dropped after the turn was given back: fields are dropped in their order.
    _entered: Entered<'a, T>,
}

/// One caller, until it is dropped. The last caller to leave drops the value.
struct Entered<'a, T> {
    turns: &'a TenantTurns<T>,
    whose: Whose,
}

impl<T> Default for TenantTurns<T> {
    fn default() -> Self {
        Self { tenants: Mutex::default() }
    }
}

impl<T: Default> TenantTurns<T> {
    /// Waits for the turn of this tenant.
    pub(super) async fn take(&self, whose: Whose) -> Turn<'_, T> {
        let (entered, turn) = self.enter(whose);
        Turn { value: turn.lock_owned().await, _entered: entered }
    }

    fn enter(&self, whose: Whose) -> (Entered<'_, T>, Arc<TurnMutex<T>>) {
        let mut tenants = self.tenants.lock();
        let of = tenants.entry(whose.clone()).or_default();
        of.callers += 1;
        (Entered { turns: self, whose }, of.turn.clone())
    }

    /// Whether no tenant has callers.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.tenants.lock().is_empty()
    }
}

impl<T> Drop for Entered<'_, T> {
    fn drop(&mut self) {
        let mut tenants = self.turns.tenants.lock();
        let Some(of) = tenants.get_mut(&self.whose) else { return };
        of.callers = of.callers.saturating_sub(1);
        if of.callers == 0 {
            tenants.remove(&self.whose);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_tenant_has_one_turn_at_a_time_in_the_order_of_its_callers_and_others_have_theirs() {
        let turns: TenantTurns<u32> = TenantTurns::default();
        let take = |whose: &str| turns.take(Some(whose.into())).boxed();
        let mut first = take("a").await;
        let [mut second, mut gives_up, mut third] = [(); 3].map(|()| take("a"));
        for waits in [&mut second, &mut gives_up, &mut third] {
            assert!(waits.now_or_never().is_none());
        }
        assert_eq!(*take("b").await.value, 0, "it waits for nobody");
        drop(gives_up);
        *first.value = 7;
        drop(first);
        assert!(third.as_mut().now_or_never().is_none(), "the second comes first");
        let second = second.await;
        assert_eq!(*second.value, 7, "the turns share the value");
        drop(second);
        drop(third.await);
        assert!(turns.is_empty());
        assert_eq!(*take("a").await.value, 0, "nothing is kept of it");
    }
}
