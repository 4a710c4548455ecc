//! One attempt: a fresh store, an instance, one hook called, and the store dropped.

use std::sync::{Arc, Mutex};

use lastword_events::{Event, Hook, HookCall, Outcome};
use wasmtime::component::ResourceTable;
use wasmtime::{Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::contract::{HookError, Prepared};
use crate::limits::{HOST_CALL_BYTES, MAX_HANDLES, MAX_RANDOM_BYTES};
use crate::log::{GuestLog, LogStream, Stream};
use crate::memory::MemoryLimiter;
use crate::meter::Meter;
use crate::outcome::{DeadlinePassed, of_answer, of_error, of_host};
use crate::plugin::Loaded;

/// What a store holds besides the guest.
pub(crate) struct GuestState {
    plugin: Arc<Loaded>,
    call: HookCall,
    meter: Arc<Meter>,
    memory: MemoryLimiter,
    /// Made when the guest first uses WASI: seeding its random generators costs as much as a small call.
    wasi: Option<Box<Wasi>>,
}

struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Self { plugin, call, wasi, .. } = self;
        let wasi = wasi.get_or_insert_with(|| Box::new(Wasi::new(plugin, call)));
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

impl Wasi {
    /// Clocks, random numbers and the log. Environment, arguments, directories and network are empty.
    fn new(plugin: &Loaded, call: &HookCall) -> Self {
        let log = GuestLog::new(plugin.name.clone(), Arc::clone(&call.session), plugin.limits.log_bytes);
        let log = Arc::new(Mutex::new(log));
        let mut ctx = WasiCtx::builder();
        ctx.stdout(LogStream { log: Arc::clone(&log), stream: Stream::Stdout })
            .stderr(LogStream { log, stream: Stream::Stderr })
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .allow_blocking_current_thread(false)
            .max_random_size(MAX_RANDOM_BYTES);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Self { ctx: ctx.build(), table }
    }
}

/// Calls the hook that the event is for. The store is gone when this is done, and when it is dropped half-way: after a
/// trap or a cut the instance can never be entered again.
pub(crate) async fn attempt(plugin: Arc<Loaded>, call: HookCall, meter: Arc<Meter>) -> Outcome {
    let limits = plugin.limits;
    let memory = MemoryLimiter::new(limits.memory, Arc::clone(&meter));
    let prepared = Prepared::new(&call);
    let state =
        GuestState { plugin: Arc::clone(&plugin), call: call.clone(), meter: Arc::clone(&meter), memory, wasi: None };
    let mut store = match new_store(&plugin, state) {
        Ok(store) => store,
        Err(error) => return of_host(format!("no store for the call: {error:#}")),
    };
    let answer = run(&mut store, &plugin, &prepared, &call.event).await;
    meter.see_fuel(store.get_fuel().unwrap_or(0));
    let memory_refused = store.data().memory.refused();
    drop(store);
    match answer {
        Ok(answer) => of_answer(answer),
        Err(error) => of_error(&error, &limits, meter.deadline(), memory_refused),
    }
}

fn new_store(plugin: &Loaded, state: GuestState) -> wasmtime::Result<Store<GuestState>> {
    let mut store = Store::try_new(plugin.instance.engine(), state)?;
    store.limiter(|state| &mut state.memory);
    store.set_fuel(plugin.limits.fuel)?;
    store.set_hostcall_fuel(HOST_CALL_BYTES);
    store.set_max_component_handles(MAX_HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(at_epoch);
    Ok(store)
}

/// The inner cut. Until the deadline the guest yields at every tick, so that its thread belongs to nobody; a guest that
/// did not would keep any timeout from firing.
fn at_epoch(store: StoreContextMut<'_, GuestState>) -> wasmtime::Result<UpdateDeadline> {
    let meter = &store.data().meter;
    if let Ok(left) = store.get_fuel() {
        meter.see_fuel(left);
    }
    if meter.is_past_deadline() {
        return Err(DeadlinePassed.into());
    }
    Ok(UpdateDeadline::Yield(1))
}

async fn run(
    store: &mut Store<GuestState>,
    plugin: &Loaded,
    prepared: &Prepared<'_>,
    event: &Event,
) -> wasmtime::Result<Result<(), HookError>> {
    let instance = plugin.instance.instantiate_async(&mut *store).await?;
    match event {
        Event::End(end) => {
            let hook = plugin.session_end.load(&mut *store, &instance)?;
            hook.call_session_end(store, prepared.end(end)).await
        }
        Event::Start(start) => {
            let indices = plugin.session_start.as_ref().ok_or_else(|| no_hook(Hook::SessionStart))?;
            let hook = indices.load(&mut *store, &instance)?;
            hook.call_session_start(store, prepared.start(start)).await
        }
        Event::Compaction(compaction) => {
            let indices = plugin.session_compaction.as_ref().ok_or_else(|| no_hook(Hook::SessionCompaction))?;
            let hook = indices.load(&mut *store, &instance)?;
            hook.call_session_compaction(store, prepared.compaction(compaction)).await
        }
    }
}

fn no_hook(hook: Hook) -> wasmtime::Error {
    wasmtime::Error::msg(format!("the plugin has no {hook} hook: ask Plugin::hooks before calling it"))
}
