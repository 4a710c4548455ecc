//! Resolves names to addresses.

use std::{
    fmt, io,
    net::{IpAddr, ToSocketAddrs},
    pin::Pin,
};

use tokio::sync::oneshot;

use crate::{lack::lack_instead_of, threads::Threads};

/// A running look-up.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Finds the addresses of a name. The answer is checked afterwards.
///
/// A look-up that has begun is never dropped: it continues, and counts, after its call is gone. A look-up that never
/// ends counts for ever.
pub trait Resolve: Send + Sync + 'static {
    /// Finds the addresses of `host`, in the order in which to try them. `host` is in lower case and never an address.
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a>;
}

/// The operating system's resolver (`getaddrinfo`): hosts file, DNS, and the system's other sources.
///
/// Each look-up blocks a thread of its own, or one of tokio's if the system starts none.
#[derive(Clone, Default)]
pub struct SystemResolver {
    threads: Threads,
}

impl SystemResolver {
    /// Makes a resolver. The first look-up starts the first thread.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl fmt::Debug for SystemResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemResolver").finish_non_exhaustive()
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let (tell, told) = oneshot::channel();
            let host = host.to_owned();
            let job = Box::new(move || {
                // If the process can open no file, `getaddrinfo` reports that something is busy, or that the name does
                // not exist.
                let found = (host.as_str(), 0).to_socket_addrs().map_err(lack_instead_of);
                tell.send(found.map(|found| found.map(|address| address.ip()).collect())).ok();
            });
            if let Err(job) = self.threads.run(job) {
                drop(tokio::task::spawn_blocking(job));
            }
            told.await.map_err(io::Error::other)?
        })
    }
}
