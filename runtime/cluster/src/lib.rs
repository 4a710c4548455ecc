//! Who is alive among the nodes of a cluster, and who takes a dead node's journal over.
//!
//! A node has a journal on a NATS JetStream stream, and an [`Entry`] for it in a registry that all nodes watch. A node that starts goes
//! on with the journal of its name, if there is one. It publishes a heartbeat each second. When a node falls silent, the others look
//! whether its stream still grows; if it does not, one of them writes itself into the registry as the one who has *adopted* the
//! journal, takes it over, and makes what is owed there.
//!
//! [`Member`] is one node's part in that. It does no I/O and has no clock: it is told what happened and when, and says what to do
//! ([`Action`]). So a program drives it over NATS, and `tests/simulation` drives a hundred of them through hours of faults in minutes.
//!
//! What it decides is *who should* have a journal. Who *can* write it, the stream decides: taking over begins with a fence, behind
//! which the stream refuses the one before. So a wrong decision here costs a node its journal, and ends its sessions as crashed; it never
//! loses an end.
//!
//! ```
//! use std::time::Duration;
//! use lastword_cluster::{Action, Cas, Member, MemberSettings, Rules};
//! use lastword_events::JournalName;
//!
//! let run = JournalName::from_random(*b"examples");
//! let settings = MemberSettings { run, node: "n1".into(), address: "10.0.0.1:7470".into(), format: 1, seed: 1 };
//! let mut member = Member::new(settings, Rules::default(), Duration::ZERO);
//! member.tick(Duration::ZERO);
//! assert_eq!(member.next_action(), Some(Action::Beat));
//! // The registry is empty: the journal is a new one.
//! member.listed(Duration::ZERO);
//! let Some(Action::Update { name, entry, expected: 0 }) = member.next_action() else { panic!("it enters the registry") };
//! member.answered(name, &entry, Cas::Done { revision: 1 }, Duration::from_millis(2));
//! assert_eq!(member.next_action(), Some(Action::Begin { name: run }));
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod action;
mod entry;
mod hearing;
mod member;
mod reach;
mod rules;

pub use action::{Action, Behind, Cas, StreamEnd, TakenOver};
pub use entry::{Entry, EntryState};
pub use member::{Member, MemberSettings, Seen};
pub use rules::Rules;
