//! What is simulated.

use std::time::Duration;

use clap::ValueEnum;
use lastword_cluster::Rules;

/// What is simulated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Nodes that serve.
    pub nodes: usize,
    /// Sessions that are active at any one time.
    pub sessions: usize,
    /// For how long, in virtual time. The fleet is drained afterwards.
    pub length: Duration,
    /// What all random choices are made of.
    pub seed: u64,
    /// What happens to the fleet.
    pub faults: Vec<Fault>,
    /// The mean time between two faults, in virtual time.
    pub every: Duration,
    /// How long a session lives on average.
    pub life: Duration,
    /// How long a node waits for the owners of active sessions, whose journal it has taken over or taken back, before it ends them. Here
    /// none of them comes.
    pub owner_grace: Duration,
    /// A mistake that has to be found.
    pub mutation: Option<Mutation>,
    /// Whether records, snapshots and replay are the real ones. That is for some thousand sessions.
    pub is_full: bool,
    /// From when on everything that happens is told.
    pub trace: Option<Duration>,
}

/// Something that happens to a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// A node's process is killed, and started again after 5 to 60 s
    Deaths,
    /// A node's process stands still for 0.5 to 30 s
    Pauses,
    /// A node has no connection for 0.2 to 60 s; half of what it sends meanwhile arrives later
    Cuts,
    /// A node's heartbeats are lost for 1 to 40 s; half of the time what the registry tells it is as late
    Mutes,
    /// A stream has no leader for 6 to 9 s: a node's, or the registry
    Leaders,
    /// A NATS server dies, with all leaders that it had, for 10 to 120 s; one time in four a second one beside it
    Servers,
    /// A NATS server is apart from the two others, with its clients, for 5 to 60 s
    Partitions,
    /// A NATS server's disk takes half a second on average for 5 to 40 s
    SlowDisks,
    /// Every node is drained and replaced by a newer program, one after the other
    Upgrades,
}

/// A mistake in what keeps ends from being lost. The simulation must find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mutation {
    /// Who takes a journal over writes no fence, and groups expect nothing of the stream: the registry alone says whose it is
    NoFence,
    /// A second group is sent before the first is acknowledged, as the fence's own check forbids
    TwoInFlight,
    /// A node is taken for dead after 3 s of silence
    #[value(name = "suspect-after-3s")]
    SuspectAfter3s,
}

impl Settings {
    /// A fleet with all faults.
    #[must_use]
    pub fn of(nodes: usize, sessions: usize, length: Duration, seed: u64) -> Self {
        Self {
            nodes,
            sessions,
            length,
            seed,
            faults: Fault::value_variants().to_vec(),
            every: Duration::from_secs(30),
            life: Duration::from_hours(1),
            owner_grace: Duration::ZERO,
            mutation: None,
            is_full: false,
            trace: None,
        }
    }

    /// A fleet in which a mutation is found soon: in two of five runs at least, each of less than 2 s.
    #[must_use]
    pub fn for_mutation(mutation: Mutation, seed: u64) -> Self {
        let fleet = |sessions, minutes, every, life| Self {
            every: Duration::from_secs(every),
            life: Duration::from_secs(life),
            mutation: Some(mutation),
            ..Self::of(6, sessions, Duration::from_mins(minutes), seed)
        };
        match mutation {
            // A fence has to come between two groups of a node that writes all the time and is not heard.
            Mutation::TwoInFlight => Self { faults: vec![Fault::Mutes], ..fleet(2_000, 6, 5, 3) },
            Mutation::NoFence | Mutation::SuspectAfter3s => fleet(500, 20, 8, 120),
        }
    }

    pub(crate) fn rules(&self) -> Rules {
        match self.mutation {
            Some(Mutation::SuspectAfter3s) => {
                Rules { silence: Duration::from_secs(3), still: Duration::from_millis(500), ..Rules::default() }
            }
            _ => Rules::default(),
        }
    }
}
