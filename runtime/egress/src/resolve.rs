//! From a name to addresses.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, ToSocketAddrs},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::Semaphore;

use crate::limits::{MAX_CONCURRENT_LOOKUPS, MAX_LOOKUPS_OF_ONE_NAME};

/// A look-up under way.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Finds the addresses of a name. It is asked once for each request; whatever it answers is checked afterwards.
pub trait Resolve: Send + Sync {
    /// The addresses of `host`, in the order in which to try them. `host` is in lower case and never an address.
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a>;
}

/// The operating system's resolver (`getaddrinfo`): hosts file, DNS, whatever the host is set up for.
#[derive(Clone, Debug)]
pub struct SystemResolver {
    lookups: Arc<Semaphore>,
    /// By name, while it is being looked up.
    of_names: Arc<Mutex<HashMap<String, Weak<Semaphore>>>>,
}

impl SystemResolver {
    /// With at most [`MAX_CONCURRENT_LOOKUPS`] look-ups at a time, and [`MAX_LOOKUPS_OF_ONE_NAME`] of the same name: one
    /// whose server does not answer leaves room for the others. More wait for their turn.
    #[must_use]
    pub fn new() -> Self {
        Self { lookups: Arc::new(Semaphore::new(MAX_CONCURRENT_LOOKUPS)), of_names: Arc::default() }
    }

    /// The turn of one name. Those that nobody waits for are forgotten.
    fn of_name(&self, host: &str) -> Arc<Semaphore> {
        let mut names = self.of_names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = names.get(host).and_then(Weak::upgrade) {
            return turn;
        }
        names.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Semaphore::new(MAX_LOOKUPS_OF_ONE_NAME));
        names.insert(host.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let of_name = self.of_name(host).acquire_owned().await.map_err(io::Error::other)?;
            let permit = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
            let host = host.to_owned();
            // Not `tokio::net::lookup_host`: the permit must be held by the thread, which outlives a cancelled call.
            let lookup = tokio::task::spawn_blocking(move || {
                let _permits = (of_name, permit);
                (host.as_str(), 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect())
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}
