//! Answers wasmtime whether a guest may have more memory, and waits while other calls have it.

use std::future::poll_fn;

use async_trait::async_trait;
use lastword_memory::GivesWay;
use wasmtime::ResourceLimiterAsync;

use crate::lack::lack;
use crate::limits::{MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLES};
use crate::memory::{Bytes, in_full};
use crate::state::GuestState;

/// A table's slot is a pointer.
const BYTES_PER_ELEMENT: u64 = size_of::<usize>() as u64;

/// False when the guest may not have so much, whatever other calls have. Waits while other calls have it.
async fn grow(state: &mut GuestState, more: Bytes) -> Result<bool, GivesWay> {
    let Some(counted) = state.memory.wants(more) else { return Ok(false) };
    if !state.memory.is_reserved(counted) {
        reserve(state, counted).await?;
    }
    let GuestState { context, memory, .. } = state;
    if counted > 0 {
        context.usage.record_counted_memory(counted);
    }
    memory.grant(more);
    context.usage.record_memory(memory.of_the_guest(), memory.of_the_host());
    Ok(true)
}

async fn reserve(state: &mut GuestState, bytes: u64) -> Result<(), GivesWay> {
    let sent = state.has_sent();
    let GuestState { context, memory, .. } = state;
    // Also counts for a call that has to give way, because its next attempt reserves so much.
    context.usage.record_counted_memory(bytes);
    let reservation = memory.reservation(|| context.plugin.memory.reserve_nothing());
    let _turn = context.meter.begin_turn();
    poll_fn(|cx| reservation.poll_grow(bytes, sent, cx)).await
}

fn difference(current: usize, desired: usize) -> u64 {
    u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX)
}

#[async_trait]
impl ResourceLimiterAsync for GuestState {
    async fn memory_growing(&mut self, now: usize, desired: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = difference(now, desired);
        let more = if now == 0 { self.memory.weigh_new(bytes) } else { in_full(bytes) };
        Ok(grow(self, more).await?)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.grow_failed();
        // The machine has no mapping left. A guest would fail if it got that as an answer. So its call is put back, which costs only its
        // plugin, and only a few times in a row.
        if lack(error.chain()).is_some() { Err(error) } else { Ok(()) }
    }

    async fn table_growing(&mut self, now: usize, desired: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = difference(now, desired).saturating_mul(BYTES_PER_ELEMENT);
        Ok(grow(self, in_full(bytes)).await?)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.grow_failed();
        Ok(())
    }

    fn instances(&self) -> usize {
        MAX_CORE_INSTANCES as usize
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES as usize
    }

    fn tables(&self) -> usize {
        MAX_TABLES as usize
    }
}
