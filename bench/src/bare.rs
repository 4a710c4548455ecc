//! The comparison: wasmtime alone, with the engine settings, limiter, fuel, epoch callback and outer timeout that our
//! sandbox uses, in one loop on one thread. A fresh store and instance for each call, as ours.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use lastword_sandbox::limits;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, ResourceLimiter, Store,
    UpdateDeadline,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

#[expect(unreachable_pub, reason = "generated")]
mod bindings {
    // The bindings of a world that does not use all types do not compile when they borrow.
    pub mod all {
        wasmtime::component::bindgen!({
            path: "../wit",
            world: "session-lifecycle-hooks",
            exports: { default: async },
            ownership: Borrowing { duplicate_if_necessary: false },
        });
    }
    pub mod session_end {
        wasmtime::component::bindgen!({
            path: "../wit",
            world: "session-hooks",
            exports: { default: async },
            ownership: Borrowing { duplicate_if_necessary: false },
            with: { "lastword:hooks/types@0.1.0": super::all::lastword::hooks::types },
        });
    }
}

use bindings::all::lastword::hooks::types::{Delivery, EndReason, Session, SessionEndEvent};
use bindings::session_end::SessionHooksIndices;

/// wasmtime, and a plugin ready to be instantiated.
pub(crate) struct Bare {
    engine: Engine,
    indices: SessionHooksIndices,
    plugin: wasmtime::component::InstancePre<State>,
}

struct State {
    used: usize,
    wasi: Option<(WasiCtx, ResourceTable)>,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (ctx, table) = self.wasi.get_or_insert_with(|| (WasiCtx::builder().build(), ResourceTable::new()));
        WasiCtxView { ctx, table }
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.used += desired - current;
        Ok(self.used <= 64 << 20)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.used += (desired - current) * size_of::<usize>();
        Ok(self.used <= 64 << 20)
    }
}

impl Bare {
    /// Compiles and links `component`, and starts a 1 ms ticker.
    ///
    /// # Errors
    /// Those of wasmtime.
    pub(crate) fn new(component: &[u8]) -> wasmtime::Result<Self> {
        let engine = Engine::new(&config())?;
        let component = Component::new(&engine, component)?;
        let mut linker = Linker::<State>::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        let plugin = linker.instantiate_pre(&component)?;
        let indices = SessionHooksIndices::new(&plugin)?;
        component.initialize_copy_on_write_image()?;
        let ticker = engine.weak();
        std::thread::spawn(move || {
            while let Some(engine) = ticker.upgrade() {
                engine.increment_epoch();
                drop(engine);
                #[expect(clippy::disallowed_methods, reason = "this is the ticker")]
                std::thread::sleep(limits::TICK);
            }
        });
        Ok(Self { engine, indices, plugin })
    }

    /// `calls` calls of `session-end`, one after the other.
    ///
    /// # Errors
    /// When a call does not answer ok at once.
    pub(crate) fn run(&self, calls: u32) -> wasmtime::Result<()> {
        Engine::tls_eager_initialize();
        for attempt in 0..calls {
            let deadline = tokio::time::Instant::now() + std::time::Duration::from_millis(500);
            let mut call = pin!(tokio::time::timeout_at(deadline, self.call(attempt)));
            // At an epoch the guest yields, and can go on at once.
            let answer = loop {
                if let Poll::Ready(answer) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    break answer;
                }
            };
            answer.map_err(|_| wasmtime::Error::msg("a call of the bare loop took too long"))??;
        }
        Ok(())
    }

    async fn call(&self, attempt: u32) -> wasmtime::Result<()> {
        let mut store = Store::new(&self.engine, State { used: 0, wasi: None });
        store.limiter(|state| state);
        store.set_fuel(limits::DEFAULT_FUEL)?;
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        let instance = self.plugin.instantiate_async(&mut store).await?;
        let hooks = self.indices.load(&mut store, &instance)?;
        let answer = hooks.call_session_end(&mut store, event(attempt)).await?;
        answer.map_err(|_| wasmtime::Error::msg("the guest refused the event"))
    }
}

/// A real event, as OpenClaw sends it.
fn event(attempt: u32) -> SessionEndEvent<'static> {
    SessionEndEvent {
        session: Session {
            tenant: "default",
            id: "30978718-9dbb-47ca-81cf-00f4c4329df8",
            generation: 1,
            key: Some("agent:main:a"),
            agent_id: Some("main"),
            owner_kind: Some("openclaw"),
            cwd: Some("/home/user/.openclaw/workspace"),
            transcript: None,
            started_at: Some("2026-11-21T07:00:00.000Z"),
            attributes: &[],
        },
        delivery: Delivery { id: "k3f9a2c1.17/session-end/memory", attempt, remaining_ms: 500, late: false },
        reason: EndReason::Shutdown,
        raw_reason: None,
        ended_at: "2026-11-21T07:00:12.000Z",
        duration_ms: Some(12_000),
        message_count: None,
        next_session_id: None,
        next_session_key: None,
        attributes: &[],
    }
}

fn config() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    // A call comes after the other: with more slots none is faster.
    let calls = 256;
    pool.total_component_instances(calls)
        .total_stacks(calls)
        .total_core_instances(calls * limits::MAX_CORE_INSTANCES)
        .total_memories(calls + calls / limits::EXTRA_MEMORIES_PART)
        .total_tables(calls * limits::MAX_TABLES)
        .max_memory_size(1 << 30)
        .linear_memory_keep_resident(limits::MEMORY_KEEP_RESIDENT_BYTES)
        .table_keep_resident(limits::TABLE_KEEP_RESIDENT_BYTES)
        .async_stack_keep_resident(limits::STACK_KEEP_RESIDENT_BYTES)
        .decommit_batch_size(limits::DECOMMIT_BATCH)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .concurrency_support(false)
        .max_wasm_stack(limits::GUEST_STACK_BYTES)
        .async_stack_size(limits::CALL_STACK_BYTES)
        .async_stack_zeroing(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
