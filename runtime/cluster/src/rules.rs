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
    /// For how long the stream of a silent node must not have been seen to grow, and JetStream must have answered, before its journal is
    /// taken. Default 2.5 s: more than two heartbeats, so that a node whose own connection comes back hears the others before it accuses
    /// them. It is part of `silence`, and adds nothing to it unless JetStream did not answer.
    pub still: Duration,
    /// How many streams of others are asked for beside the own one when that of a silent node does not answer: an answer of one says that
    /// only the other has no leader. Such a stream does not grow either. Default 3: when a server dies, a third of all streams is without
    /// a leader for a while.
    pub witnesses: usize,
    /// How long a node may be silent whose stream still grows. Default 20 s.
    pub growing: Duration,
    /// How long a member may hear nothing at all, itself included, before it trusts nothing that it has heard until then. Default 3 s.
    pub deaf: Duration,
    /// The longest random wait before a silent node's journal is taken, so that survivors do not all ask at once. Default 500 ms: of those
    /// that try `first` hardly two ask within the milliseconds that the registry takes, and who is refused has lost nothing.
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
    /// How many journals of others beyond `most_adopted` a member has in which an operator has to decide first. Default 16.
    pub most_set_aside: usize,
    /// How long a node that starts again listens for the run that has its journal, before it goes on with it. Default 3 s: two heartbeats
    /// may be lost.
    pub rejoin: Duration,
    /// For how long, and how often, a stream must not be there before it is believed. Default 10 s and 3: a server that has just started
    /// may not know of it yet.
    pub gone: Duration,
    /// See `gone`.
    pub gone_answers: u32,
    /// The longest wait between two tries to take a journal over. Default 5 min; the first is `again`, and each is twice the one before.
    pub slowest: Duration,
    /// After how many tries without an answer of JetStream a member leaves another's journal to the others, for `slowest`. Default 3: one
    /// or two may fall into an election of the stream's leader, which goes by for everybody.
    pub unavailable: u32,
    /// How much longer a journal is waited for of which several in a row have fallen silent: for the second in a row twice this, for the
    /// third four times, and so on, at most `longest_patience`. One whom something in the journal may not have killed (`soon`) does not
    /// count. Default 1 min: so what is deadly in a journal does not go through all nodes.
    ///
    /// A delivery that kills each process that makes it is owed until it is made, so whoever has the journal next makes it within seconds.
    /// Such a journal kills four nodes in its first ten minutes, its own one included: at once, and after 7 s, 2 min and 6 min. What kills
    /// later than `soon` each time, behind a retry's wait perhaps, kills five.
    pub patience: Duration,
    /// See `patience`. Default 15 min.
    pub longest_patience: Duration,
    /// Who falls silent later than this after it got a journal may have died of anything: what was owed there has been made by then, as a
    /// rule. That is counted, and the wait for the next one is longer, but its own journals are waited for as if one fewer had fallen silent.
    /// Default 30 s: where each node dies once in 100 min, less than one in a hundred does so again within that, and one in ten within
    /// `settled`.
    pub soon: Duration,
    /// How long somebody has a journal before nothing in it is taken for deadly any more. Default 10 min: longer than the longest wait of a
    /// retry, which is 5 min unless an embedder sets another.
    pub settled: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            beat: Duration::from_secs(1),
            silence: Duration::from_secs(6),
            still: Duration::from_millis(2_500),
            witnesses: 3,
            growing: Duration::from_secs(20),
            deaf: Duration::from_secs(3),
            spread: Duration::from_millis(500),
            leaving_spread: Duration::from_millis(300),
            first: 3,
            next: Duration::from_secs(2),
            again: Duration::from_secs(1),
            answer: Duration::from_secs(2),
            cleaning: Duration::from_mins(1),
            most_adopted: 16,
            most_set_aside: 16,
            rejoin: Duration::from_secs(3),
            gone: Duration::from_secs(10),
            gone_answers: 3,
            slowest: Duration::from_mins(5),
            unavailable: 3,
            patience: Duration::from_mins(1),
            longest_patience: Duration::from_mins(15),
            soon: Duration::from_secs(30),
            settled: Duration::from_mins(10),
        }
    }
}

impl Rules {
    /// How long a silent node is only listened for. From then on its stream is looked at.
    pub(crate) fn listening(&self) -> Duration {
        self.silence.saturating_sub(self.still + self.beat / 2)
    }

    /// How much longer a silent keeper is waited for, if so many in a row fell silent before it and it had the journal for so long.
    pub(crate) fn patience(&self, deaths: u32, had_for: Duration) -> Duration {
        match deaths.saturating_sub(u32::from(had_for > self.soon)) {
            0 => Duration::ZERO,
            deaths => self.patience.saturating_mul(2_u32.saturating_pow(deaths)).min(self.longest_patience),
        }
    }

    /// The wait after so many tries that did not succeed.
    pub(crate) fn pause(&self, tries: u32) -> Duration {
        self.again.saturating_mul(2_u32.saturating_pow(tries)).min(self.slowest)
    }

    /// Two answers that are further apart are not about one period.
    pub(crate) fn steady(&self) -> Duration {
        self.beat + self.beat / 2
    }
}
