//! Drives this node's part in the cluster: tells the member what happens, and carries out what it decides.
//!
//! Whatever waits for a server or for a disk is a task of its own, so that nothing holds up the heartbeats.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword_cluster::{Action, Cas, Entry, Member, StreamEnd, TakenOver};
use lastword_events::JournalName;
use lastword_jetstream::{Cluster, ClusterError, JetStreamJournal, Registry, StreamEnd as End, Update};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::adopter::Adopter;
use super::listening;
use super::view::View;

/// What the driver hears of its tasks.
pub(super) enum Heard {
    Beat(JournalName),
    Entry {
        name: JournalName,
        entry: Option<Entry>,
        revision: u64,
    },
    Looked(JournalName, StreamEnd),
    Answered(JournalName, Entry, Cas),
    Begun(Result<Arc<JetStreamJournal>, ClusterError>),
    Taken(JournalName, TakenOver),
    Discarded(JournalName, bool),
    /// Nothing is left to do in an adopted journal.
    Emptied(JournalName),
    /// An adopted journal is another node's.
    Fenced(JournalName),
}

/// What the program asks for.
pub(super) enum Order {
    /// The own runtime serves: journals of others may be taken over from now on.
    Serve(Arc<Adopter>),
    /// This node leaves. What it has is on record, and for the others.
    Leave {
        /// Whether nothing is owed in the own journal, so that it can be deleted.
        is_empty: bool,
    },
}

/// The member, and what it is driven with.
pub(super) struct Driver {
    pub(super) member: Member,
    /// The moment from which the member counts.
    pub(super) began: Instant,
    pub(super) cluster: Cluster,
    pub(super) registry: Arc<Registry>,
    pub(super) view: Arc<View>,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) heard: mpsc::Receiver<Heard>,
    pub(super) tell: mpsc::Sender<Heard>,
    /// Is told of the own journal.
    pub(super) begun: Option<oneshot::Sender<Result<Arc<JetStreamJournal>, ClusterError>>>,
    pub(super) adopter: Option<Arc<Adopter>>,
    /// Journals that are being deleted: it is asked for again before a slow answer comes.
    pub(super) discarding: HashSet<JournalName>,
}

/// What ends a wait.
enum Woken {
    Heard(Heard),
    Ordered(Order),
}

