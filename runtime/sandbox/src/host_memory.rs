//! Host memory: bytes that the host keeps for a call. They count to the plugin's [`memory`](crate::Limits::memory) as the guest's own
//! memories do.
//!
//! Two things are counted. Each entry of the table of handles counts a flat [`HANDLE_BYTES`], from its first use to the call's end: the
//! table does not shrink, and the data behind most handles is small. Header fields, requests and responses hold as much as the guest puts
//! into them, so their entries count that as well, and give it back when the handle goes. [`TaskMemory`] counts data that has left the
//! table, for a request that is out or for a body that was not read yet. The tasks of the call share it.
//!
//! No host function refuses anything here. A host function keeps its data, and if that is too much, the call ends as the function returns
//! to the guest ([`host_memory_quota`](crate::host_memory_quota)). So a call exceeds its memory by the data of one host call at most.
//!
//! Data that lives for one host call only (lists, random bytes, a page of keys) is bounded by the limits on those calls, and not counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(feature = "http")]
use http::HeaderMap;
use wasmtime::component::ResourceTable;
#[cfg(feature = "http")]
use wasmtime_wasi_http::p2::bindings::http::types::{Method, Scheme};
#[cfg(feature = "http")]
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;

#[cfg(feature = "http")]
use crate::limits::HTTP_REQUEST_BYTES;
use crate::limits::{FILE_HANDLE_BYTES, HANDLE_BYTES};

/// Bytes of a name in a [`HeaderMap`]: its bucket, and its part of the index.
const NAME_SLOT_BYTES: u64 = 112;
/// Bytes of a value beyond the first of its name, twice: the list of them grows by doubling.
const EXTRA_VALUE_BYTES: u64 = 2 * 72;
/// Bytes of an allocation beside its data: its reference count, and the rounding of small ones.
const ALLOCATION_BYTES: u64 = 48;

/// The account of one call.
pub(crate) struct HostMemory {
    /// By the handle's number in the table: the contents of each handle with data of the guest's choice.
    handles: Vec<HandleContents>,
    /// The sum of the contents.
    contents: u64,
    /// Entries of the table that were used so far.
    used: u32,
    /// Bytes that each of those entries counts.
    of_each: u64,
    task_memory: Arc<TaskMemory>,
}

/// The contents of one handle beyond the flat part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HandleContents {
    /// Bytes of the fields' table.
    table: u64,
    /// Bytes of names and values.
    text_of_fields: u64,
    /// The most values beyond the first of each name. Their list does not shrink.
    extra_values: usize,
    /// Bytes of a request beside its header.
    request: u64,
}

impl HandleContents {
    pub(crate) fn bytes(self) -> u64 {
        self.table.saturating_add(self.text_of_fields).saturating_add(self.request)
    }

    #[cfg(feature = "http")]
    fn count_table(&mut self, map: &HeaderMap) {
        self.extra_values = self.extra_values.max(map.len().saturating_sub(map.keys_len()));
        let names = rounded(size(map.capacity()).saturating_mul(NAME_SLOT_BYTES));
        self.table = names.saturating_add(size(self.extra_values).saturating_mul(EXTRA_VALUE_BYTES));
    }
}

impl HostMemory {
    /// The account of a call. `reads_files`: the call may read a transcript.
    pub(crate) fn new(reads_files: bool) -> Self {
        let of_each = if reads_files { FILE_HANDLE_BYTES } else { HANDLE_BYTES };
        Self { handles: Vec::new(), contents: 0, used: 0, of_each, task_memory: Arc::default() }
    }

    /// Memory that tasks keep for the call.
    pub(crate) fn task_memory(&self) -> &Arc<TaskMemory> {
        &self.task_memory
    }

    /// The sum, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let flat = u64::from(self.used).saturating_mul(self.of_each);
        flat.saturating_add(self.contents).saturating_add(self.task_memory.bytes())
    }

    /// Counts the entries of the table that a host call was the first to use. The table uses them in the order of their numbers.
    pub(crate) fn count_handles(&mut self, table: &mut ResourceTable) {
        while table.get_any_mut(self.used).is_ok() {
            self.used += 1;
        }
    }

    /// Counts fields at their present size.
    #[cfg(feature = "http")]
    pub(crate) fn count_fields(&mut self, number: u32, fields: &HeaderMap) {
        self.change(number, |handle| {
            handle.count_table(fields);
            let names: u64 = fields.keys().map(|name| allocation(name.as_str().len())).sum();
            handle.text_of_fields = names + fields.values().map(|value| allocation(value.len())).sum::<u64>();
        });
    }

    /// Counts fields after one more value, without a look at the others.
    #[cfg(feature = "http")]
    pub(crate) fn count_appended(&mut self, number: u32, fields: &HeaderMap, name: usize, value: usize) {
        self.change(number, |handle| {
            handle.count_table(fields);
            handle.text_of_fields = handle.text_of_fields.saturating_add(allocation(name) + allocation(value));
        });
    }

    /// Counts a request beside its header.
    #[cfg(feature = "http")]
    pub(crate) fn count_request(&mut self, number: u32, request: &HostOutgoingRequest) {
        let method = match &request.method {
            Method::Other(method) => method.capacity(),
            _ => 0,
        };
        let scheme = match &request.scheme {
            Some(Scheme::Other(scheme)) => scheme.capacity(),
            _ => 0,
        };
        let texts = [request.authority.as_ref(), request.path_with_query.as_ref()];
        let texts: u64 = texts.into_iter().flatten().map(|text| allocation(text.capacity())).sum();
        self.change(number, |handle| {
            handle.request = HTTP_REQUEST_BYTES + allocation(method) + allocation(scheme) + texts;
        });
    }

    /// Removes the contents of a handle that is gone, and returns them.
    pub(crate) fn take(&mut self, number: u32) -> HandleContents {
        let mut taken = HandleContents::default();
        self.change(number, |handle| taken = std::mem::take(handle));
        taken
    }

    /// Moves contents to another handle.
    pub(crate) fn put(&mut self, number: u32, contents: HandleContents) {
        self.change(number, |handle| *handle = contents);
    }

    fn change(&mut self, number: u32, change: impl FnOnce(&mut HandleContents)) {
        let at = number as usize;
        if at >= self.handles.len() {
            self.handles.resize(at + 1, HandleContents::default());
        }
        let Some(handle) = self.handles.get_mut(at) else { return };
        let before = handle.bytes();
        change(handle);
        self.contents = self.contents.saturating_sub(before).saturating_add(handle.bytes());
    }
}

