//! One call's charge on the quotas of host memory.

use std::sync::Arc;

use crate::call_context::CallContext;
use crate::host_memory_quota::take_of_both;

/// One call's charge on both quotas. It is given back with the call, because the call may need freed bytes again.
pub(crate) struct HostMemoryCharge<T: 'static> {
    context: Arc<CallContext<T>>,
    bytes: u64,
}

impl<T> HostMemoryCharge<T> {
    pub(crate) fn new(context: &Arc<CallContext<T>>) -> Self {
        Self { context: Arc::clone(context), bytes: 0 }
    }

    /// Takes the bytes beyond the free part of a call, if both quotas have them.
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
