//! The node, as the daemon holds it.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use futures_util::future::join_all;
use lastword::{Journal, Paused, Runtime};
use lastword_cluster::{Behind as Left, Member, MemberSettings, Rules};
use lastword_config::JetStream;
use lastword_jetstream::record::FORMAT;
use lastword_jetstream::{Cluster, JetStreamJournal, Registry};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{timeout, timeout_at};

use super::adopted_slots::AdoptedSlots;
use super::adopter::{Adopter, owes_nothing};
use super::driver::{Driver, Order};
use super::view::View;
use super::{Adopted, Behind, Beside, Over, Parts, settings};
use crate::exit::Failure;
use crate::journal::unusable;
use crate::limits::{JOIN_WITHIN, MAX_HEARD, NOT_JOINED_LEAVES};

/// A node that is in the registry, with a journal that has begun.
pub(crate) struct Node {
    journal: Arc<JetStreamJournal>,
    view: Arc<View>,
    adopted: Arc<Adopted>,
    parts: Parts,
    orders: mpsc::UnboundedSender<Order>,
    io_runtime: Handle,
    /// Whether the others are told what this node leaves.
    has_left: AtomicBool,
}

impl Node {
    /// Joins the cluster: the servers prove what they have to, the registry learns of this node, and its journal begins, or goes
    /// on if there is one of this node's name. Blocks: call it outside of tasks.
    ///
    /// # Errors
    /// When the servers cannot be reached, do not prove that they keep what they acknowledge, or refuse the journal; when a node of
    /// the same name lives.
    pub(crate) fn join(
        said: &JetStream,
        parts: Parts,
        adopted: Arc<Adopted>,
        io_runtime: &Handle,
    ) -> Result<Self, Failure> {
        let node = settings::node(said);
        let cluster = Cluster::new(settings::cluster(said), &node).map_err(Failure::usage)?;
        let registry = io_runtime.block_on(Registry::open(&cluster)).map_err(unusable)?;
        let member = MemberSettings {
            run: JetStreamJournal::random_name(),
            node: node.clone(),
            address: said.address.clone().unwrap_or_default(),
            format: FORMAT,
            seed: RandomState::new().build_hasher().finish(),
        };
        let most_adopted = usize::try_from(parts.most_adopted.get()).unwrap_or(usize::MAX);
        let most_set_aside = usize::try_from(parts.most_set_aside).unwrap_or(usize::MAX);
        let rules = Rules { most_adopted, most_set_aside, ..Rules::default() };
        let view = Arc::new(View::new(node, adopted.clone()));
        let (tell_begun, begun) = oneshot::channel();
        let (orders, ordered) = mpsc::unbounded_channel();
        let (tell, heard) = mpsc::channel(MAX_HEARD);
        let driver = Driver {
            member: Member::new(member, rules, Duration::ZERO),
            began: Instant::now(),
            cluster,
            registry: Arc::new(registry),
            view: view.clone(),
            orders: ordered,
            heard,
            tell,
            opened: None,
            failure: None,
            begun: Some(tell_begun),
            adopter: None,
            taking: HashMap::new(),
            discarding: HashSet::new(),
        };
        io_runtime.spawn(driver.run());
        let begun = io_runtime.block_on(async { timeout(JOIN_WITHIN, begun).await });
        let journal = match begun {
            Ok(Ok(Ok(journal))) => journal,
            failed => {
                let failure = match failed {
                    Ok(Ok(Err(error))) => unusable(error),
                    Ok(_) => Failure::internal(anyhow!("the node's task ended before it began")),
                    Err(_) => not_begun(&view),
                };
                // The registry should not tell others of a node that never was, nor the servers keep room for its journal.
                orders.send(Order::GiveUp).ok();
                io_runtime.block_on(async { timeout(NOT_JOINED_LEAVES, view.left()).await.ok() });
                return Err(failure);
            }
        };
        view.begins(journal.clone());
        let has_left = AtomicBool::new(false);
        Ok(Self { journal, view, adopted, parts, orders, io_runtime: io_runtime.clone(), has_left })
    }

    /// The journal of this run.
    pub(crate) fn journal(&self) -> Arc<dyn Journal> {
        self.journal.clone()
    }

    /// What the server is told of the cluster.
    pub(crate) fn cluster(&self) -> Arc<dyn lastword_server::Cluster> {
        self.view.clone()
    }

