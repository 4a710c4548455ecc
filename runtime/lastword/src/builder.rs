//! Builds a runtime.

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use lastword_events::PluginKey;
use lastword_journal::{Journal, JournalError, MemoryJournal};
use thiserror::Error;

use crate::clock::Clock;
use crate::core::{Core, Settings};
use crate::dispatch::Dispatcher;
use crate::installed::{Conflict, InstalledPlugins};
use crate::limits::{DEFAULT_BREAKER_THRESHOLD, DEFAULT_DRAIN_BUDGET, LONGEST_RETRY, MAX_DRAIN_BUDGET};
use crate::observer::{Observer, OnOutcome, OutcomeRecord};
use crate::observers::Observers;
use crate::quota::{Quotas, TenantQuota};
use crate::recovery::recover;
use crate::retry::RetryPolicy;
use crate::runtime::Runtime;
use crate::sandbox::{Plugin, Sandbox, SandboxConfig, SandboxError};
use crate::sync::Handle;
use crate::tenants::Tenants;
use crate::time::Time;
use crate::worker::Worker;

/// Builds a [`Runtime`].
#[must_use]
pub struct Builder {
    sandbox: Option<Sandbox>,
    journal: Option<Arc<dyn Journal>>,
    installed: Vec<(Plugin, Tenants)>,
    budget: Duration,
    workers: Option<NonZeroUsize>,
    slots: Option<NonZeroU32>,
    breaker_threshold: u32,
    retry: RetryPolicy,
    default_quota: TenantQuota,
    tenant_quotas: HashMap<Arc<str>, TenantQuota>,
    attach_grace: Duration,
    observers: Vec<Box<dyn Observer>>,
    clock: Option<Arc<dyn Clock>>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            sandbox: None,
            journal: None,
            installed: Vec::new(),
            budget: DEFAULT_DRAIN_BUDGET,
            workers: None,
            slots: None,
            breaker_threshold: DEFAULT_BREAKER_THRESHOLD,
            retry: RetryPolicy::default(),
            default_quota: TenantQuota::default(),
            tenant_quotas: HashMap::new(),
            attach_grace: Duration::ZERO,
            observers: Vec::new(),
            clock: None,
        }
    }
}

/// A runtime that could not be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A tenant would have two plugins of this name, so that a delivery id would not say which of them is meant. Two plugins without a
    /// scope cannot have the same name in any case.
    #[error("two plugins are called {0}: give one of them another name")]
    SamePluginName(PluginKey),
    /// A scoped plugin was to be installed for other tenants than its own.
    #[error("the plugin {0} serves its own tenant only: install it for that one, or without a scope")]
    OtherTenants(PluginKey),
    /// The sandbox could not be made.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The runtime was not built inside a tokio runtime.
    #[error("build the runtime inside a tokio runtime with time enabled: {0}")]
    NoTokio(#[from] tokio::runtime::TryCurrentError),
    /// The operating system gave no thread.
    #[error("a thread of the runtime could not be started: {0}")]
    Worker(std::io::Error),
}

impl From<Conflict> for BuildError {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::SamePluginName(key) => Self::SamePluginName(key),
            Conflict::OtherTenants(key) => Self::OtherTenants(key),
        }
    }
}

