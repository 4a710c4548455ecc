//! From a name to addresses.

use std::{
    fmt, io,
    net::{IpAddr, ToSocketAddrs},
    pin::Pin,
};

use tokio::sync::oneshot;

use crate::{lack::lack_instead_of, threads::Threads};

/// A look-up under way.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Finds the addresses of a name. Whatever it answers is checked afterwards.
///
/// A look-up that was begun is never dropped: it goes on, and counts, when the call that wanted it is gone. One that does not
/// come to an end by itself counts for ever.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of `host`, in the order in which to try them. `host` is in lower case and never an address.
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a>;
}

/// The operating system's resolver (`getaddrinfo`): hosts file, DNS, whatever the host is set up for.
///
/// It blocks a thread of its own for each look-up, or one of tokio's if the system starts none.
#[derive(Clone, Default)]
pub struct SystemResolver {
    threads: Threads,
}

impl SystemResolver {
    /// Starts nothing: the first look-up does.
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
                // Of a process that can open no file it says that something is busy, or that there is no such name.
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
