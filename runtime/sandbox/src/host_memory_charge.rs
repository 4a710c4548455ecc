//! What one call has of the quotas on what the host keeps.

use std::sync::Arc;

use crate::call_context::CallContext;
use crate::host_memory_quota::take_of_both;

/// What one call has of both quotas. Given back with the call: what it frees before, it may need again.
pub(crate) struct HostMemoryCharge<T: 'static> {
    context: Arc<CallContext<T>>,
    bytes: u64,
}

impl<T> HostMemoryCharge<T> {
    pub(crate) fn new(context: &Arc<CallContext<T>>) -> Self {
        Self { context: Arc::clone(context), bytes: 0 }
    }

    /// Takes what is beyond the free part of a call, if others leave so much.
    pub(crate) fn grow(&mut self, kept: u64) -> bool {
        let plugin = &self.context.plugin;
        let more = plugin.host.free_memory.beyond_host(kept).saturating_sub(self.bytes);
        let took = take_of_both(&plugin.host_memory, &plugin.host.host_memory, more);
        if took {
            self.bytes += more;
        }
        took
    }
}

impl<T> Drop for HostMemoryCharge<T> {
    fn drop(&mut self) {
        self.context.plugin.host_memory.give_back(self.bytes);
        self.context.plugin.host.host_memory.give_back(self.bytes);
    }
}
