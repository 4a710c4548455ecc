//! The state that all connections share.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use lastword::events::Timestamp;
use lastword::{Runtime, Sandbox};
use parking_lot::Mutex;

use crate::access::{FormTokens, Logins, RateLimit, TokenStore};
use crate::activity::Activity;
use crate::builder::ServerBuilder;
use crate::cluster::ClusterStatus;
use crate::controls::Controls;
use crate::findings::{self, Finding};
use crate::http::{Bodies, Connections, Hosts, OneAtATime, Readiness, TenantTurns, Unmade};
use crate::metrics::Scraped;
use crate::observer::{Health, OfTenant, PastDeath, ServerObserver};
use crate::owners::Owners;
use crate::requests::Inputs;
use crate::runtimes::Runtimes;
use crate::settings::ServerLimits;
use crate::status::{LastHook, OwnerCount, PluginStatus, Status, durability};

/// The state that all connections share.
pub(crate) struct Shared {
    pub(crate) runtime: Runtime,
    /// The same with those of adopted journals, for whatever is about one session.
    pub(crate) runtimes: Runtimes,
    pub(crate) observer: ServerObserver,
    pub(crate) owners: Arc<Owners>,
    pub(crate) inputs: Inputs,
    pub(crate) tokens: Arc<TokenStore>,
    pub(crate) logins: Logins,
    pub(crate) forms: FormTokens,
    pub(crate) hosts: Hosts,
    pub(crate) limits: ServerLimits,
    pub(crate) controls: Option<Arc<dyn Controls>>,
    pub(crate) connections: Connections,
    pub(crate) bodies: Bodies,
    pub(crate) rates: RateLimit,
    pub(crate) readiness: Readiness,
    /// The page's reads of the journal.
    pub(crate) page_lists: OneAtATime<Unmade>,
    /// The turns in which tenants read deliveries.
    pub(crate) delivery_reads: TenantTurns,
    pub(crate) leaves_when_idle: bool,
    /// Events that were taken.
    taken: AtomicU64,
    /// The addresses of the page.
    pages: Mutex<Vec<String>>,
    sandbox: Option<Sandbox>,
    began: Instant,
    /// The kinds of owners in the configuration.
    configured_kinds: Vec<String>,
}

impl Shared {
    /// Makes the state, and watches owners from now on.
    pub(crate) fn begin(builder: ServerBuilder) -> Arc<Self> {
        let ServerBuilder {
            runtime,
            observer,
            owners,
            inputs,
            tokens,
            hosts,
            limits,
            controls,
            cluster,
            owner_drains,
            sandbox,
            clock,
            leaves_when_idle,
        } = builder;
        let configured_kinds = owners.idle_after.keys().map(ToString::to_string).collect();
        let owners = Arc::new(Owners::new(owners, clock, observer.clone(), owner_drains));
        let runtimes = Runtimes::new(runtime.clone(), cluster);
        owners.begin(&runtimes);
        Arc::new(Self {
            connections: Connections::new(&limits),
            bodies: Bodies::new(limits.bodies_bytes, limits.tenant_bodies_bytes),
            rates: RateLimit::new(limits.requests_per_second),
            readiness: Readiness::default(),
            page_lists: OneAtATime::default(),
            delivery_reads: TenantTurns::default(),
            logins: Logins::default(),
            forms: FormTokens::default(),
            hosts: Hosts::new(&hosts),
            leaves_when_idle,
            taken: AtomicU64::new(0),
            pages: Mutex::default(),
            began: Instant::now(),
            runtime,
            runtimes,
            observer,
            owners,
            inputs,
            tokens,
            limits,
            controls,
            sandbox,
            configured_kinds,
        })
    }

    /// Returns the number of calls that can run at once, and its reason. Without the sandbox both are unknown: 0 and
    /// `None`.
    pub(crate) fn slots(&self) -> (u32, Option<&'static str>) {
        let allocation = self.sandbox.as_ref().map(Sandbox::allocation);
        allocation.map_or((0, None), |allocation| (allocation.slots, Some(allocation.bound.as_str())))
    }

    /// Records that this address is served from now on.
    pub(crate) fn serves(&self, address: SocketAddr, is_tls: bool) {
        let (scheme, port) = (if is_tls { "https" } else { "http" }, address.port());
        let host = match self.hosts.first() {
            Some(named) if named.contains(':') => format!("[{named}]"),
            Some(named) => named.to_owned(),
            None if address.ip().is_unspecified() => "localhost".to_owned(),
            None if address.is_ipv6() => format!("[{}]", address.ip()),
            None => address.ip().to_string(),
        };
        self.pages.lock().push(format!("{scheme}://{host}:{port}/"));
    }

