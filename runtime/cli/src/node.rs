//! A node of a cluster: a daemon whose journal is a stream on NATS servers. It tells the other nodes that it lives, and
//! takes over the journals of those that do not.
//!
//! `lastword_cluster::Member` decides, and [`driver`] carries out what it decides over `lastword_jetstream`. What is
//! taken over gets a second runtime ([`adopter`]), which ends when nothing is left to do in it.

mod adopted;
mod parts;

#[cfg(feature = "jetstream")]
mod adopted_slots;
#[cfg(feature = "jetstream")]
mod adopter;
#[cfg(feature = "jetstream")]
mod division;
#[cfg(feature = "jetstream")]
mod driver;
#[cfg(feature = "jetstream")]
mod give_up;
#[cfg(feature = "jetstream")]
mod handle;
#[cfg(feature = "jetstream")]
mod inspect;
#[cfg(feature = "jetstream")]
mod listening;
#[cfg(feature = "jetstream")]
mod progress_line;
#[cfg(feature = "jetstream")]
mod settings;
#[cfg(feature = "jetstream")]
mod states;
#[cfg(feature = "jetstream")]
mod view;

#[cfg(not(feature = "jetstream"))]
mod left_out;

pub(crate) use adopted::Adopted;
#[cfg(feature = "jetstream")]
pub(crate) use give_up::give_up;
#[cfg(feature = "jetstream")]
pub(crate) use handle::Node;
#[cfg(feature = "jetstream")]
pub(crate) use inspect::{check_journals, export_journals};
#[cfg(not(feature = "jetstream"))]
pub(crate) use left_out::{Node, check_journals, export_journals, give_up};
pub(crate) use parts::Parts;

use std::time::Duration;

use lastword::{Builder, Runtime, Sandbox, TenantQuota};

/// Why the run of a node is over although nobody has ended it, with a sentence for its log.
#[cfg_attr(not(feature = "jetstream"), allow(dead_code, reason = "only a node of a cluster makes one"))]
#[derive(Debug)]
pub(crate) enum Over {
    /// Another node has the journal, ends its sessions and makes what is owed.
    Taken(String),
    /// The servers have lost a part of the journal that they had acknowledged: no node may ever make what was in it.
    Lost(String),
    /// The journal's thread has ended by itself, which is a defect.
    Defect(String),
}

/// What a node that leaves has left in its own journal.
#[cfg_attr(not(feature = "jetstream"), allow(dead_code, reason = "only a node of a cluster leaves one"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Something is owed, or sessions are active: other nodes go on with it at once.
    Owed,
    /// Nothing is owed. What plugins have stored stays.
    NothingOwed,
    /// Whatever it is, the next run of this node goes on with it, and others only when that does not come.
    Successor,
}

/// What the runtimes of adopted journals are made of, beside what the own runtime has installed.
#[cfg_attr(not(feature = "jetstream"), allow(dead_code, reason = "only a node of a cluster reads it"))]
pub(crate) struct Beside {
    /// The own runtime.
    pub(crate) own: Runtime,
    /// Its sandbox.
    pub(crate) sandbox: Sandbox,
    /// Adds the observers.
    pub(crate) observed: Box<dyn Fn(Builder) -> Builder + Send + Sync>,
    /// The quota of every tenant without one of its own.
    pub(crate) quota: TenantQuota,
    /// The time for which owners may come back for the sessions of a dead node.
    pub(crate) grace: Duration,
    /// The budget of calls under way when this node leaves.
    pub(crate) budget: Duration,
}
