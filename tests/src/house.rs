use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lastword::events::{
    CompactionPhase, Delivery, DeliveryId, DrainReason, DrainReport, EndReason, Event, Hook, HookCall, Outcome,
    PluginName, Session, SessionEnd, Timestamp,
};
use lastword::{
    Acceptance, Accepted, Builder, CompactionRequest, EndRequest, Grants, Journal, Limits, Refusal, RetryPolicy,
    Runtime, Sandbox, SandboxConfig, Source, StartRequest, TenantQuota, Tenants,
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::machine;
use crate::printed::{listen, printed};

/// A runtime with plugins, and what it said of every outcome. Each house has a tenant of its own.
pub struct House {
    /// The runtime.
    pub runtime: Runtime,
    /// The tenant whose sessions these are.
    pub tenant: String,
    outcomes: Arc<Outcomes>,
}

#[derive(Default)]
struct Outcomes {
    seen: Mutex<Vec<Seen>>,
    more: Notify,
}

/// An outcome as an embedder is told of it.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "as in OutcomeRecord")]
pub struct Seen {
    pub id: DeliveryId,
    pub plugin: String,
    pub tenant: String,
    pub hook: Hook,
    pub session: String,
    pub generation: u32,
    pub reason: Option<EndReason>,
    pub attempt: u32,
    pub failures: u32,
    pub late: bool,
    pub outcome: Outcome,
    pub retry_at: Option<Timestamp>,
    pub dead: bool,
    pub draining: bool,
    pub fuel: Option<u64>,
    pub wall: Option<Duration>,
}

/// Builds a [`House`].
#[must_use]
pub struct HouseBuilder {
    builder: Builder,
    sandbox: Sandbox,
    tenant: String,
}

/// Compiling the same guest once is enough, and an engine is meant to be one for the process.
fn sandbox() -> Sandbox {
    static SANDBOX: std::sync::OnceLock<Sandbox> = std::sync::OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(SandboxConfig::default()).unwrap_or_else(|e| die(&e))).clone()
}

/// A guest whose `session-end` costs about `cpu` on this machine, however many others use it, and then answers ok.
pub async fn burn(cpu: Duration) -> Vec<u8> {
    const SAMPLE: u64 = 20_000_000;
    let name = PluginName::new("burn").unwrap_or_else(|e| die(&e));
    let sample = Source::Bytes(lastword_test_guests::burn(SAMPLE));
    // The clock on the wall has no part in it.
    let limits = Limits { deadline: Duration::from_secs(60), ..Limits::default() };
    let plugin = sandbox().load(name.clone(), &sample, limits).unwrap_or_else(|e| die(&e));
    let id = "abcdefgh.1/session-end/burn".parse().unwrap_or_else(|e| die(&e));
    let call = HookCall {
        session: Arc::new(Session::new("t", "s")),
        delivery: Delivery { id, attempt: 1, remaining_ms: 500, late: false },
        event: Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now()))),
    };
    // Not by the clock on the wall: others may have the processor meanwhile.
    let before = machine::cpu_used();
    let sampled = sandbox().call(&plugin, call, limits.deadline).await;
    let cost = machine::cpu_used() - before;
    assert!(sampled.outcome == Outcome::Delivered, "{:?}", sampled.outcome);
    let iterations = f64::from(u32::try_from(SAMPLE).unwrap_or(u32::MAX)) * cpu.as_secs_f64() / cost.as_secs_f64();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred millions")]
    lastword_test_guests::burn((iterations as u64).max(1))
}

#[expect(clippy::panic, reason = "a test without its house has failed")]
fn die(error: &dyn std::fmt::Display) -> ! {
    panic!("the test's house cannot be built: {error}")
}

impl House {
    /// Begins to build a house.
    pub fn builder() -> HouseBuilder {
        Self::builder_with(sandbox())
    }

    /// The same with a sandbox of its own, whose calls have so many bytes together.
    pub fn builder_with_memory(total_memory: u64) -> HouseBuilder {
        let config = SandboxConfig { total_memory, ..SandboxConfig::default() };
        Self::builder_with(Sandbox::new(config).unwrap_or_else(|e| die(&e)))
    }

