//! Our side: drains of any size, with the journal in memory or on disk.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword::events::{DrainReason, Identity, PluginName};
use lastword::{Limits, Plugin, Runtime, Sandbox, SandboxConfig, Source, SqliteJournal, Tenants};
use tempfile::TempDir;
use tokio::runtime::EnterGuard;

use crate::end;
use crate::journal::start_each;
use crate::rounds::{micros, per_item};
use crate::waiting::{load_posts, posted_session};

/// Longer than any drain here takes: what is measured is when all is delivered.
const BUDGET: Duration = Duration::from_secs(600);

/// Where the journal is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    InMemory,
    OnDisk,
}

/// What a drain has to do.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) kept: Kept,
    /// Each has every session.
    pub(super) plugins: usize,
    pub(super) sessions: u32,
    /// They have the sessions in turns.
    pub(super) tenants: u32,
    /// As many as there are processors, if nothing is said.
    pub(super) workers: Option<NonZeroUsize>,
}

impl Load {
    /// So many sessions of one tenant, one plugin, all in memory.
    pub(super) fn of(sessions: u32) -> Self {
        Self { kept: Kept::InMemory, plugins: 1, sessions, tenants: 1, workers: None }
    }
}

/// A sandbox, and plugins that answer at once.
pub(super) struct Ours {
    tokio: tokio::runtime::Runtime,
    sandbox: Sandbox,
    plugin: Plugin,
}

impl Ours {
    /// # Errors
    /// When there is no room for a sandbox.
    pub(super) fn new() -> anyhow::Result<Self> {
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let sandbox = {
            let _context = tokio.enter();
            Sandbox::new(SandboxConfig::default())?
        };
        let plugin = crate::setup::load_good(&sandbox)?;
        Ok(Self { tokio, sandbox, plugin })
    }

    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.tokio.enter()
    }

    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.tokio.block_on(future)
    }

    pub(super) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The one that answers ok at once.
    pub(super) fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// What one delivery takes in a drain, in µs.
    ///
    /// # Errors
    /// When not everything is delivered.
    pub(super) fn drain(&self, load: &Load) -> anyhow::Result<f64> {
        let mut plugins = vec![self.plugin.clone()];
        for number in 1..load.plugins {
            let name = PluginName::new(&format!("good-{number}"))?;
            let good = Source::Bytes(lastword_test_guests::component("good"));
            plugins.push(self.sandbox.load(name, &good, Limits::default())?);
        }
        let deliveries = load.sessions.saturating_mul(u32::try_from(plugins.len())?);
        let (runtime, _journal) = self.runtime(load, plugins)?;
        self.block_on(start(&runtime, load))?;
        let each = per_item(deliveries, || self.block_on(end::drain(&runtime, deliveries)))?;
        self.block_on(runtime.shutdown(DrainReason::Shutdown));
        Ok(each)
    }

    /// What an end takes that is reported by itself, in µs; the journal is in memory, and there is one worker.
    ///
    /// # Errors
    /// When not everything is delivered.
    pub(super) fn ordinary(&self, ends: u32) -> anyhow::Result<f64> {
        let load = Load { workers: Some(NonZeroUsize::MIN), ..Load::of(ends) };
        let (runtime, _journal) = self.runtime(&load, vec![self.plugin.clone()])?;
        self.block_on(end::start(&runtime, ends))?;
        per_item(ends, || self.block_on(end::end(&runtime, ends)))
    }

    /// What a drain takes whose plugin posts each end to the server at `authority`, in ms; the journal is on disk.
    ///
    /// # Errors
    /// When not everything is delivered.
    pub(super) fn posted(&self, sessions: u32, authority: &str) -> anyhow::Result<f64> {
        let load = Load { kept: Kept::OnDisk, ..Load::of(sessions) };
        let (runtime, _journal) = self.runtime(&load, vec![load_posts(&self.sandbox, authority)?])?;
        self.block_on(start_each(&runtime, sessions, |n| posted_session(n, authority)))?;
        let began = Instant::now();
        self.block_on(end::drain(&runtime, sessions))?;
        let took = micros(began.elapsed()) / 1e3;
        self.block_on(runtime.shutdown(DrainReason::Shutdown));
        Ok(took)
    }

    /// A runtime with its journal, which is gone with what is returned beside it.
    fn runtime(&self, load: &Load, plugins: Vec<Plugin>) -> anyhow::Result<(Runtime, Option<TempDir>)> {
        let mut builder = Runtime::builder().sandbox(self.sandbox.clone()).drain_budget(BUDGET);
        for plugin in plugins {
            builder = builder.plugin(plugin, Tenants::Every);
        }
        if let Some(workers) = load.workers {
            builder = builder.workers(workers);
        }
        let folder = match load.kept {
            Kept::InMemory => None,
            Kept::OnDisk => Some(tempfile::tempdir()?),
        };
        if let Some(folder) = &folder {
            builder = builder.journal(Arc::new(SqliteJournal::open(&folder.path().join("journal.db"))?));
        }
        Ok((builder.build()?, folder))
    }
}

async fn start(runtime: &Runtime, load: &Load) -> anyhow::Result<()> {
    start_each(runtime, load.sessions, |n| {
        let mut session = end::session(n);
        if load.tenants > 1 {
            session.identity = Identity::new(&format!("tenant-{}", n % load.tenants), &session.identity.id);
        }
        session
    })
    .await
}