    /// Counts an event.
    pub(crate) fn takes_one(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the daemon's work at this moment.
    pub(crate) fn activity(&self) -> Activity {
        let stats = self.runtime.stats();
        let owed = stats.plugins.iter().map(|plugin| plugin.ready + plugin.running + plugin.waiting).sum();
        let (connections, taken) = (self.connections.open(), self.taken.load(Ordering::Relaxed));
        Activity { sessions: stats.sessions, connections, owed, taken }
    }

    /// Returns what is active, owed and wrong.
    pub(crate) fn status(&self) -> Status {
        self.status_with(&self.health(None))
    }

    /// Returns the status with this health of every plugin.
    pub(crate) fn status_with(&self, health: &[Health]) -> Status {
        let stats = self.runtime.stats();
        let plugins: Vec<PluginStatus> = stats.plugins.into_iter().map(PluginStatus::from).collect();
        let (owned_sessions, owners_in_grace, owners_lost) = self.owners.totals();
        let owners = self.owners.counts().into_iter().map(|(kind, counts)| OwnerCount {
            kind: kind.to_string(),
            owners: counts.owners,
            sessions: counts.sessions,
        });
        let last_hooks = self.owners.last_hooks().into_iter();
        Status {
            last_hooks: last_hooks.map(|(kind, at)| LastHook { kind: kind.to_owned(), at: at.to_string() }).collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: self.began.elapsed().as_secs(),
            journal: self.runtime.journal_name().to_string(),
            durability: durability(self.runtime.durability()).to_owned(),
            stream: self.cluster_status().map(|cluster| cluster.stream.name).unwrap_or_default(),
            draining: self.is_leaving(),
            sessions: stats.sessions,
            owned_sessions,
            owners: owners.collect(),
            owners_in_grace,
            owners_lost,
            undelivered_ends: self.runtime.undelivered_ends(),
            unwritten_bytes: stats.unwritten_bytes,
            connections: self.connections.open(),
            slots: stats.slots,
            slots_bound: stats.slots_bound.as_str().to_owned(),
            pages: self.pages.lock().clone(),
            wrong: self.wrong(&plugins, health).iter().map(Finding::sentence).collect(),
            to_know: self
                .to_know(&self.observer.deaths())
                .iter()
                .chain(&self.nodes_to_know())
                .map(Finding::sentence)
                .collect(),
            plugins,
        }
    }

    /// Returns the health of each installed plugin in its calls for this tenant. `None`: in all calls. Calls of a version
    /// that was replaced or uninstalled say nothing of the installed one.
    pub(crate) fn health(&self, tenant: Option<&Arc<str>>) -> Vec<Health> {
        let stats = self.runtime.stats();
        let installed = stats.plugins.iter().filter(|plugin| plugin.is_installed);
        let installed: HashSet<_> =
            installed.map(|plugin| (&plugin.plugin, plugin.tenant.as_ref(), plugin.version)).collect();
        let mut health = self.observer.health(tenant);
        health.retain(|health| installed.contains(&(&health.plugin, health.tenant.as_ref(), health.version)));
        health
    }

    /// Returns the findings that need action, with these plugins and their health.
    pub(crate) fn wrong(&self, plugins: &[PluginStatus], health: &[Health]) -> Vec<Finding> {
        let mut found = findings::of_daemon(self.runtime.has_failed(), self.runtime.durability(), plugins, health);
        found.extend(self.cluster_findings().into_iter().filter(|finding| finding.is_wrong));
        found
    }

    /// Returns the findings about nodes that need no action. They are for callers of every tenant.
    pub(crate) fn nodes_to_know(&self) -> Vec<Finding> {
        self.cluster_findings().into_iter().filter(|finding| !finding.is_wrong).collect()
    }

    fn cluster_findings(&self) -> Vec<Finding> {
        self.cluster_status().as_ref().map(findings::of_cluster).unwrap_or_default()
    }

    /// Returns what is known of the cluster, if the program is a node of one.
    pub(crate) fn cluster_status(&self) -> Option<ClusterStatus> {
        self.runtimes.cluster().map(|cluster| cluster.status())
    }

    /// Returns the findings that need no action, with these deaths.
    pub(crate) fn to_know(&self, deaths: &[OfTenant<PastDeath>]) -> Vec<Finding> {
        let mut found = findings::of_deaths(deaths, self.owners.grace(), Timestamp::now());
        if self.is_leaving() {
            found.insert(0, findings::leaving());
        }
        found
    }

    fn is_leaving(&self) -> bool {
        self.connections.is_closing() || self.runtime.is_draining()
    }

    /// Returns the state for `/metrics`.
    pub(crate) fn scraped(&self) -> Scraped {
        let stats = self.runtime.stats();
        let kinds = self.owners.counts().into_iter().map(|(kind, counts)| (kind.to_string(), counts));
        let slots = self
            .sandbox
            .as_ref()
            .map(|sandbox| (sandbox.max_concurrent_calls().into(), sandbox.slots_in_use().unwrap_or_default()));
        let (_, slots_bound) = self.slots();
        let memory = self.sandbox.as_ref().map(|sandbox| (sandbox.memory().limit(), sandbox.memory().used()));
        Scraped {
            kinds: kinds.collect(),
            configured_kinds: self.configured_kinds.clone(),
            plugins: stats.plugins.into_iter().map(PluginStatus::from).collect(),
            sessions: stats.sessions,
            undelivered_ends: self.runtime.undelivered_ends(),
            unwritten_bytes: stats.unwritten_bytes,
            connections: self.connections.open(),
            slots,
            slots_bound,
            memory,
            cluster: self.cluster_status(),
            uptime_s: self.began.elapsed().as_secs(),
        }
    }
}
