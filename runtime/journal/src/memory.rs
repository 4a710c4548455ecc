mod dead;
mod key_values;
mod recent_ends;
mod state;

use lastword_events::{Hook, Identity, JournalName};
use parking_lot::Mutex;

pub(crate) use self::state::serving;

use self::state::State;
use crate::{Completion, DeliveryKey, Durability, Journal, JournalError, Pending, Recovered, Space, Write, Written};

/// A journal that lives as long as the process. What is owed when the process ends is lost.
///
/// A second run on the same value finds what the first one left, exactly as with a file: the tests of recovery use it so.
#[derive(Debug)]
pub struct MemoryJournal {
    name: JournalName,
    state: Mutex<State>,
}

impl MemoryJournal {
    /// An empty journal with a random name.
    #[must_use]
    pub fn new() -> Self {
        Self { name: crate::sqlite::random_name(), state: Mutex::new(State::new()) }
    }

    /// Deliveries that were given up, in that order: the newest [`RETAINED_DEAD_DELIVERIES`](crate::RETAINED_DEAD_DELIVERIES).
    #[must_use]
    pub fn dead(&self) -> Vec<DeliveryKey> {
        self.state.lock().dead.newest()
    }

    /// How many more were given up before those, and are forgotten.
    #[must_use]
    pub fn forgotten_dead(&self) -> u64 {
        self.state.lock().dead.forgotten()
    }
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl Journal for MemoryJournal {
    fn name(&self) -> JournalName {
        self.name
    }

    fn durability(&self) -> Durability {
        Durability::Memory
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        Ok(self.state.lock().recover())
    }

    fn write(&self, write: Write) -> Pending<Written> {
        Pending::ready(self.state.lock().write(write))
    }

    fn record(&self, writes: Vec<Write>) -> Pending<()> {
        let mut state = self.state.lock();
        // One that cannot be is a defect of the caller's, and no reason to leave the others out.
        for write in writes {
            state.write(write).ok();
        }
        Pending::ready(Ok(()))
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        self.state.lock().generation_of_op(identity, kind, op_id)
    }

    fn complete(&self, completions: Vec<Completion>) -> Pending<()> {
        let mut state = self.state.lock();
        for completion in completions {
            state.complete(completion);
        }
        Pending::ready(Ok(()))
    }

    fn flush(&self) -> Pending<()> {
        Pending::ready(Ok(()))
    }

    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        let value = self.state.lock().key_values.get(space, key);
        Ok(value.map(|value| value.to_vec()))
    }

    fn key_value_keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        Ok(self.state.lock().key_values.keys(space, after, limit))
    }

    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError> {
        Ok(self.state.lock().key_values.bytes(space))
    }

    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError> {
        Ok(self.state.lock().key_values.tenant_bytes(tenant))
    }
}
