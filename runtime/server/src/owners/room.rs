//! Limits the number of owners.

use std::collections::HashMap;
use std::sync::Arc;

use super::owner::OwnerName;
use crate::limits::{MAX_CONNECTION_OWNERS, MAX_OWNERS, MAX_TENANT_OWNERS};

/// Counts owners. Connections have room of their own, so that named owners, of which a tenant may register any number,
/// keep no connection out.
#[derive(Debug, Default)]
pub(super) struct Room {
    named: usize,
    by_tenant: HashMap<Arc<str>, usize>,
    connections: usize,
}

impl Room {
    /// Takes room for one more owner of this name, if there is any.
    pub(super) fn take(&mut self, name: Option<&OwnerName>) -> bool {
        let Some(OwnerName { tenant, .. }) = name else {
            let is_free = self.connections < MAX_CONNECTION_OWNERS;
            self.connections += usize::from(is_free);
            return is_free;
        };
        let of_tenant = self.by_tenant.get(tenant).copied().unwrap_or_default();
        if self.named >= MAX_OWNERS || of_tenant >= MAX_TENANT_OWNERS {
            return false;
        }
        self.named += 1;
        self.by_tenant.insert(tenant.clone(), of_tenant + 1);
        true
    }

    /// Gives back the room of a forgotten owner.
    pub(super) fn give_back(&mut self, name: Option<&OwnerName>) {
        let Some(OwnerName { tenant, .. }) = name else {
            self.connections = self.connections.saturating_sub(1);
            return;
        };
        self.named = self.named.saturating_sub(1);
        let Some(of_tenant) = self.by_tenant.get_mut(tenant) else { return };
        *of_tenant = of_tenant.saturating_sub(1);
        // Drops a tenant without owners: clients may invent tenants for ever.
        if *of_tenant == 0 {
            self.by_tenant.remove(tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_leaves_room_for_the_others_and_for_connections() {
        let mut room = Room::default();
        let (greedy, other) = (OwnerName::new("greedy", "o"), OwnerName::new("other", "o"));
        for _ in 0..MAX_TENANT_OWNERS {
            assert!(room.take(Some(&greedy)));
        }
        assert!(!room.take(Some(&greedy)));
        assert!(room.take(Some(&other)) && room.take(None));
        room.give_back(Some(&greedy));
        assert!(room.take(Some(&greedy)));
    }

    #[test]
    fn all_tenants_together_leave_room_for_connections() {
        let mut room = Room::default();
        let names = (0..).map(|n| OwnerName::new(&format!("t{}", n / MAX_TENANT_OWNERS), "o"));
        assert_eq!(names.take_while(|name| room.take(Some(name))).count(), MAX_OWNERS);
        assert!(room.take(None));
    }
}