/// Memory that tasks of a call keep. The tasks outlive a host call, but not the call, whose handles abort them.
#[derive(Debug, Default)]
pub(crate) struct TaskMemory(AtomicU64);

impl TaskMemory {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts bytes until [`give_back`](Self::give_back), or the call's end.
    pub(crate) fn take(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        self.0.update(Ordering::Relaxed, Ordering::Relaxed, |now| now.saturating_sub(bytes));
    }

    /// Counts bytes as long as the returned value lives.
    pub(crate) fn charge(self: &Arc<Self>, bytes: u64) -> Charge {
        self.take(bytes);
        Charge { account: Arc::clone(self), bytes }
    }
}

/// Bytes that a task keeps.
#[derive(Debug)]
pub(crate) struct Charge {
    account: Arc<TaskMemory>,
    bytes: u64,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.give_back(self.bytes);
    }
}

fn size(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// The bytes that an allocator takes for a request: its classes are up to a quarter apart.
fn rounded(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 4)
}

fn allocation(bytes: usize) -> u64 {
    if bytes == 0 { 0 } else { rounded(size(bytes)).saturating_add(ALLOCATION_BYTES) }
}

#[cfg(feature = "http")]
#[cfg(test)]
mod tests {
    use super::*;

    fn fields(values: usize) -> HeaderMap {
        let mut map = HeaderMap::new();
        for _ in 0..values {
            map.append("x-a", http::HeaderValue::from_static("0123456789abcdef"));
        }
        map
    }

    #[test]
    fn what_a_handle_holds_is_given_back_with_it_and_moves_with_what_it_becomes() {
        let mut memory = HostMemory::new(false);
        memory.count_fields(3, &fields(100));
        let held = memory.bytes();
        assert!(held > 100 * (16 + 72), "{held}");
        let contents = memory.take(3);
        assert_eq!((memory.bytes(), contents.bytes()), (0, held));
        memory.put(0, contents);
        assert_eq!(memory.bytes(), held);
        memory.take(0);
        assert_eq!(
            (memory.take(0), memory.take(77), memory.bytes()),
            (HandleContents::default(), HandleContents::default(), 0)
        );
    }

    #[test]
    fn a_list_of_values_that_was_long_stays_counted() {
        let mut memory = HostMemory::new(false);
        memory.count_fields(0, &fields(1_000));
        memory.count_fields(0, &fields(1));
        assert!(memory.bytes() > 1_000 * 72, "{}", memory.bytes());
        memory.take(0);
        memory.count_fields(0, &fields(1));
        assert!(memory.bytes() < 1_000, "another one in its place: {}", memory.bytes());
    }

    #[test]
    fn a_place_counts_from_its_first_use_and_files_count_what_they_read_ahead() {
        let (mut table, mut memory) = (ResourceTable::new(), HostMemory::new(false));
        let first = table.push(1_u8).unwrap();
        table.push(2_u8).unwrap();
        memory.count_handles(&mut table);
        assert_eq!(memory.bytes(), 2 * HANDLE_BYTES);
        table.delete(first).unwrap();
        table.push(3_u8).unwrap();
        memory.count_handles(&mut table);
        assert_eq!(memory.bytes(), 2 * HANDLE_BYTES, "the place was used again");
        let mut reads = HostMemory::new(true);
        reads.count_handles(&mut table);
        assert_eq!(reads.bytes(), 2 * FILE_HANDLE_BYTES);
    }

    #[test]
    fn what_tasks_keep_counts_as_long_as_they_keep_it() {
        let memory = HostMemory::new(false);
        let charge = memory.task_memory().charge(5);
        memory.task_memory().take(7);
        assert_eq!(memory.bytes(), 12);
        drop(charge);
        memory.task_memory().give_back(7);
        assert_eq!(memory.bytes(), 0);
        memory.task_memory().give_back(1);
        assert_eq!(memory.bytes(), 0, "not below");
    }
}
