//! One attempt: a fresh store, an instance, one hook called, and the store dropped.

use std::sync::{Arc, Mutex};

use lastword_events::{Event, Hook, HookCall, Outcome, Session};
use wasmtime::component::ResourceTable;
use wasmtime::{Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::contract::{HookError, Prepared};
use crate::flight::Flight;
use crate::limits::{HOST_CALL_BYTES, MAX_HANDLES, MAX_RANDOM_BYTES};
use crate::log::{GuestLog, LogStream, Stream};
use crate::memory::MemoryUse;
use crate::outcome::{DeadlinePassed, of_answer, of_error, of_host};
use crate::plugin::Loaded;

/// What a store holds besides the guest.
pub(crate) struct GuestState {
    pub(crate) flight: Arc<Flight>,
    pub(crate) memory: MemoryUse,
    session: Arc<Session>,
    /// Made when the guest first uses WASI: seeding its random generators costs as much as a small call.
    wasi: Option<Box<Wasi>>,
}

struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Self { flight, session, wasi, .. } = self;
        let wasi = wasi.get_or_insert_with(|| Box::new(Wasi::new(&flight.plugin, session)));
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

impl Wasi {
    /// Clocks, random numbers and the log. Environment, arguments, directories and network are empty.
    fn new(plugin: &Loaded, session: &Arc<Session>) -> Self {
        let log = GuestLog::new(plugin.name.clone(), Arc::clone(session), plugin.limits.log_bytes);
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
pub(crate) async fn attempt(flight: Arc<Flight>, call: HookCall) -> Outcome {
    let limits = flight.plugin.limits;
    let mut store = match new_store(&flight, &call) {
        Ok(store) => store,
        Err(error) => return of_host(format!("no store for the call: {error:#}")),
    };
    let answer = run(&mut store, &flight.plugin, &Prepared::new(&call), &call.event).await;
    flight.meter.see_fuel(store.get_fuel().unwrap_or(0));
    let memory_refused = store.data().memory.refused();
    drop(store);
    match answer {
        Ok(answer) => of_answer(answer),
        Err(error) => of_error(&error, &limits, flight.meter.deadline(), memory_refused),
    }
}

fn new_store(flight: &Arc<Flight>, call: &HookCall) -> wasmtime::Result<Store<GuestState>> {
    let limits = flight.plugin.limits;
    let state = GuestState {
        flight: Arc::clone(flight),
        memory: MemoryUse::new(limits.memory),
        session: Arc::clone(&call.session),
        wasi: None,
    };
    let mut store = Store::try_new(flight.plugin.instance.engine(), state)?;
    store.limiter(|state| state);
    store.set_fuel(limits.fuel)?;
    store.set_hostcall_fuel(HOST_CALL_BYTES);
    store.set_max_component_handles(MAX_HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| at_epoch(&store));
    Ok(store)
}

/// The inner cut. Until the deadline the guest yields at every tick, so that its thread belongs to nobody; a guest that
/// did not would keep any timeout from firing.
fn at_epoch(store: &StoreContextMut<'_, GuestState>) -> wasmtime::Result<UpdateDeadline> {
    let meter = &store.data().flight.meter;
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
