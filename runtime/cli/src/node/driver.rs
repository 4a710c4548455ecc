//! Drives this node's part in the cluster: tells the member what happens, and carries out what it decides.
//!
//! Whatever waits for a server or for a disk is a task of its own, so that nothing holds up the heartbeats.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lastword_cluster::{Action, Behind, Cas, Entry, EntryState, Member, StreamEnd, TakenOver};
use lastword_events::JournalName;
use lastword_jetstream::{Cluster, ClusterError, JetStreamJournal, Registry, StreamEnd as End, Update};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::adopter::{Adopter, let_go, not_taken};
use super::view::View;
use super::{listening, states};

/// What the driver hears of its tasks.
pub(super) enum Heard {
    /// A heartbeat of a run.
    Beat(JournalName),
    /// The registry was made anew.
    Anew,
    /// Whatever the registry has was told.
    Listed,
    Entry {
        name: JournalName,
        entry: Option<Entry>,
        revision: u64,
    },
    Looked(JournalName, StreamEnd),
    Answered(JournalName, Entry, Cas),
    Begun(Result<Arc<JetStreamJournal>, ClusterError>),
    /// The own journal, which the node had before it started.
    GoesOn(Result<Arc<JetStreamJournal>, ClusterError>),
    /// What came of taking over a journal of another, and whether that was still wanted.
    Taken(JournalName, TakenOver, Arc<AtomicBool>),
    Discarded(JournalName, bool),
    /// Whether only an operator can do anything in an adopted journal that is written behind this epoch.
    SetAside(JournalName, u64, bool),
    /// Nothing is left to do in an adopted journal, but plugins have stored something in it. The epoch behind which it was written, as
    /// in what follows: meanwhile it may have been adopted anew.
    Rests(JournalName, u64),
    /// Nothing is left to do in an adopted journal.
    Emptied(JournalName, u64),
    /// An adopted journal is another node's, or has to be taken over once more.
    Fenced(JournalName, u64),
}

