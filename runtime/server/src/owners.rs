//! Owners: their registration, their lives, and the end of their sessions when they die.
//!
//! [`registry`] decides what is due and when. This module carries it out: it waits for processes and deadlines, and
//! asks the runtime.

mod deadlines;
mod drain;
mod ending;
mod goodbye;
mod kinds;
mod owned_session;
mod owner;
mod processes;
mod registry;
mod resume;
mod room;
mod said_owner;
mod witness;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword::events::{Identity, Session, SessionOwner, Timestamp};
use lastword::{Accepted, Clock, EndRequest, Refusal};
use lastword_process::{NotVisible, Process, Watched};
use lastword_protocol::owners::InputFormat;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

pub use drain::OwnerDrain;
pub(crate) use kinds::KindCounts;
pub(crate) use owned_session::Mark;
pub use owner::Loss;
pub(crate) use owner::{Life, OwnerId, OwnerName};
pub(crate) use registry::{LostOwner, Registered};
pub use resume::Resumed;
pub(crate) use said_owner::SaidOwner;
pub(crate) use witness::Witness;

use crate::observer::ServerObserver;
use crate::owner_drains::OwnerDrains;
use crate::runtimes::Runtimes;
use crate::settings::OwnerSettings;
use kinds::LastHooks;
use owned_session::SessionToEnd;
use registry::{Registry, Unregistered};
use witness::Unbelieved;

/// The owners and the active sessions.
///
/// Code that holds the registry's lock may ask the runtime: the runtime then waits for nothing, and calls nothing that
/// would lock the registry again.
pub(crate) struct Owners {
    registry: Mutex<Registry>,
    last_hooks: Mutex<LastHooks>,
    /// Notifies that a deadline is earlier than before.
    wake: Arc<Notify>,
    /// Whether the server has stopped watching owners.
    stopped: watch::Sender<bool>,
    clock: Arc<dyn Clock>,
    settings: OwnerSettings,
    observer: ServerObserver,
    drains: Option<Arc<dyn OwnerDrains>>,
}

/// The error of a registration.
#[derive(Debug)]
pub(crate) enum NotRegistered {
    /// The server does not believe the process.
    NotVisible(String),
    /// There are too many owners.
    TooMany,
}

/// The result of a registration.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) registered: Registered,
    /// Whether the owner was dead at once.
    pub(crate) is_dead: bool,
    /// How the server notices the owner's death.
    pub(crate) life: Life,
    /// The dropped parts of the owner's statement, a sentence each.
    pub(crate) dropped: Vec<String>,
}

impl Owners {
    pub(crate) fn new(
        settings: OwnerSettings,
        clock: Arc<dyn Clock>,
        observer: ServerObserver,
        drains: Option<Arc<dyn OwnerDrains>>,
    ) -> Self {
        Self {
            registry: Mutex::new(Registry::new(settings.clone())),
            last_hooks: Mutex::default(),
            wake: Arc::default(),
            stopped: watch::Sender::new(false),
            clock,
            settings,
            observer,
            drains,
        }
    }

    /// Watches owners from now on, until [`stop`](Self::stop).
    pub(crate) fn begin(self: &Arc<Self>, runtime: &Runtimes) {
        tokio::spawn(ending::look_after(Arc::downgrade(self), runtime.clone()));
    }

    /// Stops watching owners: no owner is lost and no session ends from now on.
    pub(crate) fn stop(&self) {
        self.stopped.send_replace(true);
        self.registry.lock().stop_watching();
    }

    fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    fn now(&self) -> (Instant, Timestamp) {
        (self.clock.now(), self.clock.timestamp())
    }

    /// Registers a raw connection, which is an owner without a name.
    pub(crate) fn connected(&self) -> Result<Registered, NotRegistered> {
        let mut registry = self.registry.lock();
        let registered = registry.register(None, &Arc::default(), Life::Connection, false, self.clock.now());
        registered.map_err(|_| NotRegistered::TooMany)
    }

    /// Registers an owner, and how its death is to be noticed. A process is believed only if the server can see it and
    /// the witness may name it.
    pub(crate) fn register(
        self: &Arc<Self>,
        said: &SaidOwner,
        tenant: &str,
        witness: Witness<'_>,
    ) -> Result<Registration, NotRegistered> {
        let name = OwnerName::new(tenant, &said.name());
        let Some(process) = &said.process else {
            let life = said.lease.map_or(Life::Unwatched, Life::Lease);
            return self.registered(&name, said, life, None);
        };
        let life = Life::Process(process.clone());
        // An owner that lives in the same way needs no new check.
        match self.try_register(&name, &said.kind, life.clone(), None) {
            Err(Unregistered::VerifyFirst) => {}
            registered => return answer(registered, life),
        }
        match (witness.believe(process), said.lease) {
            (Ok(watched), _) => self.registered(&name, said, life, Some(watched)),
            (Err(Unbelieved::Gone), _) => self.found_dead(name, said, process),
            (Err(Unbelieved::Not(why)), Some(lease)) => {
                let dropped = vec![format!("pid: {}: {why}; the lease counts", NotVisible::CODE)];
                let registration = self.registered(&name, said, Life::Lease(lease), None)?;
                Ok(Registration { dropped, ..registration })
            }
            (Err(Unbelieved::Not(why)), None) => Err(NotRegistered::NotVisible(why)),
        }
    }

