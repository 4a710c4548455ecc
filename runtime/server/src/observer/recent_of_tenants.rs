//! The last events of a kind. A busy tenant pushes out its own.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

/// The last events of a kind that is rare: adding one looks at all of them.
pub(super) struct RecentOfTenants<T> {
    most: usize,
    most_of_tenant: usize,
    /// Oldest first. Without a tenant: unknown, or about all.
    all: Mutex<VecDeque<OfTenant<T>>>,
}

/// An event with its tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfTenant<T> {
    pub(crate) tenant: Option<Arc<str>>,
    pub(crate) what: T,
}

impl<T: Clone> RecentOfTenants<T> {
    pub(super) fn new(most: usize, most_of_tenant: usize) -> Self {
        Self { most, most_of_tenant, all: Mutex::default() }
    }

    pub(super) fn put(&self, tenant: Option<Arc<str>>, what: T) {
        let mut all = self.all.lock();
        let own = all.iter().filter(|other| other.tenant == tenant).count();
        if own >= self.most_of_tenant {
            forget_oldest_of(&mut all, tenant.as_ref());
        } else if all.len() >= self.most {
            let busiest = busiest(&all);
            forget_oldest_of(&mut all, busiest.as_ref());
        }
        all.push_back(OfTenant { tenant, what });
    }

    /// Changes the newest event that matches.
    pub(super) fn change_newest(&self, is_meant: impl Fn(&OfTenant<T>) -> bool, change: impl FnOnce(&mut T)) {
        if let Some(found) = self.all.lock().iter_mut().rev().find(|one| is_meant(one)) {
            change(&mut found.what);
        }
    }

    /// Returns all events, newest first.
    pub(super) fn newest_first(&self) -> Vec<OfTenant<T>> {
        self.all.lock().iter().rev().cloned().collect()
    }
}

fn forget_oldest_of<T>(all: &mut VecDeque<OfTenant<T>>, tenant: Option<&Arc<str>>) {
    if let Some(place) = all.iter().position(|one| one.tenant.as_ref() == tenant) {
        all.remove(place);
    }
}

/// Returns the tenant with most events.
fn busiest<T>(all: &VecDeque<OfTenant<T>>) -> Option<Arc<str>> {
    let mut counts: HashMap<Option<&Arc<str>>, usize> = HashMap::new();
    for one in all {
        *counts.entry(one.tenant.as_ref()).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).and_then(|(tenant, _)| tenant.cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<T: Clone>(recent: &RecentOfTenants<T>, tenant: &str) -> Vec<T> {
        let all = recent.newest_first().into_iter();
        all.filter(|one| one.tenant.as_deref() == Some(tenant)).map(|one| one.what).collect()
    }

    #[test]
    fn a_tenant_of_which_much_happens_pushes_out_its_own() {
        let recent = RecentOfTenants::new(5, 3);
        recent.put(Some("quiet".into()), 0);
        for n in 1..10 {
            recent.put(Some("busy".into()), n);
        }
        assert_eq!((of(&recent, "quiet"), of(&recent, "busy")), (vec![0], vec![9, 8, 7]));
        recent.put(None, 10);
        recent.put(Some("other".into()), 11);
        assert_eq!((of(&recent, "quiet"), of(&recent, "busy"), of(&recent, "other")), (vec![0], vec![9, 8], vec![11]));
        recent.change_newest(|one| one.tenant.as_deref() == Some("busy"), |what| *what = 99);
        assert_eq!(of(&recent, "busy"), [99, 8]);
    }
}
