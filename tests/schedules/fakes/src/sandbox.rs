//! Plugins without WebAssembly: a call is a future that the test has made. There is as much of the sandbox here as the
//! runtime asks for, under the same names, so that these tests need no wasmtime and are built in a minute.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use lastword_events::{Hook, HookCall, Outcome, PluginKey, PluginName};

pub use lastword_events::{Change, KeyValueError, KeyValueUsage, KeyValues};
pub use lastword_memory::{GivesWay, MemoryAccount, MemoryPart, Reservation};

/// What the sandbox does not let a guest exceed.
pub mod limits {
    use std::time::Duration;

    /// After so long a guest yields.
    pub const TICK: Duration = Duration::from_millis(1);
}

/// What a plugin does when it is called.
pub type Guest = Arc<dyn Fn(&Plugin, HookCall, Memory) -> Answer + Send + Sync>;

/// What is reserved for a call when it begins. Of `std`: looking at it is no step of a schedule.
pub type Memory = Arc<Mutex<Option<Reservation>>>;

/// A call's way to its end.
pub type Answer = Pin<Box<dyn Future<Output = CallReport> + Send>>;

/// Calls plugins.
#[derive(Clone)]
pub struct Sandbox {
    guest: Guest,
    slots: u32,
}

/// Nothing can be said of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SandboxConfig {}

/// What decided how many slots there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlotsBound {
    /// The script.
    #[default]
    Configured,
}

/// What a sandbox has.
#[derive(Clone, Copy, Debug)]
pub struct Allocation {
    /// Calls that may be under way at once.
    pub slots: u32,
    /// Why they are not more.
    pub bound: SlotsBound,
}

/// There is nothing that could fail.
pub type SandboxError = Infallible;

impl Sandbox {
    /// One whose plugins deliver at once.
    ///
    /// # Errors
    /// None.
    pub fn new(_: SandboxConfig) -> Result<Self, SandboxError> {
        let guest: Guest = Arc::new(|_, _, _| Box::pin(std::future::ready(CallReport::new(Outcome::Delivered))));
        Ok(Self::scripted(1, guest))
    }

    /// One whose plugins do this, `slots` calls at once.
    pub fn scripted(slots: u32, guest: Guest) -> Self {
        Self { guest, slots }
    }

    /// Begins a call. Nobody but the guest says how long it takes.
    pub fn call(&self, plugin: &Plugin, call: HookCall, _deadline: Duration) -> Call {
        let memory = Memory::default();
        Call { answer: (self.guest)(plugin, call, memory.clone()), memory }
    }

    /// Calls that may be under way at once.
    #[must_use]
    pub fn max_concurrent_calls(&self) -> u32 {
        self.slots
    }

    /// Scripted guests send no requests.
    pub fn close_idle_connections(&self) {}

    /// Its slots.
    #[must_use]
    pub fn allocation(&self) -> Allocation {
        Allocation { slots: self.slots, bound: SlotsBound::Configured }
    }

    /// A scripted call needs nothing of its thread.
    pub fn prepare_thread(&self) {}
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("slots", &self.slots).finish_non_exhaustive()
    }
}

/// A call that is under way.
pub struct Call {
    answer: Answer,
    memory: Memory,
}

impl Call {
    /// Scripted guests store nothing.
    #[must_use]
    pub fn with_key_values(self, _store: Arc<dyn KeyValues>) -> Self {
        self
    }

    /// What was reserved for it.
    #[must_use]
    pub fn with_memory(self, reservation: Reservation) -> Self {
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = Some(reservation);
        self
    }

    /// Scripted guests do not ask for the time.
    pub fn cut_at(&self, _at: Instant) {}
}

impl Future for Call {
    type Output = CallReport;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallReport> {
        self.answer.as_mut().poll(cx)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

/// A plugin that is a name and a set of hooks.
#[derive(Clone, Debug)]
pub struct Plugin {
    name: PluginName,
    hooks: Hooks,
    limits: Limits,
    memory: Arc<MemoryPart>,
    least_memory: u64,
}

/// What one call may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// It is not looked at: a scripted call ends when its script does.
    pub deadline: Duration,
}

impl Plugin {
    /// One with the hook `session-end`, or with every hook.
    #[must_use]
    pub fn scripted(name: PluginName, every_hook: bool) -> Self {
        let (hooks, limits) = (Hooks { every: every_hook }, Limits { deadline: Duration::from_millis(500) });
        Self { name, hooks, limits, memory: MemoryAccount::new(0, 0).part(0), least_memory: 0 }
    }

    /// With memory that its calls share, each of which has so much from the start.
    #[must_use]
    pub fn with_memory(self, memory: Arc<MemoryPart>, least_memory: u64) -> Self {
        Self { memory, least_memory, ..self }
    }

    /// What its calls have together.
    #[must_use]
    pub fn memory(&self) -> &Arc<MemoryPart> {
        &self.memory
    }

    /// Bytes that each of its calls has from the start.
    #[must_use]
    pub fn least_memory(&self) -> u64 {
        self.least_memory.min(self.memory.most())
    }

    /// As the operator calls it.
    #[must_use]
    pub fn name(&self) -> &PluginName {
        &self.name
    }

    /// What it is known by where it is installed: none is scoped.
    #[must_use]
    pub fn key(&self) -> PluginKey {
        PluginKey::from(&self.name)
    }

    /// The hooks that it has.
    #[must_use]
    pub fn hooks(&self) -> Hooks {
        self.hooks
    }

    /// What one call of it may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The host keeps nothing for it.
    #[must_use]
    pub fn has_host_memory_for(&self, _bytes: u64) -> bool {
        true
    }

    /// It was granted nothing.
    #[must_use]
    pub fn key_value_quota(&self) -> Option<u64> {
        None
    }
}

/// A set of hooks.
#[derive(Clone, Copy, Debug)]
pub struct Hooks {
    every: bool,
}

impl Hooks {
    /// Whether `hook` is one of them.
    #[must_use]
    pub fn contains(self, hook: Hook) -> bool {
        self.every || hook == Hook::SessionEnd
    }
}

/// How a call went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sandbox's own says it")]
pub struct CallReport {
    pub outcome: Outcome,
    pub fuel_used: u64,
    pub wall: Duration,
    pub active: Duration,
    pub counted_memory: u64,
    pub wanted_host_memory: u64,
    pub changes: Vec<(String, Change)>,
}

impl CallReport {
    /// One that used nothing.
    #[must_use]
    pub fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            fuel_used: 0,
            wall: Duration::ZERO,
            active: Duration::ZERO,
            counted_memory: 0,
            wanted_host_memory: 0,
            changes: Vec::new(),
        }
    }
}
