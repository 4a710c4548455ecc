//! A runtime with plugins in it, as an embedder has it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lastword::events::{CompactionPhase, DrainReason, DrainReport, EndReason, Hook, Session};
use lastword::limits::MAX_DRAIN_RESERVE;
use lastword::testing::ManualClock;
use lastword::{
    Acceptance, Accepted, CompactionRequest, EndRequest, Refusal, Runtime, Sandbox, SandboxConfig, StartRequest,
};

use crate::guest_output::printed;
use crate::outcomes::Outcomes;
use crate::{HarnessBuilder, ObservedOutcome};

/// How long a test waits for an outcome. Much longer than anything takes: it says nothing of how long it should take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls at once, on every machine: tests fill all slots with some hundred guests.
const SLOTS: u32 = 256;

/// A runtime with plugins, and the outcomes that it told of. Each harness has a tenant of its own.
pub struct Harness {
    /// The runtime.
    pub runtime: Runtime,
    /// The tenant whose sessions these are.
    pub tenant: String,
    outcomes: Arc<Outcomes>,
}

impl Harness {
    pub(crate) fn new(runtime: Runtime, tenant: String, outcomes: Arc<Outcomes>) -> Self {
        Self { runtime, tenant, outcomes }
    }

    /// Begins to build a harness.
    pub fn builder() -> HarnessBuilder {
        HarnessBuilder::new(Self::sandbox())
    }

    /// Begins to build a harness with a sandbox of its own, whose calls have so many bytes together.
    pub fn builder_with_memory(total_memory: u64) -> HarnessBuilder {
        let config = SandboxConfig { total_memory, max_concurrent_calls: Some(SLOTS), ..SandboxConfig::default() };
        HarnessBuilder::new(Sandbox::new(config).unwrap())
    }

    /// A harness with these guests, each as a plugin of its own name.
    #[must_use]
    pub fn with(guests: &[&str]) -> Self {
        guests.iter().fold(Self::builder(), |builder, guest| builder.plugin(guest, guest)).build()
    }

    /// The sandbox that all harnesses of the process share: compiling a guest once is enough, and an engine is meant to be one
    /// for the process.
    #[must_use]
    pub fn sandbox() -> Sandbox {
        static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
        let config = || SandboxConfig { max_concurrent_calls: Some(SLOTS), ..SandboxConfig::default() };
        SANDBOX.get_or_init(|| Sandbox::new(config()).unwrap()).clone()
    }

    /// A session of this harness's tenant.
    #[must_use]
    pub fn session(&self, id: &str) -> Session {
        Session::new(&self.tenant, id)
    }

    /// Starts a session of the harness's tenant.
    ///
    /// # Errors
    /// As [`Runtime::start_session`].
    pub async fn start(&self, id: &str) -> Result<Accepted, Refusal> {
        self.runtime.start_session(StartRequest::new(self.session(id))).await
    }

    /// Starts a session of another tenant.
    ///
    /// # Errors
    /// As [`Runtime::start_session`].
    pub async fn start_for(&self, tenant: &str, id: &str) -> Result<Accepted, Refusal> {
        self.runtime.start_session(StartRequest::new(Session::new(tenant, id))).await
    }

    /// Ends a session of another tenant, for a reset.
    ///
    /// # Errors
    /// As [`Runtime::end_session`].
    pub async fn end_for(&self, tenant: &str, id: &str) -> Result<Accepted, Refusal> {
        self.runtime.end_session(EndRequest::new(Session::new(tenant, id), EndReason::Reset)).await
    }

    /// Ends a session of the harness's tenant.
    ///
    /// # Errors
    /// As [`Runtime::end_session`].
    pub async fn end(&self, id: &str, reason: EndReason) -> Result<Accepted, Refusal> {
        self.runtime.end_session(EndRequest::new(self.session(id), reason)).await
    }

    /// Says that a session of the harness's tenant is compacted.
    ///
    /// # Errors
    /// As [`Runtime::compaction`].
    pub async fn compaction(&self, id: &str, phase: CompactionPhase) -> Result<Accepted, Refusal> {
        self.runtime.compaction(CompactionRequest::new(self.session(id), phase)).await
    }

    /// Starts `count` sessions called `<prefix>0`, `<prefix>1`, …
    ///
    /// # Errors
    /// When one is refused.
    pub async fn start_many(&self, prefix: &str, count: u32) -> Result<(), Refusal> {
        for n in 0..count {
            let accepted = self.start(&format!("{prefix}{n}")).await?;
            debug_assert_eq!(accepted.how, Acceptance::Registered);
        }
        Ok(())
    }

    /// Drains for a shutdown.
    pub async fn drain(&self) -> DrainReport {
        self.runtime.drain(DrainReason::Shutdown).await
    }

    /// Drains for a shutdown with this budget, which ends once `is_enough` holds for the outcomes so far: what has not come to its end by
    /// then is cut. Not a moment of it is waited for. The runtime has this clock.
    pub async fn drain_until(
        &self,
        clock: &ManualClock,
        budget: Duration,
        is_enough: impl Fn(&[ObservedOutcome]) -> bool,
    ) -> DrainReport {
        // It begins here.
        let drain = self.runtime.drain(DrainReason::Shutdown);
        self.outcomes.until(is_enough).await;
        // No guest runs after this. What remains of the budget is for the account.
        clock.advance(budget - MAX_DRAIN_RESERVE.min(budget / 4));
        drain.await
    }

    /// Every outcome so far, in order.
    #[must_use]
    pub fn outcomes(&self) -> Vec<ObservedOutcome> {
        self.outcomes.all()
    }

    /// Outcomes of one plugin's hook, in order.
    #[must_use]
    pub fn outcomes_of(&self, plugin: &str, hook: Hook) -> Vec<ObservedOutcome> {
        self.outcomes().into_iter().filter(|seen| seen.plugin == plugin && seen.hook == hook).collect()
    }

    /// What guests of `plugin` printed.
    #[must_use]
    pub fn printed(&self, plugin: &str) -> Vec<String> {
        printed(plugin, &self.tenant)
    }

    /// Resolves when an outcome is seen for which `is_it` holds; gives up after 10 s.
    pub async fn first_outcome(&self, is_it: impl Fn(&ObservedOutcome) -> bool) -> Option<ObservedOutcome> {
        tokio::time::timeout(PATIENCE, self.outcomes.first(is_it)).await.ok()
    }
}