    fn registered(
        self: &Arc<Self>,
        name: &OwnerName,
        said: &SaidOwner,
        life: Life,
        watched: Option<Watched>,
    ) -> Result<Registration, NotRegistered> {
        answer(self.try_register(name, &said.kind, life.clone(), watched), life)
    }

    /// Registers an owner and watches its process under one lock, so that no registered process is unwatched.
    fn try_register(
        self: &Arc<Self>,
        name: &OwnerName,
        kind: &Arc<str>,
        life: Life,
        watched: Option<Watched>,
    ) -> Result<Registered, Unregistered> {
        let registered = {
            let mut registry = self.registry.lock();
            let (name, now) = (Some(name.clone()), self.clock.now());
            let registered = registry.register(name, kind, life, watched.is_some(), now)?;
            if let Some(watched) = watched {
                let process = watched.process().clone();
                registry.watch(&process, || self.watch(watched));
            }
            registered
        };
        if registered.came_back {
            self.observer.owner_came_back(name, kind, self.settings.grace);
        }
        self.wake.notify_one();
        Ok(registered)
    }

    /// Registers an owner whose process is gone: it is dead at once, unless it has another life by now.
    fn found_dead(&self, name: OwnerName, said: &SaidOwner, process: &Process) -> Result<Registration, NotRegistered> {
        let (registered, lost, is_dead) = {
            let mut registry = self.registry.lock();
            let found = registry.register_dead(name, &said.kind, process.clone(), self.now());
            let (registered, lost) = found.map_err(|_| NotRegistered::TooMany)?;
            let is_dead = !registry.is_alive(registered.id);
            (registered, lost, is_dead)
        };
        self.tell_all_lost(&lost);
        Ok(Registration { registered, is_dead, life: Life::Process(process.clone()), dropped: Vec::new() })
    }

    /// Waits for a process to exit.
    fn watch(self: &Arc<Self>, watched: Watched) -> AbortHandle {
        let owners = Arc::downgrade(self);
        let task = tokio::spawn(async move {
            watched.exited().await;
            if let Some(owners) = owners.upgrade() {
                owners.exited(watched.process());
            }
        });
        task.abort_handle()
    }

    fn exited(&self, process: &Process) {
        if self.is_stopped() {
            return;
        }
        let lost = self.registry.lock().exited(process, self.now());
        self.tell_all_lost(&lost);
    }

    /// Reports that a raw connection is dead: its sessions end after the grace.
    pub(crate) fn disconnected(&self, id: OwnerId) {
        if self.is_stopped() {
            return;
        }
        let lost = self.registry.lock().lose(id, Loss::Connection, self.now());
        self.tell_all_lost(&lost);
    }