    fn builder_with(sandbox: Sandbox) -> HouseBuilder {
        static TENANTS: AtomicU32 = AtomicU32::new(1);
        listen();
        HouseBuilder {
            builder: Runtime::builder().sandbox(sandbox.clone()),
            sandbox,
            tenant: format!("tenant-{}", TENANTS.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// A house with these guests, each as a plugin of its own name.
    #[must_use]
    pub fn with(guests: &[&str]) -> Self {
        guests.iter().fold(Self::builder(), |builder, guest| builder.plugin(guest, guest)).build()
    }

    /// The sandbox that all houses of the process share.
    #[must_use]
    pub fn sandbox() -> Sandbox {
        sandbox()
    }

    /// A session of this house's tenant.
    #[must_use]
    pub fn session(&self, id: &str) -> Session {
        Session::new(&self.tenant, id)
    }

    /// # Errors
    /// As [`Runtime::start_session`].
    pub async fn start(&self, id: &str) -> Result<Accepted, Refusal> {
        self.runtime.start_session(StartRequest::new(self.session(id))).await
    }

    /// # Errors
    /// As [`Runtime::start_session`].
    pub async fn start_for(&self, tenant: &str, id: &str) -> Result<Accepted, Refusal> {
        self.runtime.start_session(StartRequest::new(Session::new(tenant, id))).await
    }

    /// # Errors
    /// As [`Runtime::end_session`].
    pub async fn end_for(&self, tenant: &str, id: &str) -> Result<Accepted, Refusal> {
        self.runtime.end_session(EndRequest::new(Session::new(tenant, id), EndReason::Reset)).await
    }

    /// # Errors
    /// As [`Runtime::end_session`].
    pub async fn end(&self, id: &str, reason: EndReason) -> Result<Accepted, Refusal> {
        self.runtime.end_session(EndRequest::new(self.session(id), reason)).await
    }

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

    /// Every outcome so far, in order.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Seen> {
        self.outcomes.seen.lock().clone()
    }

    /// Outcomes of one plugin's hook, in order.
    #[must_use]
    pub fn outcomes_of(&self, plugin: &str, hook: Hook) -> Vec<Seen> {
        self.outcomes().into_iter().filter(|seen| seen.plugin == plugin && seen.hook == hook).collect()
    }

    /// What guests of `plugin` printed.
    #[must_use]
    pub fn printed(&self, plugin: &str) -> Vec<String> {
        printed(plugin, &self.tenant)
    }

    /// Resolves when an outcome is seen for which `what` holds; gives up after 10 s.
    pub async fn seen(&self, what: impl Fn(&Seen) -> bool) -> Option<Seen> {
        let found = async {
            loop {
                let more = self.outcomes.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                if let Some(seen) = self.outcomes.seen.lock().iter().find(|seen| what(seen)) {
                    return seen.clone();
                }
                more.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), found).await.ok()
    }
}

impl HouseBuilder {
    /// Installs the test guest `guest` under `name`, for every tenant.
    pub fn plugin(self, name: &str, guest: &str) -> Self {
        self.component(name, lastword_test_guests::component(guest), Limits::default())
    }

    /// Installs the test guest `guest` under its own name, with this deadline.
    pub fn with_deadline(self, guest: &str, deadline: Duration) -> Self {
        let limits = Limits { deadline, ..Limits::default() };
        self.component(guest, lastword_test_guests::component(guest), limits)
    }

    /// Installs a component.
    pub fn component(mut self, name: &str, component: Vec<u8>, limits: Limits) -> Self {
        let name = PluginName::new(name).unwrap_or_else(|e| die(&e));
        let plugin = self.sandbox.load(name, &Source::Bytes(component), limits).unwrap_or_else(|e| die(&e));
        self.builder = self.builder.plugin(plugin, Tenants::Every);
        self
    }

    /// Installs a test guest for some tenants.
    pub fn plugin_for(self, name: &str, guest: &str, tenants: &[&str]) -> Self {
        self.component_for(name, lastword_test_guests::component(guest), Limits::default(), tenants)
    }

    /// Installs a component for some tenants.
    pub fn component_for(mut self, name: &str, component: Vec<u8>, limits: Limits, tenants: &[&str]) -> Self {
        let only = tenants.iter().map(|t| Arc::from(*t)).collect();
        let name = PluginName::new(name).unwrap_or_else(|e| die(&e));
        let plugin = self.sandbox.load(name, &Source::Bytes(component), limits).unwrap_or_else(|e| die(&e));
        self.builder = self.builder.plugin(plugin, Tenants::Only(only));
        self
    }

    /// The drain's budget.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.builder = self.builder.drain_budget(budget);
        self
    }

    /// The number of workers.
    pub fn workers(mut self, workers: usize) -> Self {
        self.builder = self.builder.workers(NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN));
        self
    }

