//! One attempt: a fresh store, an instance, one hook called, and the store dropped.

use std::sync::Arc;
#[cfg(feature = "test-util")]
use std::time::Instant;

#[cfg(feature = "test-util")]
use lastword_events::FailureCause;
use lastword_events::{Deferral, Event, Hook, HookCall, Outcome};
use rustix::io::Errno;
use wasmtime::{Engine, Store, StoreContextMut, UpdateDeadline};

use crate::call_context::CallContext;
use crate::contract::{HookError, Prepared};
use crate::grants::transcript::{CallTranscript, copy_for_call};
use crate::lack::lack;
use crate::limits::Limits;
#[cfg(feature = "test-util")]
use crate::loaded::NativeHook;
use crate::loaded::{Code, ComponentCode};
use crate::outcome::{DeadlinePassed, HostFault, Reached, of_answer, of_error, of_host};
use crate::state::GuestState;
use lastword_events::Change;
use lastword_memory::Reservation;

/// The result of an attempt.
pub(crate) struct HookResult {
    pub(crate) outcome: Outcome,
    /// The guest's changes of key-value storage. Empty unless it answered ok.
    pub(crate) changes: Vec<(String, Change)>,
    /// Whether the machine lacked something that the guest needed.
    pub(crate) lacked: bool,
}

impl From<Outcome> for HookResult {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, changes: Vec::new(), lacked: false }
    }
}

/// Calls the hook of the event. The store is gone when this is done, and when it is dropped half-way: after a trap or a cut no call can
/// enter the instance again.
pub(crate) async fn attempt(
    context: Arc<CallContext<GuestState>>,
    call: HookCall,
    memory: Option<Reservation>,
) -> HookResult {
    let code = match &context.plugin.code {
        Code::Component(code) => code,
        #[cfg(feature = "test-util")]
        Code::Native(hook) => return call_native(hook, &context, call).into(),
    };
    let limits = context.plugin.limits;
    let transcript = match copy_for_call(&context, &call.session).await {
        Ok(transcript) => transcript,
        Err(what) => return put_back(&context, what),
    };
    let mut store = match new_store(&context, code.instance.engine(), &call, transcript, memory) {
        Ok(store) => store,
        Err(error) => {
            let failed = || of_host(format!("no store for the call: {error:#}")).into();
            return lack(error.chain()).map_or_else(failed, |what| put_back(&context, what));
        }
    };
    let answer = run(&mut store, &context, code, &call).await;
    context.usage.record_fuel(store.get_fuel().unwrap_or(0));
    let state = store.data();
    let reached = Reached { instantiated: state.instantiated, memory_refused: state.memory.refused() };
    // If the host could not send the guest's request, the guest's error does not count.
    let request_lacked = state.request_lacked();
    let transcript_lacked = state.transcript_lacked();
    let changes = store.data_mut().take_changes();
    drop(store);
    let lacked = match &answer {
        Ok(Ok(())) => transcript_lacked,
        Ok(Err(_)) => transcript_lacked.or(request_lacked),
        Err(error) => lack(error.chain()).or(transcript_lacked).or(request_lacked),
    };
    if let Some(what) = lacked {
        return put_back(&context, what);
    }
    match answer {
        Ok(Ok(())) => HookResult { outcome: Outcome::Delivered, changes, lacked: false },
        Ok(Err(error)) => of_answer(error).into(),
        Err(error) => {
            // Report the process's limit if it is below `total_memory`.
            let limits = Limits { total_memory: context.plugin.memory.most(), ..limits };
            of_error(&error, &limits, context.meter.deadline(), reached).into()
        }
    }
}

/// Puts the call back, because the machine lacked something that other calls hold.
fn put_back(context: &CallContext<GuestState>, what: Errno) -> HookResult {
    context.plugin.host.told_lack.tell(what);
    HookResult { lacked: true, ..Outcome::Deferred(Deferral::Turn).into() }
}

/// Calls a host function as a plugin. Fails the call afterwards if the function has taken longer than it may.
#[cfg(feature = "test-util")]
fn call_native(hook: &NativeHook, context: &CallContext<GuestState>, mut call: HookCall) -> Outcome {
    call.delivery.remaining_ms = context.remaining_ms(call.delivery.remaining_ms);
    let began = Instant::now();
    let outcome = hook(&call);
    // A native function that sleeps counts as a guest that waits for the host.
    context.meter.host_kept_thread(began, Instant::now());
    if context.meter.is_past_deadline() {
        let deadline = context.meter.deadline();
        let message = format!("took longer than {} ms, and was not cut: it is native", deadline.as_millis());
        return Outcome::Failed { cause: FailureCause::Deadline, message };
    }
    outcome
}

fn new_store(
    context: &Arc<CallContext<GuestState>>,
    engine: &Engine,
    call: &HookCall,
    transcript: Option<CallTranscript>,
    memory: Option<Reservation>,
) -> wasmtime::Result<Store<GuestState>> {
    let limits = context.plugin.limits;
    let state = GuestState::new(context, &call.session, transcript, memory);
    let mut store = Store::try_new(engine, state)?;
    store.limiter_async(|state| state);
    store.call_hook(|mut store, transition| store.data_mut().at_transition(transition));
    store.set_fuel(limits.fuel)?;
    store.set_hostcall_fuel(context.plugin.host_call_bytes());
    store.set_max_component_handles(limits.handles as usize);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| at_epoch(&store));
    Ok(store)
}

/// Makes the guest yield at every tick, and cuts it after its deadline. Without this a guest that never yields would occupy its thread,
/// and no timeout on that thread could fire.
fn at_epoch(store: &StoreContextMut<'_, GuestState>) -> wasmtime::Result<UpdateDeadline> {
    let context = &store.data().context;
    if let Ok(left) = store.get_fuel() {
        context.usage.record_fuel(left);
    }
    if context.meter.is_past_deadline() {
        return Err(DeadlinePassed.into());
    }
    Ok(UpdateDeadline::Yield(1))
}

async fn run(
    store: &mut Store<GuestState>,
    context: &CallContext<GuestState>,
    code: &ComponentCode<GuestState>,
    call: &HookCall,
) -> wasmtime::Result<Result<(), HookError>> {
    let instance = code.instance.instantiate_async(&mut *store).await?;
    store.data_mut().instantiated = true;
    let prepared = Prepared::new(call, context.remaining_ms(call.delivery.remaining_ms));
    match &*call.event {
        Event::End(end) => {
            let hook = code.session_end.load(&mut *store, &instance)?;
            hook.call_session_end(store, prepared.end(end)).await
        }
        Event::Start(start) => {
            let indices = code.session_start.as_ref().ok_or_else(|| no_hook(Hook::SessionStart))?;
            let hook = indices.load(&mut *store, &instance)?;
            hook.call_session_start(store, prepared.start(start)).await
        }
        Event::Compaction(compaction) => {
            let indices = code.session_compaction.as_ref().ok_or_else(|| no_hook(Hook::SessionCompaction))?;
            let hook = indices.load(&mut *store, &instance)?;
            hook.call_session_compaction(store, prepared.compaction(compaction)).await
        }
    }
}

fn no_hook(hook: Hook) -> wasmtime::Error {
    HostFault(format!("the plugin has no {hook} hook: ask Plugin::hooks before calling it")).into()
}
