//! The data that all calls of one sandbox share. A loaded plugin holds it, and it knows no plugin.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "http")]
use lastword_egress::Egress;
use lastword_transcript::Scratch;
use tokio::sync::Semaphore;

use crate::extra_memories::extra_memories;
use crate::free_memory::FreeMemory;
use crate::host_memory_quota::HostMemoryQuota;
use crate::lack::Told;
use crate::limits::MAX_HOST_MEMORY_BYTES;
use crate::machine::memory;
use crate::ticker::Ticker;

pub(crate) struct Host {
    pub(crate) ticker: Ticker,
    /// Permits for slots. Calls wait here, because an instantiation fails when the pool is full.
    pub(crate) slots: Semaphore,
    /// Linear memories beyond the one that each slot has.
    pub(crate) extra_memories: Arc<Semaphore>,
    /// Host memory of all calls.
    pub(crate) host_memory: HostMemoryQuota,
    /// The memory of each call that does not count.
    pub(crate) free_memory: FreeMemory,
    /// The time at which the log last named a lack.
    pub(crate) told_lack: Told,
    /// The HTTP client of plugins with the grant `http`.
    #[cfg(feature = "http")]
    pub(crate) egress: Egress,
    pub(crate) scratch_base: PathBuf,
    /// Made when the first plugin that may read a transcript is loaded.
    scratch: Mutex<Option<Scratch>>,
}

impl Host {
    pub(crate) fn new(
        ticker: Ticker,
        slots: u32,
        #[cfg(feature = "http")] egress: Egress,
        scratch_base: PathBuf,
    ) -> Self {
        Self {
            ticker,
            slots: Semaphore::new(slots as usize),
            extra_memories: Arc::new(Semaphore::new(extra_memories(slots) as usize)),
            host_memory: HostMemoryQuota::new(MAX_HOST_MEMORY_BYTES),
            free_memory: FreeMemory::of(slots, memory()),
            told_lack: Told::default(),
            #[cfg(feature = "http")]
            egress,
            scratch_base,
            scratch: Mutex::new(None),
        }
    }

    pub(crate) fn remove_leftovers(&self) -> std::io::Result<()> {
        Scratch::sweep(&self.scratch_base)
    }

    /// The directory for copies of transcripts. Blocks as long as the disk does.
    pub(crate) fn scratch(&self) -> std::io::Result<Scratch> {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        match &*scratch {
            Some(scratch) => Ok(scratch.clone()),
            None => Ok(scratch.insert(Scratch::open(&self.scratch_base)?).clone()),
        }
    }
}