    /// When failed deliveries are tried again.
    pub fn retry(mut self, first: Duration, max_failures: u32) -> Self {
        self.builder = self.builder.retry(RetryPolicy { first, max: first * 16, max_failures });
        self
    }

    /// How long owners have to come back for sessions that a dead run left.
    pub fn attach_grace(mut self, grace: Duration) -> Self {
        self.builder = self.builder.attach_grace(grace);
        self
    }

    /// The journal.
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.builder = self.builder.journal(journal);
        self
    }

    /// What every tenant may use.
    pub fn quota(mut self, quota: TenantQuota) -> Self {
        self.builder = self.builder.quota(quota);
        self
    }

    /// What this tenant may use.
    pub fn tenant_quota(mut self, tenant: &str, quota: TenantQuota) -> Self {
        self.builder = self.builder.tenant_quota(tenant, quota);
        self
    }

    /// Installs a component that is granted something.
    pub fn granted(self, name: &str, component: Vec<u8>, grants: Grants) -> Self {
        self.granted_to(name, component, grants, Tenants::Every)
    }

    /// The same for some tenants.
    pub fn granted_for(self, name: &str, component: Vec<u8>, grants: Grants, tenants: &[&str]) -> Self {
        self.granted_to(name, component, grants, Tenants::Only(tenants.iter().map(|t| Arc::from(*t)).collect()))
    }

    fn granted_to(mut self, name: &str, component: Vec<u8>, grants: Grants, tenants: Tenants) -> Self {
        let name = PluginName::new(name).unwrap_or_else(|e| die(&e));
        let source = Source::Bytes(component);
        let plugin = self.sandbox.load_with(name, &source, Limits::default(), grants).unwrap_or_else(|e| die(&e));
        self.builder = self.builder.plugin(plugin, tenants);
        self
    }

    /// Another house's tenant.
    pub fn tenant(mut self, tenant: &str) -> Self {
        tenant.clone_into(&mut self.tenant);
        self
    }

    /// Builds it.
    #[must_use]
    pub fn build(self) -> House {
        let outcomes = Arc::new(Outcomes::default());
        let to = outcomes.clone();
        let builder = self.builder.on_outcome(move |record| {
            to.seen.lock().push(Seen {
                id: record.id.clone(),
                plugin: record.id.plugin.to_string(),
                tenant: record.session.identity.tenant.to_string(),
                hook: record.id.event.hook(),
                session: record.session.identity.id.to_string(),
                generation: record.session.generation,
                reason: record.reason.cloned(),
                attempt: record.attempt,
                failures: record.failures,
                late: record.late,
                outcome: record.outcome.clone(),
                retry_at: record.retry_at,
                dead: record.dead,
                draining: record.draining,
                fuel: record.report.map(|report| report.fuel_used),
                wall: record.report.map(|report| report.wall),
            });
            to.more.notify_waiters();
        });
        House { runtime: builder.build().unwrap_or_else(|e| die(&e)), tenant: self.tenant, outcomes }
    }
}
