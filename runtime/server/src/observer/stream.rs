//! The stream of events for its watchers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;
use serde_json::Value;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::limits::{MAX_STREAM_BEHIND, MAX_TENANT_STREAM_BEHIND};

/// An event of the stream.
#[derive(Clone, Debug)]
pub(crate) struct Happening {
    /// `accepted`, `refused`, `outcome`, `owner`, `breaker` or `drain`.
    pub(crate) kind: &'static str,
    pub(crate) json: Value,
}

type Sender = broadcast::Sender<Arc<Happening>>;

/// The stream of events. The watchers of one tenant share a ring of that tenant's events, so other tenants push nothing
/// out of it, and the number of missed events reveals nothing of other tenants.
pub(crate) struct Stream {
    all: Sender,
    of_tenants: Arc<OfTenants>,
}

/// The rings of tenants that are watched.
#[derive(Default)]
struct OfTenants {
    /// The number of rings, readable without the lock.
    count: AtomicUsize,
    rings: RwLock<HashMap<Arc<str>, Ring>>,
}

struct Ring {
    sender: Sender,
    watching: usize,
}

/// A watcher. The stream reports to a slow watcher how many events it missed.
pub(crate) struct Watching {
    receiver: broadcast::Receiver<Arc<Happening>>,
    /// The watched tenant. `None`: every tenant.
    of: Option<(Arc<str>, Arc<OfTenants>)>,
}

impl Stream {
    pub(super) fn new() -> Self {
        Self { all: Sender::new(MAX_STREAM_BEHIND), of_tenants: Arc::default() }
    }

    /// Watches the events of this tenant's sessions. `None`: all events.
    pub(super) fn watch(&self, tenant: Option<Arc<str>>) -> Watching {
        match tenant {
            None => Watching { receiver: self.all.subscribe(), of: None },
            Some(tenant) => {
                let receiver = self.of_tenants.enter(&tenant);
                Watching { receiver, of: Some((tenant, self.of_tenants.clone())) }
            }
        }
    }

    /// Sends an event to its watchers. Without watchers the event is not even serialized.
    pub(super) fn tell(&self, tenant: &str, kind: &'static str, json: impl FnOnce() -> Value) {
        let of_tenant = self.of_tenants.sender(tenant);
        let of_all = Some(&self.all).filter(|all| all.receiver_count() > 0);
        if of_tenant.is_none() && of_all.is_none() {
            return;
        }
        let happening = Arc::new(Happening { kind, json: json() });
        for sender in of_tenant.iter().chain(of_all) {
            // The last watcher may have left meanwhile.
            sender.send(happening.clone()).ok();
        }
    }

    /// Sends an event about every tenant to the watchers of all events.
    pub(super) fn tell_all(&self, kind: &'static str, json: impl FnOnce() -> Value) {
        if self.all.receiver_count() > 0 {
            self.all.send(Arc::new(Happening { kind, json: json() })).ok();
        }
    }
}

impl OfTenants {
    fn enter(&self, tenant: &Arc<str>) -> broadcast::Receiver<Arc<Happening>> {
        let mut rings = self.rings.write();
        let new = || Ring { sender: Sender::new(MAX_TENANT_STREAM_BEHIND), watching: 0 };
        let ring = rings.entry(tenant.clone()).or_insert_with(new);
        ring.watching += 1;
        let receiver = ring.sender.subscribe();
        self.count.store(rings.len(), Ordering::Release);
        receiver
    }

    fn leave(&self, tenant: &str) {
        let mut rings = self.rings.write();
        let Some(ring) = rings.get_mut(tenant) else { return };
        ring.watching = ring.watching.saturating_sub(1);
        if ring.watching == 0 {
            rings.remove(tenant);
        }
        self.count.store(rings.len(), Ordering::Release);
    }

    /// Returns the sender of this tenant's ring. `None`: nobody watches the tenant.
    fn sender(&self, tenant: &str) -> Option<Sender> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.rings.read().get(tenant).map(|ring| ring.sender.clone())
    }
}

impl Watching {
    /// Returns the next event. [`RecvError::Lagged`] carries the number of missed events.
    pub(crate) async fn next(&mut self) -> Result<Arc<Happening>, RecvError> {
        self.receiver.recv().await
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some((tenant, of_tenants)) = &self.of {
            of_tenants.leave(tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// Returns the kind of the next event, or the number of missed events.
    fn next(watching: &mut Watching) -> Option<Result<&'static str, u64>> {
        match watching.next().now_or_never()? {
            Ok(happening) => Some(Ok(happening.kind)),
            Err(RecvError::Lagged(missed)) => Some(Err(missed)),
            Err(RecvError::Closed) => None,
        }
    }

    #[test]
    fn what_others_do_pushes_nothing_out_of_a_tenants_stream_nor_is_counted_there() {
        let stream = Stream::new();
        let (mut of_a, mut all) = (stream.watch(Some("a".into())), stream.watch(None));
        stream.tell("a", "owner", || Value::Null);
        for _ in 0..MAX_STREAM_BEHIND + 9 {
            stream.tell("b", "outcome", || Value::Null);
        }
        stream.tell_all("drain", || Value::Null);
        assert_eq!([next(&mut of_a), next(&mut of_a)], [Some(Ok("owner")), None]);
        assert_eq!(next(&mut all), Some(Err(11)));
    }

    #[test]
    fn a_tenants_ring_goes_with_the_last_who_watches_it() {
        let stream = Stream::new();
        let (first, mut second) = (stream.watch(Some("a".into())), stream.watch(Some("a".into())));
        drop(first);
        stream.tell("a", "owner", || Value::Null);
        assert_eq!(next(&mut second), Some(Ok("owner")));
        drop(second);
        assert!(stream.of_tenants.rings.read().is_empty());
        stream.tell("a", "owner", || panic!("nobody watches"));
    }
}
