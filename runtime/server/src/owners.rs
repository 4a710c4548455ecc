//! Owners: who they are, that they live, and what becomes of their sessions when they die.
//!
//! [`registry`] knows what is to be done when; here is what does it: it waits for processes and moments, and asks the runtime.

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
use lastword::{Accepted, Clock, EndRequest, Refusal, Runtime};
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
use crate::settings::OwnerSettings;
use kinds::LastHooks;
use owned_session::SessionToEnd;
use registry::{Registry, Unregistered};
use witness::Unbelieved;

/// All owners, and the active sessions.
///
/// The runtime may be asked while the registry is locked: it waits for nothing then, and tells nobody who would lock it again.
pub(crate) struct Owners {
    registry: Mutex<Registry>,
    last_hooks: Mutex<LastHooks>,
    /// Something is due earlier than before.
    wake: Arc<Notify>,
    /// Owners are not looked after any more.
    stopped: watch::Sender<bool>,
    clock: Arc<dyn Clock>,
    settings: OwnerSettings,
    observer: ServerObserver,
    drains: Option<Arc<dyn OwnerDrains>>,
}

/// Why an owner is not registered, or not as it asked for.
#[derive(Debug)]
pub(crate) enum NotRegistered {
    /// Its process is not believed.
    NotVisible(String),
    /// There are too many.
    TooMany,
}

/// What became of an owner's word about itself.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) registered: Registered,
    /// It was found dead at once.
    pub(crate) is_dead: bool,
    /// How its death is noticed.
    pub(crate) life: Life,
    /// What of its word was left out, a sentence each.
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

    /// Looks after owners from now on, until [`stop`](Self::stop).
    pub(crate) fn begin(self: &Arc<Self>, runtime: &Runtime) {
        tokio::spawn(ending::look_after(Arc::downgrade(self), runtime.clone()));
    }

    /// Owners are not looked after any more: nobody is lost, and nothing ends.
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

    /// A raw connection, which is an owner without a name.
    pub(crate) fn connected(&self) -> Result<Registered, NotRegistered> {
        let mut registry = self.registry.lock();
        let registered = registry.register(None, &Arc::default(), Life::Connection, false, self.clock.now());
        registered.map_err(|_| NotRegistered::TooMany)
    }

    /// An owner says who it is and how its death is to be noticed. A process is believed only if it can be seen from here, and if the
    /// witness may say so.
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
        // Of one that lives in this very way nothing has to be looked at again.
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

    /// Under one lock: whoever is registered as living by a process is watched from that moment on.
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

    /// The process is gone already: the owner is dead at once, unless it has another life by now.
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

    /// A raw connection is dead: its sessions end after the grace.
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

    /// How long after an owner's death its sessions end.
    pub(crate) fn grace(&self) -> Duration {
        self.settings.grace
    }

    /// The owner of this name.
    pub(crate) fn find(&self, tenant: &str, name: &str) -> Option<OwnerId> {
        self.registry.lock().find(&OwnerName::new(tenant, name))
    }

    /// The owner of this name, of which an event has come: its lease begins anew, also when it had lapsed.
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

    /// What a journal keeps of an owner.
    pub(crate) fn record(&self, id: OwnerId) -> Option<SessionOwner> {
        self.registry.lock().record(id)
    }

    /// A start or a compaction of a session is about to be asked for. It has to be [answered](Self::start_answered).
    pub(crate) fn start_begins(&self, identity: &Identity, owner: Option<OwnerId>, kind: &Arc<str>) {
        self.registry.lock().start_begins(identity, owner, kind, self.now());
        self.wake.notify_one();
    }

    /// A start or a compaction was answered; `made` is the session that it is of, if it was accepted.
    pub(crate) fn start_answered(&self, runtime: &Runtime, said: &Identity, made: Option<&Identity>) {
        self.registry.lock().start_answered(said, made, is_active(runtime), self.clock.now());
        self.wake.notify_one();
    }

    /// An end of a session is about to be asked for. Gives what the session is known as.
    pub(crate) fn end_begins(&self, runtime: &Runtime, said: &Identity) -> Identity {
        let identity = known_as(runtime, said);
        self.registry.lock().end_begins(&identity);
        identity
    }

    /// An end was answered; `made` is the session that it was of, if that is known.
    pub(crate) fn end_answered(&self, runtime: &Runtime, identity: &Identity, made: Option<&Identity>) {
        let mut registry = self.registry.lock();
        registry.end_answered(identity, is_active(runtime));
        if let Some(made) = made {
            registry.settle(made, is_active(runtime));
        }
    }

    /// Asks for an end that was decided here, unless the session has spoken since, or has ended. Nothing comes between the look and the
    /// request: who starts the session now starts it after its end.
    fn ask_for_end(&self, runtime: &Runtime, end: &SessionToEnd) -> Option<impl Future<Output = Answer> + use<>> {
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

    /// Another event of a session has come. If it has another owner than before, that is to be written down, so that the next run knows it
    /// as well: the future is done when it is, or the session has ended first. Of one that has ended nothing is kept: the runtime ends
    /// sessions without a word to the server.
    pub(crate) fn hear_of_turn(
        self: &Arc<Self>,
        runtime: &Runtime,
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
        // No start: an end may be on its way that nobody here knows of, and it would begin a session that nobody has started.
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

    /// What there is, by kind.
    pub(crate) fn counts(&self) -> BTreeMap<Arc<str>, KindCounts> {
        self.registry.lock().counts()
    }

    /// A hook of this kind of owner has come.
    pub(crate) fn hook_came(&self, kind: InputFormat) {
        self.last_hooks.lock().note(kind, self.clock.timestamp());
    }

    /// When the last hook of each kind of owner came.
    pub(crate) fn last_hooks(&self) -> Vec<(&'static str, Timestamp)> {
        self.last_hooks.lock().all()
    }

    /// Sessions that an owner is known of, owners in their grace, and owners that were lost.
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
        // A process that is watched has been verified.
        Err(Unregistered::TooMany | Unregistered::VerifyFirst) => Err(NotRegistered::TooMany),
    }
}

/// Whether the runtime has an active session of this very identity.
fn is_active(runtime: &Runtime) -> impl Fn(&Identity) -> bool {
    move |identity: &Identity| runtime.session(identity).is_some_and(|session| session.identity == *identity)
}

/// What the runtime knows a session as: its owner may have left out the scope.
fn known_as(runtime: &Runtime, said: &Identity) -> Identity {
    runtime.session(said).map_or_else(|| said.clone(), |session| session.identity.clone())
}
