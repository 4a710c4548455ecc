//! The data of a store besides the guest, which its host functions use.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

#[cfg(feature = "http")]
use lastword_egress::Allowance;
use lastword_events::{Change, KeyValues, Session};
use lastword_memory::Reservation;
use rustix::io::Errno;
use wasmtime::CallHook;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
#[cfg(feature = "http")]
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use crate::call_context::CallContext;
use crate::changes::Changes;
#[cfg(feature = "http")]
use crate::grants::http::{counted::CountedHttp, outgoing::Outgoing};
use crate::grants::transcript::{self, CallTranscript};
use crate::host_calls::HostCall;
use crate::host_memory::HostMemory;
#[cfg(feature = "http")]
use crate::host_memory::TaskMemory;
use crate::host_memory_charge::HostMemoryCharge;
use crate::host_memory_quota::HostMemoryUsedUp;
use crate::limit_exceeded::{CountedRng, LimitExceeded};
use crate::limits::{FREE_HOST_BYTES, MAX_HANDLES_WITH_FILES, MAX_RANDOM_BYTES};
use crate::log::{GuestLog, LogStream, Stream};
use crate::memory::MemoryUse;
use crate::timed_key_values::TimedKeyValues;

pub(crate) struct GuestState {
    pub(crate) context: Arc<CallContext<Self>>,
    pub(crate) memory: MemoryUse,
    /// The call's charge on the quotas of host memory. `None` while its host memory is within the free part.
    host_memory_charge: Option<HostMemoryCharge<Self>>,
    session: Arc<Session>,
    /// Whether there is an instance. The engine may fail to make one for reasons of its own.
    pub(crate) instantiated: bool,
    host_calls: u64,
    /// Made when the guest first uses WASI, because it costs as much as a small call.
    wasi: Option<Box<Wasi>>,
    /// Made when the guest first uses key-value storage.
    changes: Option<Box<Changes>>,
    /// Made when the guest first uses HTTP.
    #[cfg(feature = "http")]
    outgoing: Option<Box<Outgoing<Self>>>,
    /// The copy of the transcript. It is dropped after all fields that may have it open.
    transcript: Option<CallTranscript>,
}

struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
    random_bytes: Arc<AtomicU64>,
    memory: HostMemory,
    /// The resource that the machine lacked when the guest was to see its transcript.
    transcript_lacked: Option<Errno>,
}

impl GuestState {
    pub(crate) fn new(
        context: &Arc<CallContext<Self>>,
        session: &Arc<Session>,
        transcript: Option<CallTranscript>,
        memory: Option<Reservation>,
    ) -> Self {
        let plugin = &context.plugin;
        Self {
            context: Arc::clone(context),
            memory: MemoryUse::new(
                plugin.limits.memory,
                (plugin.memory.most(), plugin.host.free_memory),
                plugin.image,
                memory,
            ),
            host_memory_charge: None,
            session: Arc::clone(session),
            instantiated: false,
            host_calls: 0,
            wasi: None,
            changes: None,
            #[cfg(feature = "http")]
            outgoing: None,
            transcript,
        }
    }

    /// Takes the guest's changes of key-value storage.
    pub(crate) fn take_changes(&mut self) -> Vec<(String, Change)> {
        self.changes.take().map(|changes| changes.into_list()).unwrap_or_default()
    }

    /// Whether the guest has sent anything to the world.
    pub(crate) fn has_sent(&self) -> bool {
        self.sent() > 0
    }

    /// The resource that the machine lacked when a request was to be sent.
    pub(crate) fn request_lacked(&self) -> Option<Errno> {
        #[cfg(feature = "http")]
        let lacked = self.outgoing.as_ref().and_then(|outgoing| outgoing.hooks.lacked.get().copied());
        #[cfg(not(feature = "http"))]
        let lacked = None;
        lacked
    }

    /// The resource that the machine lacked when the guest was to see its transcript.
    pub(crate) fn transcript_lacked(&self) -> Option<Errno> {
        self.wasi.as_ref()?.transcript_lacked
    }