    fn tell_all_lost<'a>(&self, lost: impl IntoIterator<Item = &'a LostOwner>) {
        for lost in lost {
            self.tell_lost(lost);
        }
        self.wake.notify_one();
    }

    fn tell_lost(&self, lost: &LostOwner) {
        let LostOwner { name, kind, how, sessions } = lost;
        let (tenant, owner) = name.as_ref().map_or(("", "a connection"), |name| (&*name.tenant, &*name.name));
        let grace = self.settings.grace;
        tracing::info!(tenant, owner, %kind, how = how.as_str(), sessions, ?grace, "an owner is gone: its sessions end after the grace");
        self.observer.owner_lost(lost);
    }

    /// Returns the time between an owner's death and the end of its sessions.
    pub(crate) fn grace(&self) -> Duration {
        self.settings.grace
    }

    /// Returns the owner of this name.
    pub(crate) fn find(&self, tenant: &str, name: &str) -> Option<OwnerId> {
        self.registry.lock().find(&OwnerName::new(tenant, name))
    }

    /// Returns the owner of this name, which has sent an event. Its lease begins again, even after it had lapsed.
    pub(crate) fn hear_from(&self, tenant: &str, name: &str) -> Option<OwnerId> {
        let back = {
            let mut registry = self.registry.lock();
            let id = registry.find(&OwnerName::new(tenant, name))?;
            if !registry.heard_of(id, self.clock.now()) {
                return Some(id);
            }
            (id, registry.name_and_kind(id))
        };
        if let (_, Some((name, kind))) = &back {
            self.observer.owner_came_back(name, kind, self.settings.grace);
        }
        self.wake.notify_one();
        Some(back.0)
    }

    /// Returns the journal's record of an owner.
    pub(crate) fn record(&self, id: OwnerId) -> Option<SessionOwner> {
        self.registry.lock().record(id)
    }

    /// Called before a start or a compaction is requested. [`start_answered`](Self::start_answered) has to follow.
    pub(crate) fn start_begins(&self, identity: &Identity, owner: Option<OwnerId>, kind: &Arc<str>) {
        self.registry.lock().start_begins(identity, owner, kind, self.now());
        self.wake.notify_one();
    }

    /// Called when a start or a compaction was answered. `made` is its session, if it was accepted.
    pub(crate) fn start_answered(&self, runtime: &Runtimes, said: &Identity, made: Option<&Identity>) {
        self.registry.lock().start_answered(said, made, is_active(runtime), self.clock.now());
        self.wake.notify_one();
    }

    /// Called before an end is requested. Returns the session's known identity.
    pub(crate) fn end_begins(&self, runtime: &Runtimes, said: &Identity) -> Identity {
        let identity = known_as(runtime, said);
        self.registry.lock().end_begins(&identity);
        identity
    }

    /// Called when an end was answered. `made` is its session, if that is known.
    pub(crate) fn end_answered(&self, runtime: &Runtimes, identity: &Identity, made: Option<&Identity>) {
        let mut registry = self.registry.lock();
        registry.end_answered(identity, is_active(runtime));
        if let Some(made) = made {
            registry.settle(made, is_active(runtime));
        }
    }

    /// Requests an end that was decided here, unless the session has had an event since, or has ended. The check and
    /// the request are one step, so a later start of the session comes after its end.
    fn ask_for_end(&self, runtime: &Runtimes, end: &SessionToEnd) -> Option<impl Future<Output = Answer> + use<>> {
        let mut registry = self.registry.lock();
        if self.is_stopped() || !registry.is_to_end(end) {
            return None;
        }
        if !is_active(runtime)(&end.identity) {
            registry.settle(&end.identity, is_active(runtime));
            return None;
        }
        registry.end_begins(&end.identity);
        Some(runtime.end_session(EndRequest::of(Session::of(end.identity.clone()), end.ending.event())))
    }

    /// Notes another event of a session. If the session has another owner than before, the future writes that down, so
    /// that the next run knows it; it is done when that is on record, or when the session has ended first. Nothing is
    /// kept of an ended session: the runtime ends sessions without telling the server.
    pub(crate) fn hear_of_turn(
        self: &Arc<Self>,
        runtime: &Runtimes,
        said: &Identity,
        owner: Option<OwnerId>,
        turn_open: Option<bool>,
    ) -> Option<impl Future<Output = Result<(), Refusal>> + use<>> {
        let identity = known_as(runtime, said);
        let mut registry = self.registry.lock();
        let moved = registry.hear_of_turn(&identity, owner, turn_open, self.clock.now());
        registry.settle(&identity, is_active(runtime));
        self.wake.notify_one();
        if !moved || registry.is_ending(&identity) {
            return None;
        }
        let generation = runtime.session(&identity).filter(|session| session.identity == identity)?.generation;
        let owner = registry.record(owner?)?;
        // Not a start: an end that is unknown here may be under way, and a start would then begin a session that nobody
        // has started.
        let with_owner = Session { owner: Some(Box::new(owner)), generation, ..Session::of(identity.clone()) };
        let answer = runtime.update_session(with_owner);
        let (owners, runtime) = (self.clone(), runtime.clone());
        Some(async move {
            let answered = answer.await;
            owners.registry.lock().settle(&identity, is_active(&runtime));
            answered.map(|_| ())
        })
    }

    /// Whether a session's agent is at work.
    pub(crate) fn is_turn_open(&self, identity: &Identity) -> Option<bool> {
        self.registry.lock().is_turn_open(identity)
    }

    /// Returns the numbers of owners and sessions by kind.
    pub(crate) fn counts(&self) -> BTreeMap<Arc<str>, KindCounts> {
        self.registry.lock().counts()
    }

    /// Records a hook of this kind of owner.
    pub(crate) fn hook_came(&self, kind: InputFormat) {
        self.last_hooks.lock().note(kind, self.clock.timestamp());
    }

    /// Returns when the last hook of each kind of owner came.
    pub(crate) fn last_hooks(&self) -> Vec<(&'static str, Timestamp)> {
        self.last_hooks.lock().all()
    }

    /// Returns the numbers of sessions with a known owner, of owners in their grace, and of lost owners.
    pub(crate) fn totals(&self) -> (u64, u64, u64) {
        let registry = self.registry.lock();
        (registry.owned_sessions(), registry.in_grace(), registry.lost())
    }
}

/// The runtime's answer to a request.
type Answer = Result<Accepted, Refusal>;

fn answer(registered: Result<Registered, Unregistered>, life: Life) -> Result<Registration, NotRegistered> {
    match registered {
        Ok(registered) => Ok(Registration { registered, is_dead: false, life, dropped: Vec::new() }),
        // A watched process has been verified.
        Err(Unregistered::TooMany | Unregistered::VerifyFirst) => Err(NotRegistered::TooMany),
    }
}

/// Whether the runtime has an active session of this exact identity.
fn is_active(runtime: &Runtimes) -> impl Fn(&Identity) -> bool {
    move |identity: &Identity| runtime.session(identity).is_some_and(|session| session.identity == *identity)
}

/// Returns the runtime's identity of a session: the owner may have left out the scope.
fn known_as(runtime: &Runtimes, said: &Identity) -> Identity {
    runtime.session(said).map_or_else(|| said.clone(), |session| session.identity.clone())
}
