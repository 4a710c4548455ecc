//! Builds a [`Harness`].

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lastword::events::PluginName;
use lastword::{
    Builder, Clock, Grants, Journal, Limits, Observer, Plugin, RetryPolicy, Runtime, Sandbox, Source, TenantQuota,
    Tenants,
};

use crate::Harness;
use crate::guest_output::listen;
use crate::outcomes::Outcomes;

/// Builds a [`Harness`]. What is not said here is as in [`Runtime::builder`].
#[must_use]
pub struct HarnessBuilder {
    builder: Builder,
    sandbox: Sandbox,
    tenant: String,
}

impl HarnessBuilder {
    /// With a tenant of its own.
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        static TENANTS: AtomicU32 = AtomicU32::new(1);
        listen();
        Self {
            builder: Runtime::builder().sandbox(sandbox.clone()),
            sandbox,
            tenant: format!("tenant-{}", TENANTS.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Installs the test guest `guest` under `name`, for every tenant.
    pub fn plugin(self, name: &str, guest: &str) -> Self {
        self.component(name, lastword_test_guests::component(guest), Limits::default())
    }

    /// Installs the test guest `guest` under `name`, for these tenants.
    pub fn plugin_for(self, name: &str, guest: &str, tenants: &[&str]) -> Self {
        self.component_for(name, lastword_test_guests::component(guest), Limits::default(), tenants)
    }

    /// Installs the test guest `guest` under its own name, with this deadline.
    pub fn with_deadline(self, guest: &str, deadline: Duration) -> Self {
        let limits = Limits { deadline, ..Limits::default() };
        self.component(guest, lastword_test_guests::component(guest), limits)
    }

    /// Installs a component for every tenant.
    pub fn component(self, name: &str, component: Vec<u8>, limits: Limits) -> Self {
        self.install(name, component, limits, Grants::default(), Tenants::Every)
    }

    /// Installs a component for these tenants.
    pub fn component_for(self, name: &str, component: Vec<u8>, limits: Limits, tenants: &[&str]) -> Self {
        self.install(name, component, limits, Grants::default(), only(tenants))
    }

    /// Installs a component that is granted something, for every tenant.
    pub fn granted(self, name: &str, component: Vec<u8>, grants: Grants) -> Self {
        self.install(name, component, Limits::default(), grants, Tenants::Every)
    }

    /// Installs a component that is granted something, for these tenants.
    pub fn granted_for(self, name: &str, component: Vec<u8>, grants: Grants, tenants: &[&str]) -> Self {
        self.install(name, component, Limits::default(), grants, only(tenants))
    }

    fn install(mut self, name: &str, component: Vec<u8>, limits: Limits, grants: Grants, tenants: Tenants) -> Self {
        let name = PluginName::new(name).unwrap();
        let plugin = self.sandbox.load_with(name, &Source::Bytes(component), limits, grants).unwrap();
        self.builder = self.builder.plugin(plugin, tenants);
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

    /// The clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.builder = self.builder.clock(clock);
        self
    }

    /// One more observer, beside the one that keeps the outcomes.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.builder = self.builder.observer(observer);
        self
    }

    /// Installs a plugin that is there, for every tenant.
    pub fn loaded(mut self, plugin: Plugin) -> Self {
        self.builder = self.builder.plugin(plugin, Tenants::Every);
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

    /// The tenant of another harness, rather than one of its own.
    pub fn tenant(mut self, tenant: &str) -> Self {
        tenant.clone_into(&mut self.tenant);
        self
    }

    /// Builds it.
    #[must_use]
    pub fn build(self) -> Harness {
        let outcomes = Arc::new(Outcomes::default());
        let observer = outcomes.clone();
        let runtime = self.builder.on_outcome(move |record| observer.add(record)).build().unwrap();
        Harness::new(runtime, self.tenant, outcomes)
    }
}

fn only(tenants: &[&str]) -> Tenants {
    Tenants::Only(tenants.iter().map(|tenant| Arc::from(*tenant)).collect())
}