    /// Requests that the guest has sent.
    fn sent(&self) -> u32 {
        #[cfg(feature = "http")]
        let sent = self.outgoing.as_ref().map_or(0, |outgoing| outgoing.hooks.sent);
        #[cfg(not(feature = "http"))]
        let sent = 0;
        sent
    }

    /// Counts a host call and the memory that it used.
    pub(crate) fn at_transition(&mut self, transition: CallHook) -> wasmtime::Result<()> {
        let limits = &self.context.plugin.limits;
        match transition {
            CallHook::CallingHost => {
                self.host_calls += 1;
                self.context.meter.begin_host_call(self.host_calls);
                if self.host_calls > limits.host_calls {
                    return Err(LimitExceeded::HostCalls { limit: limits.host_calls }.into());
                }
            }
            CallHook::ReturningFromHost => {
                // Before the guest takes a transcript that it cannot see for one that is not there.
                if let Some(lacked) = self.transcript_lacked() {
                    return Err(lacked.into());
                }
                let taken = self.wasi.as_ref().map_or(0, |wasi| wasi.random_bytes.load(Ordering::Relaxed));
                if taken > limits.random_bytes {
                    return Err(LimitExceeded::RandomBytes { limit: limits.random_bytes }.into());
                }
                if self.sent() > limits.http_requests {
                    return Err(LimitExceeded::HttpRequests { limit: limits.http_requests }.into());
                }
                let bytes = self.host_memory();
                return self.check_host_memory(bytes);
            }
            CallHook::CallingWasm | CallHook::ReturningFromWasm => {}
        }
        Ok(())
    }

    /// Host memory of the call that counts, in bytes.
    fn host_memory(&mut self) -> u64 {
        let in_wasi = self.wasi.as_mut().map_or(0, |wasi| {
            wasi.memory.count_handles(&mut wasi.table);
            wasi.memory.bytes()
        });
        let changes = self.changes.as_ref().map_or(0, |changes| changes.kept_bytes());
        in_wasi.saturating_add(changes).saturating_sub(FREE_HOST_BYTES)
    }

    /// Checks the call's host memory after a host call. A call beyond its plugin's memory, or beyond the host memory of any one call,
    /// ends there. A call that needs host memory that other calls hold is put back.
    fn check_host_memory(&mut self, bytes: u64) -> wasmtime::Result<()> {
        let before = self.memory.of_the_host();
        if bytes == before {
            return Ok(());
        }
        let fits = self.memory.set_host(bytes);
        let guest = self.memory.of_the_guest();
        self.context.usage.record_memory(guest, bytes);
        if !fits {
            return Err(LimitExceeded::Memory { limit: self.context.plugin.limits.memory, guest, host: bytes }.into());
        }
        let most = self.context.plugin.max_host_memory();
        if bytes > most {
            return Err(LimitExceeded::HostMemory { limit: most, host: bytes }.into());
        }
        if bytes > before && bytes > self.context.plugin.host.free_memory.host {
            let context = &self.context;
            let charge = self.host_memory_charge.get_or_insert_with(|| HostMemoryCharge::new(context));
            if !charge.grow(bytes) {
                context.usage.record_wanted_host_memory(bytes);
                return Err(HostMemoryUsedUp.into());
            }
        }
        Ok(())
    }

    /// The body bytes that the call may still send, and the account of waiting ones. Made together with the rest of HTTP.
    #[cfg(feature = "http")]
    pub(crate) fn upload(&mut self) -> (Arc<Allowance>, Arc<TaskMemory>) {
        let hooks = &self.outgoing().hooks;
        (Arc::clone(&hooks.allowance), Arc::clone(&hooks.task_memory))
    }

    /// Begins a request that holds `bytes`.
    #[cfg(feature = "http")]
    pub(crate) fn begin_exchange(&mut self, bytes: u64) {
        self.outgoing().hooks.request_bytes = bytes;
    }

    /// Notes an error for the plugin's log, once a call.
    #[cfg(feature = "http")]
    pub(crate) fn note_request_error(&mut self, what: &str) {
        self.outgoing().hooks.request_errors.note(&what);
    }

