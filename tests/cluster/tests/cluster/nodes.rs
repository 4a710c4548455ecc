//! Nodes as a program has them: each is the member machine with a registry and heartbeats. They have no journals; what is asked of those is
//! noted down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lastword_cluster::{Action, Cas, Entry, Member, MemberSettings, Rules, StreamEnd, TakenOver};
use lastword_cluster_tests::NatsCluster;
use lastword_events::JournalName;
use lastword_jetstream::{JetStreamJournal, Registry, StreamEnd as Found, Told, Update};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use crate::support::node;

/// What a node was seen to do and to hear.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Heartbeats, by whose.
    pub(crate) heard: BTreeMap<JournalName, usize>,
    /// Entries as the registry has them.
    pub(crate) entries: BTreeMap<JournalName, Entry>,
    /// Journals that it took over.
    pub(crate) taken: Vec<JournalName>,
    /// Whether it would be told to stop because its journal is another's.
    pub(crate) dropped: bool,
}

pub(crate) struct Node {
    pub(crate) name: JournalName,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Node {
    pub(crate) async fn start(servers: &NatsCluster, number: u64) -> Self {
        let name = JetStreamJournal::random_name();
        let registry = Registry::open(&node(servers, &format!("n{number}"))).await.unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let (node, address) = (format!("n{number}"), String::new());
        let settings = MemberSettings { run: name, node, address, format: 1, seed: number };
        let driver = Driver {
            began: Instant::now(),
            member: Member::new(settings, Rules::default(), Duration::ZERO),
            registry,
            seen: seen.clone(),
        };
        Self { name, seen, task: tokio::spawn(driver.run()) }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().clone()
    }

    /// As a process that is killed: it says nothing any more.
    pub(crate) fn kill(&self) {
        self.task.abort();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Driver {
    began: Instant,
    member: Member,
    registry: Registry,
    seen: Arc<Mutex<Seen>>,
}

impl Driver {
    async fn run(mut self) {
        let mut beats = Box::pin(self.registry.beats().await.unwrap());
        let mut watch = Box::pin(self.registry.watch::<Entry>().await.unwrap());
        self.member.tick(self.now());
        loop {
            self.act().await;
            tokio::select! {
                Some(beat) = beats.next() => {
                    let Ok(name) = beat.parse() else { continue };
                    *self.seen.lock().heard.entry(name).or_default() += 1;
                    self.member.heard(&name, self.now());
                }
                changed = watch.next() => match changed {
                    Some(Ok(Told::Anew)) => self.member.registry_is_new(self.now()),
                    Some(Ok(Told::Listed)) => {
                        self.member.listed(self.now());
                        self.member.adopts(self.now());
                    }
                    Some(Ok(Told::Entry(changed))) => {
                        let Ok(name) = changed.journal.parse() else { continue };
                        if let Some(entry) = &changed.entry {
                            self.seen.lock().entries.insert(name, entry.clone());
                        }
                        self.member.entry(name, changed.entry, changed.revision, self.now());
                    }
                    // It cannot go on: all entries are told again.
                    _ => {
                        if let Ok(again) = self.registry.watch::<Entry>().await {
                            watch = Box::pin(again);
                        }
                    }
                },
                () = sleep_until((self.began + self.member.wakes_at()).into()) => self.member.tick(self.now()),
            }
        }
    }

    async fn act(&mut self) {
        while let Some(action) = self.member.next_action() {
            match action {
                Action::Beat => self.registry.beat(&self.member.run().to_string()).await,
                Action::Begin { .. } => self.member.begun(1, self.now()),
                Action::Look { name } => {
                    let end = match self.registry.stream_end(name).await {
                        Found::At(sequence) => StreamEnd::At(sequence),
                        // It has none here, and it does not grow.
                        Found::Gone => StreamEnd::At(1),
                        Found::Unanswered => StreamEnd::Unanswered,
                    };
                    self.member.stream(&name, end, self.now());
                }
                Action::Update { name, entry, expected } => {
                    let cas = match self.registry.update(&name.to_string(), &entry, expected).await {
                        Update::Done { revision } => Cas::Done { revision },
                        Update::Refused => Cas::Refused,
                        Update::Unknown => Cas::Unknown,
                    };
                    self.member.answered(name, &entry, cas, self.now());
                }
                Action::TakeOver { name, .. } => {
                    self.seen.lock().taken.push(name);
                    self.member.taken(name, TakenOver::Done { epoch: 2 }, self.now());
                }
                Action::Drop { .. } => self.seen.lock().dropped = true,
                Action::Discard { name, .. } => self.member.discarded(name, true, self.now()),
                Action::Ready | Action::CutOff | Action::Connected | Action::Left => (),
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}
