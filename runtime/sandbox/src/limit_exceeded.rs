//! The limits that are checked while the host serves a guest. A guest that exceeds one is ended, and the outcome names the limit.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lastword_events::FailureCause;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _, TryRng};

/// The word for too many random bytes, in one host call or in all.
pub(crate) const RANDOM_BYTES: &str = "random-bytes";

/// A limit that a guest exceeded. Our own error type, so that the cause is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitExceeded {
    HostCalls {
        limit: u64,
    },
    RandomBytes {
        limit: u64,
    },
    HttpRequests {
        limit: u32,
    },
    /// The guest's memories and tables with its host memory.
    Memory {
        limit: u64,
        guest: u64,
        host: u64,
    },
    /// Host memory beyond the limit of any one call.
    HostMemory {
        limit: u64,
        host: u64,
    },
}

impl LimitExceeded {
    /// `failed(limit: …)` with its word, or `failed(memory)`.
    pub(crate) fn cause(self) -> FailureCause {
        let limit = |word: &str| FailureCause::Limit(word.to_owned());
        match self {
            Self::HostCalls { .. } => limit("host-calls"),
            Self::RandomBytes { .. } => limit(RANDOM_BYTES),
            Self::HttpRequests { .. } => limit("http-requests"),
            Self::Memory { .. } | Self::HostMemory { .. } => FailureCause::Memory,
        }
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostCalls { limit } => write!(f, "made more than its {limit} host calls"),
            Self::RandomBytes { limit } => write!(f, "asked for more than its {limit} random bytes"),
            Self::HttpRequests { limit } => write!(f, "sent more than its {limit} HTTP requests"),
            Self::Memory { limit, guest, host } => write!(
                f,
                "had more than its {limit} bytes of memory: {guest} in its memories and tables, \
                 {host} that the host kept for it (handles, header fields, requests, bodies, changed keys)"
            ),
            Self::HostMemory { limit, host } => write!(
                f,
                "had the host keep {host} bytes for it, more than the {limit} that it keeps for one call (handles, header \
                 fields, requests, bodies, changed keys)"
            ),
        }
    }
}

impl std::error::Error for LimitExceeded {}

/// Counts random bytes for a guest. Seeded at the first request, because few guests use it.
pub(crate) struct CountedRng {
    rng: Option<StdRng>,
    taken: Arc<AtomicU64>,
}

impl CountedRng {
    pub(crate) fn new(taken: &Arc<AtomicU64>) -> Self {
        Self { rng: None, taken: Arc::clone(taken) }
    }

    fn take(&mut self, bytes: usize) -> &mut StdRng {
        self.taken.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.rng.get_or_insert_with(|| StdRng::from_rng(&mut rand::rng()))
    }
}

impl TryRng for CountedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        // WASI takes one of these for each single byte.
        Ok(self.take(1).next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.take(size_of::<u64>()).next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.take(bytes.len()).fill_bytes(bytes);
        Ok(())
    }
}