    #[cfg(feature = "http")]
    fn outgoing(&mut self) -> &mut Outgoing<Self> {
        let Self { context, session, wasi, outgoing, transcript, .. } = self;
        let wasi = wasi.get_or_insert_with(|| Box::new(Wasi::new(context, session, transcript.as_ref())));
        outgoing.get_or_insert_with(|| Box::new(Outgoing::new(context, session, wasi.memory.task_memory())))
    }

    #[cfg(feature = "http")]
    pub(crate) fn counted_http(&mut self) -> CountedHttp<'_> {
        let Self { context, session, wasi, outgoing, transcript, .. } = self;
        let Wasi { table, memory, .. } =
            &mut **wasi.get_or_insert_with(|| Box::new(Wasi::new(context, session, transcript.as_ref())));
        let Outgoing { ctx, hooks } =
            &mut **outgoing.get_or_insert_with(|| Box::new(Outgoing::new(context, session, memory.task_memory())));
        CountedHttp { view: WasiHttpCtxView { hooks, table, ctx }, memory }
    }

    /// The handles of the guest, for a call that may wait.
    pub(crate) fn table_for(&mut self, call: HostCall) -> &mut ResourceTable {
        self.context.meter.in_host_call(call);
        &mut self.wasi().table
    }

    fn wasi(&mut self) -> &mut Wasi {
        let Self { context, session, wasi, transcript, .. } = self;
        wasi.get_or_insert_with(|| Box::new(Wasi::new(context, session, transcript.as_ref())))
    }

    /// The guest's changes of key-value storage, and its handles.
    pub(crate) fn key_values(&mut self) -> (&mut Changes, &mut ResourceTable) {
        let Self { context, session, wasi, changes, transcript, .. } = self;
        let wasi = wasi.get_or_insert_with(|| Box::new(Wasi::new(context, session, transcript.as_ref())));
        let changes = changes.get_or_insert_with(|| {
            let plugin = &context.plugin;
            let quota = plugin.grants.key_value.map_or(0, |grant| grant.quota);
            let tenant = Arc::clone(&session.identity.tenant);
            let store = context.key_values.clone();
            let store =
                store.map(|store| Arc::new(TimedKeyValues::new(store, Arc::clone(context))) as Arc<dyn KeyValues>);
            Box::new(Changes::new(store, tenant, plugin.name.clone(), quota, &plugin.limits))
        });
        (&mut **changes, &mut wasi.table)
    }
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi();
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

#[cfg(feature = "http")]
impl WasiHttpView for GuestState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.counted_http().view
    }
}

impl Wasi {
    /// Clocks, random numbers, the log, and the transcript if it was copied. Environment, arguments and sockets are empty.
    fn new(context: &CallContext<GuestState>, session: &Arc<Session>, transcript: Option<&CallTranscript>) -> Self {
        let plugin = &context.plugin;
        let log = GuestLog::new(plugin.name.clone(), Arc::clone(session), plugin.limits.log_bytes);
        let log = Arc::new(Mutex::new(log));
        let random_bytes = Arc::default();
        let mut ctx = WasiCtx::builder();
        ctx.stdout(LogStream { log: Arc::clone(&log), stream: Stream::Stdout })
            .stderr(LogStream { log, stream: Stream::Stderr })
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .allow_blocking_current_thread(false)
            .secure_random(CountedRng::new(&random_bytes))
            .insecure_random(CountedRng::new(&random_bytes))
            .max_random_size(MAX_RANDOM_BYTES);
        let (mut handles, mut transcript_lacked) = (plugin.limits.handles, None);
        if let Some(copy) = transcript {
            transcript_lacked = transcript::show(copy, session, &mut ctx);
            handles = handles.min(MAX_HANDLES_WITH_FILES);
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles as usize);
        let memory = HostMemory::new(transcript.is_some());
        Self { ctx: ctx.build(), table, random_bytes, memory, transcript_lacked }
    }
}