/// What the program asks for.
pub(super) enum Order {
    /// The own runtime serves: journals of others may be taken over from now on.
    Serve(Arc<Adopter>),
    /// This node leaves. What it has is on record, and for the others; of the own journal that is left.
    Leave(Behind),
    /// The program does not wait for the own journal any longer.
    GiveUp,
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
    /// The own journal, which the registry does not know to be served yet.
    pub(super) opened: Option<Arc<JetStreamJournal>>,
    /// Why it could not be opened.
    pub(super) failure: Option<ClusterError>,
    /// Is told of the own journal.
    pub(super) begun: Option<oneshot::Sender<Result<Arc<JetStreamJournal>, ClusterError>>>,
    pub(super) adopter: Option<Arc<Adopter>>,
    /// Journals that are being taken over, and whether that is still wanted. Nobody is fenced and nothing is served otherwise.
    pub(super) taking: HashMap<JournalName, Arc<AtomicBool>>,
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
        tokio::spawn(listening::sweep(self.registry.clone(), self.tell.clone()));
        loop {
            if self.now() >= self.member.wakes_at() {
                let now = self.now();
                self.member.tick(now);
                self.view.knows(&self.member, now);
            }
            while let Some(action) = self.member.next_action() {
                if matches!(action, Action::Left) {
                    // A program that still waits for its journal does not get one.
                    let name = self.member.name();
                    let failure = self.failure.take().unwrap_or(ClusterError::TakenByAnother(name));
                    self.has_begun(Err(failure));
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
            Heard::Beat(run) => self.member.heard(&run, now),
            Heard::Entry { name, entry, revision } => {
                self.member.entry(name, entry, revision, now);
                // A node that has just become ready knows the others by what it hears now.
                self.view.knows(&self.member, now);
            }
            Heard::Looked(name, end) => self.member.stream(&name, end, now),
            Heard::Answered(name, entry, cas) => self.member.answered(name, &entry, cas, now),
            Heard::Begun(Ok(journal)) => {
                let epoch = journal.status().epoch;
                self.opened = Some(journal);
                self.member.begun(epoch, now);
            }
            Heard::Begun(Err(error)) => {
                // The registry has it, and there is nothing in it.
                self.failure = Some(error);
                self.member.leave(Behind::Nothing, now);
            }
            Heard::GoesOn(opened) => self.goes_on(opened, now),
            Heard::Taken(name, taken, is_wanted) => {
                // What became of an earlier try says nothing of the one that is wanted now.
                let is_wanted = is_wanted.load(Ordering::Relaxed);
                if is_wanted {
                    self.taking.remove(&name);
                }
                let is_kept = is_wanted && self.member.taken(name, taken, now);
                match taken {
                    TakenOver::Done { .. } if is_kept => self.view.has_adopted(),
                    // Meanwhile it has become another's, or this node leaves.
                    TakenOver::Done { epoch } => {
                        let adoption = self.adopter.as_ref().and_then(|adopter| adopter.adopted.remove(name, epoch));
                        if let Some(adoption) = adoption {
                            tokio::spawn(let_go(name, adoption));
                        }
                    }
                    _ => {}
                }
            }
            Heard::Anew => {
                tracing::error!(
                    "the registry of the nodes was deleted: this node enters again, with the journals that it has"
                );
                self.member.registry_is_new(now);
            }
            Heard::Listed => self.member.listed(now),
            Heard::SetAside(name, epoch, is_set_aside) => self.member.set_aside(name, epoch, is_set_aside),
            Heard::Rests(name, epoch) => self.member.rests(name, epoch, now),
            Heard::Discarded(name, is_done) => {
                self.discarding.remove(&name);
                self.member.discarded(name, is_done, now);
            }
            Heard::Emptied(name, epoch) => self.member.emptied(name, epoch, now),
            Heard::Fenced(name, epoch) => self.member.fenced(name, epoch, now),
        }
    }

    fn follow(&mut self, order: Order) {
        let now = self.now();
        match order {
            Order::Serve(adopter) => {
                self.adopter = Some(adopter);
                self.member.adopts(now);
            }
            Order::Leave(behind) => {
                self.wants_nothing_more();
                self.member.leave(behind, now);
            }
            Order::GiveUp => {
                self.wants_nothing_more();
                // A new journal has nothing, and whatever the node had before is for the others.
                let is_new = self.member.name() == self.member.run();
                self.member.leave(if is_new { Behind::Nothing } else { Behind::Owed }, now);
            }
        }
    }

    /// The own journal of before was taken over, or could not be.
    fn goes_on(&mut self, opened: Result<Arc<JetStreamJournal>, ClusterError>, now: Duration) {
        let name = self.member.name();
        if matches!(opened, Err(ClusterError::NotWanted(_))) {
            return;
        }
        self.taking.remove(&name);
        let taken = match &opened {
            Ok(journal) => TakenOver::Done { epoch: journal.status().epoch },
            Err(error) => not_taken(name, self.view.node(), error),
        };
        match opened {
            // Kept until the member has decided: it says that it is ready only behind that.
            Ok(journal) => self.opened = Some(journal),
            Err(error) => self.failure = Some(error),
        }
        if !self.member.taken(name, taken, now) {
            self.opened = None;
        }
        if taken == TakenOver::Unavailable {
            // The servers were asked for long enough. Whoever starts this program again tries again; meanwhile others may.
            self.member.leave(Behind::Owed, now);
        }
    }

    /// Tells the program of its journal, once.
    fn has_begun(&mut self, begun: Result<Arc<JetStreamJournal>, ClusterError>) {
        if let Some(tell) = self.begun.take() {
            tell.send(begun).ok();
        }
    }

    fn carry_out(&mut self, action: Action) {
        let (registry, tell) = (self.registry.clone(), self.tell.clone());
        match action {
            Action::Beat => {
                let run = self.member.run();
                tokio::spawn(async move { registry.beat(run.as_str()).await });
            }
            Action::Ready => {
                if let Some(journal) = self.opened.take() {
                    // Whoever asks from now on finds this node.
                    self.view.knows(&self.member, self.now());
                    self.has_begun(Ok(journal));
                }
            }
            Action::Begin { name } => {
                let cluster = self.cluster.clone();
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
                tell_of_loss(name, &entry);
                tokio::spawn(async move {
                    let cas = match registry.update(name.as_str(), &entry, expected).await {
                        Update::Done { revision } => Cas::Done { revision },
                        Update::Refused => Cas::Refused,
                        Update::Unknown => Cas::Unknown,
                    };
                    tell.send(Heard::Answered(name, entry, cas)).await.ok();
                });
            }
            Action::TakeOver { name, .. } if name == self.member.name() => {
                let (cluster, is_wanted) = (self.cluster.clone(), self.wants(name));
                tokio::task::spawn_blocking(move || {
                    let is_wanted = move || is_wanted.load(Ordering::Relaxed);
                    let opened = JetStreamJournal::take_over_if(&cluster, name, is_wanted).map(Arc::new);
                    tell.blocking_send(Heard::GoesOn(opened)).ok();
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

    /// From now on this journal is wanted, and whatever was begun before to take it over is not.
    fn wants(&mut self, name: JournalName) -> Arc<AtomicBool> {
        let is_wanted = Arc::new(AtomicBool::new(true));
        if let Some(before) = self.taking.insert(name, is_wanted.clone()) {
            before.store(false, Ordering::Relaxed);
        }
        is_wanted
    }

    /// This node leaves: what is being taken over is for the others.
    fn wants_nothing_more(&mut self) {
        for (_, is_wanted) in self.taking.drain() {
            is_wanted.store(false, Ordering::Relaxed);
        }
    }

    fn take_over(&mut self, name: JournalName, entry: Entry, tell: mpsc::Sender<Heard>) {
        let (cluster, adopter) = (self.cluster.clone(), self.adopter.clone());
        let is_wanted = self.wants(name);
        tokio::spawn(async move {
            // A member takes nothing before it serves.
            let Some(adopter) = adopter else { return };
            let (taking, wanted) = (adopter.clone(), is_wanted.clone());
            let take_over = move || taking.take_over(&cluster, name, &entry.node, &wanted);
            let taken = tokio::task::spawn_blocking(take_over).await;
            let (told, taken) = match taken.unwrap_or(Err(TakenOver::Unavailable)) {
                Ok(taken) => (TakenOver::Done { epoch: taken.epoch }, Some(taken)),
                Err(told) => (told, None),
            };
            tell.send(Heard::Taken(name, told, is_wanted)).await.ok();
            if let Some(taken) = taken {
                adopter.look_after(name, taken, tell).await;
            }
        });
    }

    fn drop_journal(&mut self, name: JournalName, by: Option<JournalName>) {
        if let Some(is_wanted) = self.taking.remove(&name) {
            is_wanted.store(false, Ordering::Relaxed);
        }
        if name == self.member.name() {
            // The run is over with it.
            self.wants_nothing_more();
            let by = by.map_or_else(|| "nobody any more".to_owned(), |by| self.node_of(by));
            self.view.is_over(format!("the registry says that the journal {name} is for {by}"));
        } else if let Some(adoption) = self.adopter.as_ref().and_then(|adopter| adopter.adopted.remove_any(name)) {
            tokio::spawn(let_go(name, adoption));
        }
    }

    /// The node of a run, as a message names it.
    fn node_of(&self, run: JournalName) -> String {
        let entries = self.member.journals(self.now()).map(|seen| (seen.name, seen.entry));
        let node = states::runs(entries).get(&run).map(|node| format!("the node {node}"));
        node.unwrap_or_else(|| format!("the run {run} of a node"))
    }
}

/// Tells operators of a journal that nobody can have.
fn tell_of_loss(name: JournalName, entry: &Entry) {
    let node = &entry.node;
    match entry.state {
        EntryState::Lost => tracing::error!(
            %node,
            journal = %name,
            "the servers have no stream of a journal that they had: what was owed in it is lost unless they are restored; nothing is deleted"
        ),
        EntryState::Damaged => tracing::error!(
            %node,
            journal = %name,
            "a journal cannot be read: it is left as it is, and what is owed in it is not made"
        ),
        _ => {}
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
