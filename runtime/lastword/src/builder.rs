//! Builds a runtime.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lastword_events::PluginName;
use lastword_journal::{Journal, JournalError, MemoryJournal};
use thiserror::Error;

use crate::core::{Core, Settings};
use crate::dispatch::Dispatcher;
use crate::installed::{Installed, InstalledPlugins};
use crate::limits::{DEFAULT_BREAKER_THRESHOLD, DEFAULT_DRAIN_BUDGET, LONGEST_RETRY, MAX_DRAIN_BUDGET};
use crate::outcome::{Observer, OutcomeRecord};
use crate::quota::{Quotas, TenantQuota};
use crate::recovery::recover;
use crate::retry::RetryPolicy;
use crate::runtime::Runtime;
use crate::sandbox::{Plugin, Sandbox, SandboxConfig, SandboxError};
use crate::sync::{Handle, thread};
use crate::tenants::Tenants;
use crate::worker::Worker;

/// Builds a [`Runtime`].
#[must_use]
pub struct Builder {
    sandbox: Option<Sandbox>,
    journal: Option<Arc<dyn Journal>>,
    installed: Vec<Installed>,
    budget: Duration,
    workers: Option<NonZeroUsize>,
    breaker_threshold: u32,
    retry: RetryPolicy,
    quotas: Quotas,
    attach_grace: Duration,
    observer: Option<Observer>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            sandbox: None,
            journal: None,
            installed: Vec::new(),
            budget: DEFAULT_DRAIN_BUDGET,
            workers: None,
            breaker_threshold: DEFAULT_BREAKER_THRESHOLD,
            retry: RetryPolicy::default(),
            quotas: Quotas::default(),
            attach_grace: Duration::ZERO,
            observer: None,
        }
    }
}

/// A runtime that could not be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two plugins have one name, and a delivery id would not say whose it is.
    #[error("two plugins are called {0}: give one of them another name")]
    SamePluginName(PluginName),
    /// There is no sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It has to be built inside a tokio runtime.
    #[error("build the runtime inside a tokio runtime with time enabled: {0}")]
    NoTokio(#[from] tokio::runtime::TryCurrentError),
    /// The operating system gave no thread.
    #[error("a worker thread could not be started: {0}")]
    Worker(std::io::Error),
}

impl Builder {
    /// The sandbox that the plugins were loaded into. Needed as soon as there is a plugin.
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.sandbox = Some(sandbox);
        self
    }

    /// Where sessions and deliveries are written down. Default: a [`MemoryJournal`].
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Installs a plugin for these tenants.
    pub fn plugin(mut self, plugin: Plugin, tenants: Tenants) -> Self {
        self.installed.push(Installed { plugin, tenants });
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

    /// Deadlines and traps in a row after which a drain calls a plugin no more, per tenant. Default:
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

    /// How long owners may resume sessions that a dead run left, by starting them again. The others then end as `crashed`.
    /// Default: none, they end at once. A crash within that time leaves them to the next run. A session whose end the plugins may
    /// have been told of already, because a dead run was draining or had no grace, is ended at once in any case.
    pub fn attach_grace(mut self, grace: Duration) -> Self {
        self.attach_grace = grace;
        self
    }

    /// What every tenant may use that has no quota of its own. Default: no limit.
    pub fn quota(mut self, default: TenantQuota) -> Self {
        self.quotas.default = default;
        self
    }

    /// What one tenant may use, in place of the default.
    pub fn tenant_quota(mut self, tenant: &str, quota: TenantQuota) -> Self {
        self.quotas.by_tenant.insert(tenant.into(), quota);
        self
    }

    /// Sets the observer. It is told how every attempt ended, and once of each delivery that has to wait for a quota or whose call was
    /// put back, on a worker's thread: it must return at once. To do more, send what you need to a bounded channel, and do
    /// not wait when it is full.
    pub fn on_outcome(mut self, observer: impl Fn(&OutcomeRecord<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Reads the journal, starts the workers, and sends out what a dead run left.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(self) -> Result<Runtime, BuildError> {
        let handle = Handle::try_current()?;
        for (at, one) in self.installed.iter().enumerate() {
            if self.installed.iter().take(at).any(|other| other.plugin.name() == one.plugin.name()) {
                return Err(BuildError::SamePluginName(one.plugin.name().clone()));
            }
        }
        let sandbox = match self.sandbox {
            Some(sandbox) => sandbox,
            None => Sandbox::new(SandboxConfig::default())?,
        };
        let journal = self.journal.unwrap_or_else(|| Arc::new(MemoryJournal::new()));
        let recovered = journal.recover()?;
        let slots = sandbox.max_concurrent_calls();
        let workers = self.workers.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        let quotas = Arc::new(self.quotas);
        let dispatcher = Dispatcher::new(
            InstalledPlugins::new(self.installed),
            (slots, u32::try_from(workers.get()).unwrap_or(u32::MAX)),
            self.breaker_threshold,
            quotas.clone(),
        );
        let settings = Settings { retry: self.retry, budget: self.budget, quotas, observer: self.observer };
        let core = Arc::new(Core::new(sandbox, journal, handle, dispatcher, settings));
        let counts = recover(&core, recovered, self.attach_grace);
        let runtime = Runtime::new(core.clone(), counts);
        start_workers(&core, workers)?;
        Ok(runtime)
    }
}

fn start_workers(core: &Arc<Core>, workers: NonZeroUsize) -> Result<(), BuildError> {
    for number in 0..workers.get() {
        let core = core.clone();
        thread::Builder::new()
            .name(format!("lastword-{number}"))
            .spawn(move || Worker::run(core))
            .map_err(BuildError::Worker)?;
    }
    Ok(())
}
