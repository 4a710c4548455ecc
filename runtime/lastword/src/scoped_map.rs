//! A map of sessions in which all scopes of an id are found.

use std::collections::{HashMap, HashSet};

use lastword_events::{Identity, Scope};

/// A map by identity that finds all entries of an id, in whatever scopes. If nothing has a scope it is a plain map.
#[derive(Debug)]
pub(crate) struct ScopedMap<T> {
    by_identity: HashMap<Identity, T>,
    /// By id without a scope: the scopes in which the id has entries, without the empty scope.
    scopes: HashMap<Identity, HashSet<Scope>>,
}

impl<T> Default for ScopedMap<T> {
    fn default() -> Self {
        Self { by_identity: HashMap::new(), scopes: HashMap::new() }
    }
}

impl<T> ScopedMap<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_identity.is_empty()
    }

    pub(crate) fn get(&self, identity: &Identity) -> Option<&T> {
        self.by_identity.get(identity)
    }

    /// The entry of an identity, with the identity that the map has.
    pub(crate) fn entry(&self, identity: &Identity) -> Option<(&Identity, &T)> {
        self.by_identity.get_key_value(identity)
    }

    pub(crate) fn get_mut(&mut self, identity: &Identity) -> Option<&mut T> {
        self.by_identity.get_mut(identity)
    }

    pub(crate) fn insert(&mut self, identity: Identity, entry: T) {
        if !identity.scope.is_empty() {
            self.scopes.entry(identity.unscoped().into_owned()).or_default().insert(identity.scope.clone());
        }
        self.by_identity.insert(identity, entry);
    }

    pub(crate) fn remove(&mut self, identity: &Identity) -> Option<T> {
        let entry = self.by_identity.remove(identity)?;
        if !identity.scope.is_empty() {
            let id = identity.unscoped();
            if let Some(scopes) = self.scopes.get_mut(&*id) {
                scopes.remove(&identity.scope);
                if scopes.is_empty() {
                    self.scopes.remove(&*id);
                }
            }
        }
        Some(entry)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Identity, &T)> {
        self.by_identity.iter()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.by_identity.values()
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.by_identity.values_mut()
    }

    /// All entries of an id, in whatever scopes.
    pub(crate) fn of_id(&self, identity: &Identity) -> impl Iterator<Item = &T> {
        self.entries_of_id(identity).map(|(_, entry)| entry)
    }

    /// The same as [`of_id`](Self::of_id), with the identities.
    pub(crate) fn entries_of_id(&self, identity: &Identity) -> impl Iterator<Item = (&Identity, &T)> {
        let id = identity.unscoped();
        let scopes = self.scopes.get(&*id).into_iter().flatten();
        let identities = scopes.map(|scope| Identity { scope: scope.clone(), ..identity.clone() });
        let others = identities.filter_map(|identity| self.by_identity.get_key_value(&identity));
        self.by_identity.get_key_value(&*id).into_iter().chain(others)
    }

    /// Whether an id has entries in a scope.
    pub(crate) fn has_scopes(&self, identity: &Identity) -> bool {
        self.scopes.contains_key(&*identity.unscoped())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_id_has_is_found_in_every_scope_and_leaves_nothing_behind() {
        let mut map = ScopedMap::default();
        let id = Identity::new("t", "s");
        let scoped = |scope: &str| id.clone().in_scope(scope);
        for (n, identity) in [id.clone(), scoped("a"), scoped("b"), Identity::new("t", "other")].into_iter().enumerate()
        {
            map.insert(identity, n);
        }
        map.insert(scoped("b"), 7);
        let of_id = |map: &ScopedMap<usize>| {
            let mut found: Vec<usize> = map.of_id(&scoped("c")).copied().collect();
            found.sort_unstable();
            found
        };
        assert_eq!(of_id(&map), [0, 1, 7]);
        assert_eq!((map.remove(&scoped("a")), map.remove(&scoped("a"))), (Some(1), None));
        assert_eq!(of_id(&map), [0, 7]);
        map.remove(&scoped("b"));
        assert!(map.scopes.is_empty());
    }
}