impl Builder {
    /// The sandbox that the plugins were loaded into. Needed as soon as there is a plugin.
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.sandbox = Some(sandbox);
        self
    }

    /// The journal that sessions and deliveries are written to. Default: a [`MemoryJournal`].
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Installs a plugin for these tenants. A scoped plugin (`Plugin::scoped`) serves its own tenant. [`Runtime::install`] installs one
    /// later.
    pub fn plugin(mut self, plugin: Plugin, tenants: Tenants) -> Self {
        self.installed.push((plugin, tenants));
        self
    }

    /// The wall-clock time of a drain. Default: [`DEFAULT_DRAIN_BUDGET`]; at most [`MAX_DRAIN_BUDGET`].
    pub fn drain_budget(mut self, budget: Duration) -> Self {
        self.budget = budget.min(MAX_DRAIN_BUDGET);
        self
    }

    /// Threads that run guests. Default: as many as the machine runs at once.
    pub fn workers(mut self, workers: NonZeroUsize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// The most calls of this runtime that can be under way at once. Default: as many as the sandbox has room for
    /// (`Sandbox::max_concurrent_calls`), and never more. Runtimes that share a sandbox must not have more together than it has: give each
    /// its part. [`Runtime::set_slots`] changes it later.
    pub fn slots(mut self, slots: NonZeroU32) -> Self {
        self.slots = Some(slots);
        self
    }

    /// Deadlines and traps in a row after which a drain calls a plugin no more for a tenant. Default:
    /// [`DEFAULT_BREAKER_THRESHOLD`].
    pub fn breaker_threshold(mut self, threshold: u32) -> Self {
        self.breaker_threshold = threshold.max(1);
        self
    }

    /// When failed deliveries are tried again and given up. No pause is longer than [`LONGEST_RETRY`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = RetryPolicy { max: policy.max.min(LONGEST_RETRY), ..policy };
        self
    }

    /// How long owners may resume sessions that a dead run left, by starting them again. Sessions that were not resumed by then end as
    /// `crashed`. Default: no time, so all of them end at once. A crash within this time leaves them to the next run. A session whose end
    /// plugins may have been called with already, because a dead run was draining or had no grace, is ended at once in any case.
    pub fn attach_grace(mut self, grace: Duration) -> Self {
        self.attach_grace = grace;
        self
    }

    /// The quota of every tenant that has none of its own. Default: no limit.
    pub fn quota(mut self, default: TenantQuota) -> Self {
        self.default_quota = default;
        self
    }

    /// The quota of one tenant, in place of the default. [`Runtime::set_quota`] changes it later.
    pub fn tenant_quota(mut self, tenant: &str, quota: TenantQuota) -> Self {
        self.tenant_quotas.insert(tenant.into(), quota);
        self
    }

    /// The clock that the runtime takes its time from, for tests. Default: the machine's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Adds an observer of calls, outcomes, records and refusals. There may be several.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Adds an observer of outcomes alone, see [`Observer::outcome`]. The function is called on a worker's thread and must return at once.
    pub fn on_outcome(self, observer: impl Fn(&OutcomeRecord<'_>) + Send + Sync + 'static) -> Self {
        self.observer(OnOutcome(observer))
    }

    /// Reads the journal, starts the workers, and sends out what a dead run left.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(self) -> Result<Runtime, BuildError> {
        let handle = Handle::try_current()?;
        let installed = InstalledPlugins::new(self.installed)?;
        let sandbox = match self.sandbox {
            Some(sandbox) => sandbox,
            None => Sandbox::new(SandboxConfig::default())?,
        };
        let journal = self.journal.unwrap_or_else(|| Arc::new(MemoryJournal::new()));
        let recovered = journal.recover()?;
        let room = sandbox.max_concurrent_calls();
        let slots = self.slots.map_or(room, |slots| slots.get().min(room));
        let workers = self.workers.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        let quotas = Arc::new(Quotas::new(self.default_quota, self.tenant_quotas));
        let time = match self.clock {
            Some(clock) => Time::Injected(clock),
            None => Time::of_machine().map_err(BuildError::Worker)?,
        };
        let dispatcher = Dispatcher::new(
            installed,
            (slots, u32::try_from(workers.get()).unwrap_or(u32::MAX)),
            self.breaker_threshold,
            quotas.clone(),
            time.clone(),
        );
        let observers = Observers::new(self.observers);
        if !observers.is_empty() {
            journal.observe_commits(Arc::new(observers.commit_observer()));
        }
        let settings = Settings { retry: self.retry, budget: self.budget, quotas, observers, time };
        let core = Arc::new(Core::new(sandbox, journal, handle, dispatcher, settings));
        let counts = recover(&core, recovered, self.attach_grace);
        let runtime = Runtime::new(core.clone(), counts);
        let worker = || {
            let core = core.clone();
            move || Worker::run(core)
        };
        core.workers().start(workers, worker).map_err(BuildError::Worker)?;
        Ok(runtime)
    }
}
