//! Nodes as a program has them: each is the member machine with a registry and heartbeats. They have no journals; what is asked of those is
//! noted down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lastword_cluster::{Action, Cas, Entry, Member, MemberSettings, Rules, StreamEnd, TakenOver};
use lastword_cluster_tests::{NatsCluster, look_for};
use lastword_events::JournalName;
use lastword_jetstream::{Cluster, JetStreamJournal, Registry, StreamEnd as Found, Told, Update};
use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep_until};

use crate::support::node;

/// Between two tries to read the registry.
const WATCH_AGAIN: Duration = Duration::from_millis(500);

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
        Self::start_as(&node(servers, &format!("n{number}")), number).await
    }

    /// The same, with connections as this says.
    pub(crate) async fn start_as(cluster: &Cluster, number: u64) -> Self {
        let name = JetStreamJournal::random_name();
        let registry = Arc::new(Registry::open(cluster).await.unwrap());
        let (tell, told) = unbounded_channel();
        let seen = Arc::<Mutex<Seen>>::default();
        let (node, address) = (format!("n{number}"), String::new());
        let settings = MemberSettings { run: name, node, address, format: 1, seed: number };
        let driver = Driver {
            began: Instant::now(),
            member: Member::new(settings, Rules::default(), Duration::ZERO),
            registry,
            seen: seen.clone(),
            tell,
            told,
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

/// Waits until each of them has heard so many more heartbeats of each.
#[track_caller]
pub(crate) fn all_hear_all(nodes: &[Node], more: usize) {
    let heard = |node: &Node| node.seen().heard;
    let count = |heard: &BTreeMap<JournalName, usize>, name| heard.get(name).copied().unwrap_or(0);
    let before: Vec<_> = nodes.iter().map(heard).collect();
    look_for("heartbeats", || {
        let all = nodes.iter().zip(&before).all(|(node, before)| {
            let now = heard(node);
            nodes.iter().all(|other| count(&now, &other.name) >= count(before, &other.name) + more)
        });
        all.then_some(())
    });
}

/// Nobody has taken anything over, and nobody has lost anything.
#[track_caller]
pub(crate) fn nobody_was_taken_for_dead(nodes: &[Node]) {
    for node in nodes {
        let seen = node.seen();
        assert!(seen.taken.is_empty() && !seen.dropped, "{seen:?}");
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
    registry: Arc<Registry>,
    seen: Arc<Mutex<Seen>>,
    tell: UnboundedSender<Answer>,
    told: UnboundedReceiver<Answer>,
}

/// What servers have answered, or not. Heartbeats wait for none.
enum Answer {
    Looked(JournalName, StreamEnd),
    Updated(JournalName, Entry, Cas),
    Told(Told<Entry>),
}

/// Tells of the registry's entries until nobody listens any more. What cannot go on is begun again, and tells all of them again.
async fn watch(registry: Arc<Registry>, tell: UnboundedSender<Answer>) {
    let mut again = interval(WATCH_AGAIN);
    while !tell.is_closed() {
        again.tick().await;
        let Ok(watch) = registry.watch::<Entry>().await else { continue };
        let mut watch = Box::pin(watch);
        while let Some(Ok(told)) = watch.next().await {
            tell.send(Answer::Told(told)).ok();
        }
    }
}

impl Driver {
    async fn run(mut self) {
        let mut beats = Box::pin(self.registry.beats().await.unwrap());
        tokio::spawn(watch(self.registry.clone(), self.tell.clone()));
        self.member.tick(self.now());
        loop {
            self.act().await;
            tokio::select! {
                Some(beat) = beats.next() => {
                    let Ok(name) = beat.parse() else { continue };
                    *self.seen.lock().heard.entry(name).or_default() += 1;
                    self.member.heard(&name, self.now());
                }
                Some(answer) = self.told.recv() => self.hear(answer),
                () = sleep_until((self.began + self.member.wakes_at()).into()) => self.member.tick(self.now()),
            }
        }
    }

    fn hear(&mut self, answer: Answer) {
        let now = self.now();
        match answer {
            Answer::Looked(name, end) => self.member.stream(&name, end, now),
            Answer::Updated(name, entry, cas) => self.member.answered(name, &entry, cas, now),
            Answer::Told(Told::Anew) => self.member.registry_is_new(now),
            Answer::Told(Told::Listed) => {
                self.member.listed(now);
                self.member.adopts(now);
            }
            Answer::Told(Told::Entry(changed)) => {
                let Ok(name) = changed.journal.parse() else { return };
                if let Some(entry) = &changed.entry {
                    self.seen.lock().entries.insert(name, entry.clone());
                }
                self.member.entry(name, changed.entry, changed.revision, now);
            }
        }
    }

    async fn act(&mut self) {
        while let Some(action) = self.member.next_action() {
            let (registry, tell) = (self.registry.clone(), self.tell.clone());
            match action {
                Action::Beat => registry.beat(&self.member.run().to_string()).await,
                Action::Begin { .. } => self.member.begun(1, self.now()),
                Action::Look { name } => {
                    tokio::spawn(async move {
                        let end = match registry.stream_end(name).await {
                            Found::At(sequence) => StreamEnd::At(sequence),
                            // It has none here, and it does not grow.
                            Found::Gone => StreamEnd::At(1),
                            Found::Unanswered => StreamEnd::Unanswered,
                        };
                        tell.send(Answer::Looked(name, end)).ok();
                    });
                }
                Action::Update { name, entry, expected } => {
                    tokio::spawn(async move {
                        let cas = match registry.update(&name.to_string(), &entry, expected).await {
                            Update::Done { revision } => Cas::Done { revision },
                            Update::Refused => Cas::Refused,
                            Update::Unknown => Cas::Unknown,
                        };
                        tell.send(Answer::Updated(name, entry, cas)).ok();
                    });
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
