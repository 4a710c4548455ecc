//! What all connections share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use lastword::{Runtime, Sandbox};

use crate::access::{RateLimit, TokenStore};
use crate::activity::Activity;
use crate::builder::ServerBuilder;
use crate::controls::Controls;
use crate::http::{Bodies, Connections, Readiness};
use crate::metrics::Scraped;
use crate::observer::ServerObserver;
use crate::owners::Owners;
use crate::requests::Inputs;
use crate::settings::ServerLimits;
use crate::status::{LastHook, OwnerCount, PluginStatus, Status, durability, wrong};

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) runtime: Runtime,
    pub(crate) observer: ServerObserver,
    pub(crate) owners: Arc<Owners>,
    pub(crate) inputs: Inputs,
    pub(crate) tokens: Arc<TokenStore>,
    pub(crate) limits: ServerLimits,
    pub(crate) controls: Option<Arc<dyn Controls>>,
    pub(crate) connections: Connections,
    pub(crate) bodies: Bodies,
    pub(crate) rates: RateLimit,
    pub(crate) readiness: Readiness,
    pub(crate) leaves_when_idle: bool,
    /// Events that were taken.
    taken: AtomicU64,
    sandbox: Option<Sandbox>,
    began: Instant,
    /// The kinds of owners that the configuration names.
    configured_kinds: Vec<String>,
}

impl Shared {
    /// Owners are looked after from now on.
    pub(crate) fn begin(builder: ServerBuilder) -> Arc<Self> {
        let ServerBuilder {
            runtime,
            observer,
            owners,
            inputs,
            tokens,
            limits,
            controls,
            owner_drains,
            sandbox,
            clock,
            leaves_when_idle,
        } = builder;
        let configured_kinds = owners.idle_after.keys().map(ToString::to_string).collect();
        let owners = Arc::new(Owners::new(owners, clock, observer.clone(), owner_drains));
        owners.begin(&runtime);
        Arc::new(Self {
            connections: Connections::new(&limits),
            bodies: Bodies::new(limits.bodies_bytes, limits.tenant_bodies_bytes),
            rates: RateLimit::new(limits.requests_per_second),
            readiness: Readiness::default(),
            leaves_when_idle,
            taken: AtomicU64::new(0),
            began: Instant::now(),
            runtime,
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

    /// Calls that can be under way at once; 0 where that is not known.
    pub(crate) fn slots(&self) -> u32 {
        self.sandbox.as_ref().map_or(0, Sandbox::max_concurrent_calls)
    }

    /// An event has come.
    pub(crate) fn takes_one(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether anybody needs the server.
    pub(crate) fn activity(&self) -> Activity {
        let stats = self.runtime.stats();
        let owed = stats.plugins.iter().map(|plugin| plugin.ready + plugin.running + plugin.waiting).sum();
        let (connections, taken) = (self.connections.open(), self.taken.load(Ordering::Relaxed));
        Activity { sessions: stats.sessions, connections, owed, taken }
    }

    /// What is active, owed and wrong.
    pub(crate) fn status(&self) -> Status {
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
            draining: self.connections.is_closing() || self.runtime.is_draining(),
            sessions: stats.sessions,
            owned_sessions,
            owners: owners.collect(),
            owners_in_grace,
            owners_lost,
            undelivered_ends: self.runtime.undelivered_ends(),
            unwritten_bytes: stats.unwritten_bytes,
            connections: self.connections.open(),
            wrong: wrong(self.runtime.has_failed(), self.runtime.durability(), &plugins),
            plugins,
        }
    }

    /// What there is now, for `/metrics`.
    pub(crate) fn scraped(&self) -> Scraped {
        let stats = self.runtime.stats();
        let kinds = self.owners.counts().into_iter().map(|(kind, counts)| (kind.to_string(), counts));
        let slots = self
            .sandbox
            .as_ref()
            .map(|sandbox| (sandbox.max_concurrent_calls().into(), sandbox.slots_in_use().unwrap_or_default()));
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
            memory,
            uptime_s: self.began.elapsed().as_secs(),
        }
    }
}