impl Driver {
    /// Runs until the node has left.
    pub(super) async fn run(mut self) {
        tokio::spawn(listening::entries(self.registry.clone(), self.tell.clone()));
        tokio::spawn(listening::beats(self.registry.clone(), self.tell.clone()));
        loop {
            if self.now() >= self.member.wakes_at() {
                let now = self.now();
                self.member.tick(now);
                self.view.knows(&self.member, now);
            }
            while let Some(action) = self.member.next_action() {
                if matches!(action, Action::Left) {
                    self.view.has_left();
                    return;
                }
                self.carry_out(action);
            }
            let wait = self.member.wakes_at().saturating_sub(self.now());
            let Self { heard, orders, .. } = &mut self;
            let woken = timeout(wait, async {
                tokio::select! {
                    Some(order) = orders.recv() => Some(Woken::Ordered(order)),
                    Some(heard) = heard.recv() => Some(Woken::Heard(heard)),
                    else => None,
                }
            });
            match woken.await {
                Ok(Some(Woken::Heard(heard))) => self.hear(heard),
                Ok(Some(Woken::Ordered(order))) => self.follow(order),
                // The driver itself can tell, so somebody always can.
                Ok(None) => return,
                Err(_) => {}
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn hear(&mut self, heard: Heard) {
        let now = self.now();
        match heard {
            Heard::Beat(name) => self.member.heard(&name, now),
            Heard::Entry { name, entry, revision } => self.member.entry(name, entry, revision, now),
            Heard::Looked(name, end) => self.member.stream(&name, end, now),
            Heard::Answered(name, entry, cas) => self.member.answered(name, &entry, cas, now),
            Heard::Begun(begun) => {
                if begun.is_err() {
                    // The registry has it, and there is nothing in it.
                    self.member.emptied(self.member.name(), now);
                    self.member.leave(now);
                }
                if let Some(tell) = self.begun.take() {
                    tell.send(begun).ok();
                }
            }
            Heard::Taken(name, taken) => {
                if matches!(taken, TakenOver::Done { .. }) {
                    self.view.has_adopted();
                }
                self.member.taken(name, taken, now);
            }
            Heard::Discarded(name, is_done) => {
                self.discarding.remove(&name);
                self.member.discarded(name, is_done, now);
            }
            Heard::Emptied(name) => self.member.emptied(name, now),
            Heard::Fenced(name) => self.member.fenced(name, now),
        }
    }

    fn follow(&mut self, order: Order) {
        let now = self.now();
        match order {
            Order::Serve(adopter) => {
                self.adopter = Some(adopter);
                self.member.begun(self.view.epoch(), now);
            }
            Order::Leave { is_empty } => {
                if is_empty {
                    self.member.emptied(self.member.name(), now);
                }
                self.member.leave(now);
            }
        }
    }

    fn carry_out(&mut self, action: Action) {
        let (registry, tell) = (self.registry.clone(), self.tell.clone());
        match action {
            Action::Beat => {
                let name = self.member.name();
                tokio::spawn(async move { registry.beat(name.as_str()).await });
            }
            Action::Begin => {
                let (cluster, name) = (self.cluster.clone(), self.member.name());
                tokio::task::spawn_blocking(move || {
                    let begun = JetStreamJournal::begin(&cluster, name).map(Arc::new);
                    tell.blocking_send(Heard::Begun(begun)).ok();
                });
            }
            Action::Look { name } => {
                tokio::spawn(async move {
                    let end = match registry.stream_end(name).await {
                        End::At(sequence) => StreamEnd::At(sequence),
                        End::Gone => StreamEnd::Gone,
                        End::Unanswered => StreamEnd::Unanswered,
                    };
                    tell.send(Heard::Looked(name, end)).await.ok();
                });
            }
            Action::Update { name, entry, expected } => {
                tokio::spawn(async move {
                    let cas = match registry.update(name.as_str(), &entry, expected).await {
                        Update::Done { revision } => Cas::Done { revision },
                        Update::Refused => Cas::Refused,
                        Update::Unknown => Cas::Unknown,
                    };
                    tell.send(Heard::Answered(name, entry, cas)).await.ok();
                });
            }
            Action::TakeOver { name, entry } => self.take_over(name, entry, tell),
            Action::Drop { name, by } => self.drop_journal(name, by),
            Action::Discard { name, revision } => {
                if self.discarding.insert(name) {
                    tokio::spawn(async move {
                        let is_done = discard(&registry, name, revision).await;
                        tell.send(Heard::Discarded(name, is_done)).await.ok();
                    });
                }
            }
            Action::CutOff => tracing::warn!("this node hears no other one, not even itself: is its network cut?"),
            Action::Connected => tracing::info!("this node hears others again"),
            // The loop ends with it.
            Action::Left => {}
        }
    }

    fn take_over(&self, name: JournalName, entry: Entry, tell: mpsc::Sender<Heard>) {
        let (cluster, adopter) = (self.cluster.clone(), self.adopter.clone());
        tokio::spawn(async move {
            // A member takes nothing before it serves.
            let Some(adopter) = adopter else { return };
            let taking = adopter.clone();
            let taken = tokio::task::spawn_blocking(move || taking.take_over(&cluster, name, &entry.node)).await;
            let (told, taken) = match taken.unwrap_or(Err(TakenOver::Unavailable)) {
                Ok(taken) => (TakenOver::Done { epoch: taken.epoch }, Some(taken)),
                Err(told) => (told, None),
            };
            tell.send(Heard::Taken(name, told)).await.ok();
            if let Some(taken) = taken {
                adopter.look_after(name, taken, tell).await;
            }
        });
    }

    fn drop_journal(&self, name: JournalName, by: Option<JournalName>) {
        if name == self.member.name() {
            let by = by.map_or_else(|| "nobody any more".to_owned(), |by| format!("the node with the journal {by}"));
            self.view.is_over(format!("the registry says that the journal {name} is for {by}"));
        } else if let Some(adopter) = self.adopter.clone() {
            tokio::spawn(async move { adopter.drop_journal(name).await });
        }
    }
}

/// Deletes a journal's stream and then its entry, and says whether both are gone.
async fn discard(registry: &Registry, name: JournalName, revision: u64) -> bool {
    if let Err(error) = registry.delete_stream(name).await {
        tracing::warn!(journal = %name, %error, "an empty journal's stream cannot be deleted: it is tried again");
        return false;
    }
    matches!(registry.forget(name.as_str(), revision).await, Update::Done { .. })
}