    /// The own runtime serves: journals of others may be taken over from now on.
    pub(crate) fn serve(&self, beside: Beside) {
        let adopter = Adopter { beside, slots: AdoptedSlots::new(self.parts), adopted: self.adopted.clone() };
        self.orders.send(Order::Serve(Arc::new(adopter))).ok();
    }

    /// Resolves with the reason when the journal of this run is another node's, or takes nothing more.
    pub(crate) async fn is_over(&self) -> Over {
        self.view.ended().await
    }

    /// Takes no journal over from now on, and begins no call of those that were taken over while what is returned lives: the
    /// node leaves, and its own sessions have the time. Ends of adopted sessions are still recorded.
    pub(crate) fn stop_adopting(&self) -> Vec<Paused> {
        let pause_all = |runtime: Runtime| -> Vec<Paused> {
            runtime.plugins().iter().filter_map(|plugin| runtime.pause(&plugin.key())).collect()
        };
        self.adopted.close().into_iter().flat_map(pause_all).collect()
    }

    /// Lets go of the adopted journals, within the budget that began then. What is left in them is for the next node.
    pub(crate) fn detach_adopted(&self, began: Instant) -> JoinHandle<()> {
        let detaching: Vec<_> = self.adopted.close().iter().map(|runtime| runtime.detach_since(began)).collect();
        self.io_runtime.spawn(async move {
            for detached in join_all(detaching).await {
                match detached {
                    Ok(left) => tracing::info!(
                        sessions = left.sessions,
                        owed = left.owed,
                        "an adopted journal is left to others"
                    ),
                    Err(error) => tracing::warn!(%error, "the last outcomes of an adopted journal are not on record"),
                }
            }
        })
    }

    /// Whether the journal of this run has nothing that another node would have to do. Ask it when the run is over.
    pub(crate) fn owes_nothing(&self) -> bool {
        owes_nothing(&self.journal)
    }

    /// Tells the others that this node leaves, so that they take over at once what it leaves behind. Waits for the
    /// registry until then. A node that nobody heard of any more is noticed by its silence.
    pub(crate) async fn leave(&self, behind: Behind, until: Instant) {
        self.has_left.store(true, Ordering::Relaxed);
        let left = match behind {
            Behind::Owed => Left::Owed,
            Behind::NothingOwed => nothing_owed(&self.journal),
            Behind::Successor => Left::Successor,
        };
        self.orders.send(Order::Leave(left)).ok();
        if timeout_at(until.into(), self.view.left()).await.is_err() {
            tracing::info!(
                "the registry did not answer in time: the others notice by the silence that this node is gone"
            );
        }
    }
}

impl Drop for Node {
    /// A program that could not begin to serve leaves its journal to the others, or takes it away if nothing is in it. Otherwise each
    /// start that fails would leave a stream behind, for which the servers keep room.
    fn drop(&mut self) {
        if self.has_left.swap(true, Ordering::Relaxed) {
            return;
        }
        let (journal, orders, view) = (self.journal.clone(), self.orders.clone(), self.view.clone());
        let (done, is_done) = channel();
        self.io_runtime.spawn(async move {
            // Whoever still has it can add nothing from here on.
            let is_written = journal.release().await.is_ok();
            let left = if is_written && owes_nothing(&journal) { nothing_owed(&journal) } else { Left::Owed };
            orders.send(Order::Leave(left)).ok();
            view.left().await;
            done.send(()).ok();
        });
        // Not in a task: this may be one of another runtime.
        is_done.recv_timeout(NOT_JOINED_LEAVES).ok();
    }
}

/// What is left in a journal in which nothing is owed. An owner may send an end again that was on record a moment ago, so another node
/// keeps the journal until such an end would be taken for a new one anyway, and deletes it then.
fn nothing_owed(journal: &JetStreamJournal) -> Left {
    if journal.has_values() {
        Left::Values
    } else if journal.has_recent_ends() {
        Left::Owed
    } else {
        Left::Nothing
    }
}

/// Why a node has no journal yet although it has waited.
fn not_begun(view: &View) -> Failure {
    let (node, seconds) = (view.node(), JOIN_WITHIN.as_secs());
    unusable(match view.waits_for() {
        Some((run, journal)) => anyhow!(
            "a node called {node} lives: its run {run} has the journal {journal}, and was heard again and again for {seconds} s; \
             give each node a name of its own (`node` in [journal.jetstream]), or stop that one"
        ),
        None => anyhow!(
            "the registry of the nodes took no entry for {seconds} s: has JetStream a leader, and the account room?"
        ),
    })
}
