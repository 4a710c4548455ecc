//! The times that a member goes by.

use std::time::Duration;

/// The times that a member goes by. The defaults were chosen from measurements of nats-server 2.15.1 with three servers, and are tried in
/// `tests/simulation`: docs/scale.md has both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Between two heartbeats. Default 1 s.
    pub beat: Duration,
    /// How long a node is silent before it is suspected, while others are heard. Default 6 s: five heartbeats may be lost, and a process
    /// that stood still for less than 5 s is not taken for dead.
    pub silence: Duration,
    /// For how long the stream of a silent node must stand still, and JetStream must have answered, before its journal is taken. Default
    /// 2.5 s: more than two heartbeats, so that a node whose own connection comes back hears the others before it accuses them. It is part
    /// of `silence`, and adds nothing to it unless JetStream has no leader.
    pub still: Duration,
    /// How long a node may be silent whose stream still grows. Default 20 s.
    pub growing: Duration,
    /// How long a member may hear nothing at all, itself included, before it trusts nothing that it has heard until then. Default 3 s.
    pub deaf: Duration,
    /// The longest random wait before a silent node's journal is taken, so that survivors do not all ask at once. Default 1 s.
    pub spread: Duration,
    /// The same for a journal that nobody has because its node has left. Default 300 ms.
    pub leaving_spread: Duration,
    /// How many members try first to take a journal. Default 3; which three, the names decide, so that the journals of several dead nodes are
    /// spread over the survivors.
    pub first: usize,
    /// How much later each further `first` members try. Default 2 s.
    pub next: Duration,
    /// After how long what was not answered, or refused, is asked again. Default 1 s.
    pub again: Duration,
    /// How long an answer is waited for. Default 2 s.
    pub answer: Duration,
    /// How long an entry says *empty* before others delete what is left of it. Default 60 s.
    pub cleaning: Duration,
    /// How many journals of others a member has at once; what is beyond that waits for another member, or until one is done. Default 16: the
    /// state of each is in memory.
    pub most_adopted: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            beat: Duration::from_secs(1),
            silence: Duration::from_secs(6),
            still: Duration::from_millis(2_500),
            growing: Duration::from_secs(20),
            deaf: Duration::from_secs(3),
            spread: Duration::from_secs(1),
            leaving_spread: Duration::from_millis(300),
            first: 3,
            next: Duration::from_secs(2),
            again: Duration::from_secs(1),
            answer: Duration::from_secs(2),
            cleaning: Duration::from_mins(1),
            most_adopted: 16,
        }
    }
}

impl Rules {
    /// How long a silent node is only listened for. From then on its stream is looked at.
    pub(crate) fn listening(&self) -> Duration {
        self.silence.saturating_sub(self.still + self.beat / 2)
    }
}
