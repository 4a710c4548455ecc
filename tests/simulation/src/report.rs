//! What came of a run.

use std::fmt;
use std::time::Duration;

use crate::Histogram;

/// Something that must never be: what it is, and when it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The virtual time.
    pub at: Duration,
    /// What has happened.
    pub what: String,
}

/// A death after which it took long until the last end was delivered.
#[derive(Debug, Clone, Copy)]
pub struct Slowest {
    /// How long.
    pub took: Duration,
    /// The virtual time of the death.
    pub at: Duration,
    /// The number of the journal.
    pub journal: usize,
}

/// In ninety-nine of a hundred deaths all ends should be delivered within this time where JetStream has a leader.
pub const WITHIN: Duration = Duration::from_secs(10);
/// The same, where it has none for some of the time: an election takes 6 to 9 s.
pub const WITHIN_WITHOUT_LEADER: Duration = Duration::from_secs(16);

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What must never be. The run stops at the first.
    pub broken: Option<Broken>,
    /// Sessions whose start was acknowledged and of whose end nobody was told. None when the run did not come to its end.
    pub lost: Option<u64>,
    /// Sessions whose start was acknowledged.
    pub sessions: u64,
    /// Starts that no node took, after three were asked.
    pub refused: u64,
    /// Ends that the plugin was told of.
    pub delivered: u64,
    /// Ends that it was told of once more.
    pub delivered_again: u64,
    /// Nodes whose process was killed.
    pub deaths: u64,
    /// Nodes that left to be replaced.
    pub upgrades: u64,
    /// Nodes that lived and lost their journal all the same, because nothing was heard of them for at least 5 s.
    pub cut_off_and_taken: u64,
    /// Of these, nodes that others had heard within 5 s: the one that took the journal had not.
    pub taken_though_heard: u64,
    /// Journals that were taken over.
    pub taken_over: u64,
    /// From a death to the fence and the state of the one who goes on.
    pub until_taken: Histogram,
    /// From a death to the delivery of the last end that it left: with a leader of JetStream all the time.
    pub with_leader: Histogram,
    /// The same, where the stream had none for some of it, or the registry for some of the time until it was taken over.
    pub without_leader: Histogram,
    /// The same, where two of three servers were away for some of it, or one with all clients was apart. Then nobody can write, however
    /// long it lasts.
    pub without_quorum: Histogram,
    /// The slowest of `with_leader`, for whoever looks for the cause.
    pub slowest_with: Option<Slowest>,
    /// The slowest of `without_leader`.
    pub slowest_without: Option<Slowest>,
    /// From a node's leaving to the delivery of the last end that it left.
    pub after_leaving: Histogram,
    /// Ends that were owed in journals that were taken over, and the most of one.
    pub ends_taken: u64,
    /// See there.
    pub most_ends_taken: u64,
    /// The most journals of others that one node had at once.
    pub most_adopted: usize,
    /// Looks at streams of silent nodes.
    pub looks: u64,
    /// Updates of the registry, and those that were refused because another was first.
    pub updates: u64,
    /// See there.
    pub updates_refused: u64,
    /// Heartbeats that were heard.
    pub beats_heard: u64,
    /// Snapshots of the real state.
    pub snapshots: u64,
    /// Messages that streams have stored.
    pub messages: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// What happened, in all.
    pub events: u64,
    /// Virtual time, and the nodes in it.
    pub length: Duration,
    /// See there.
    pub nodes: usize,
}

impl Report {
    /// Whether every promise held.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.broken.is_none() && self.lost == Some(0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row =
            |f: &mut fmt::Formatter<'_>, name: &str, value: fmt::Arguments<'_>| writeln!(f, "  {name:<44} {value}");
        let times = |histogram: &Histogram| match histogram.total() {
            0 => "–".to_owned(),
            total => format!(
                "p50 {:.1} s, p99 {:.1} s, most {:.1} s ({total} times)",
                histogram.quantile(0.5).as_secs_f64(),
                histogram.quantile(0.99).as_secs_f64(),
                histogram.most().as_secs_f64()
            ),
        };
        match (&self.broken, self.lost) {
            (Some(broken), _) => {
                row(f, "BROKEN", format_args!("at {:.3} s: {}", broken.at.as_secs_f64(), broken.what))?;
            }
            (None, Some(lost)) => row(f, "ends lost", format_args!("{lost}"))?,
            (None, None) => row(f, "ends lost", format_args!("not known: the run has no end"))?,
        }
        let again = self.delivered_again;
        row(
            f,
            "sessions started · ends delivered · again",
            format_args!("{} · {} · {again}", self.sessions, self.delivered),
        )?;
        row(f, "starts that three nodes refused", format_args!("{}", self.refused))?;
        let taken = self.cut_off_and_taken;
        row(
            f,
            "nodes killed · upgraded · cut off and taken",
            format_args!("{} · {} · {taken}", self.deaths, self.upgrades),
        )?;
        row(f, "  of these heard by others within 5 s", format_args!("{}", self.taken_though_heard))?;
        let (ends, most) = (self.ends_taken, self.most_ends_taken);
        row(f, "journals taken over · ends in them · most", format_args!("{} · {ends} · {most}", self.taken_over))?;
        row(f, "from a death to its journal taken over", format_args!("{}", times(&self.until_taken)))?;
        let with_leader = held_against(WITHIN, &self.with_leader, self.slowest_with);
        row(f, "to all its ends delivered, with a leader", format_args!("{}{with_leader}", times(&self.with_leader)))?;
        let without = held_against(WITHIN_WITHOUT_LEADER, &self.without_leader, self.slowest_without);
        row(f, "  the same, without a leader for a while", format_args!("{}{without}", times(&self.without_leader)))?;
        row(f, "  the same, nobody could write for a while", format_args!("{}", times(&self.without_quorum)))?;
        row(f, "from a node's leaving to all its ends", format_args!("{}", times(&self.after_leaving)))?;
        row(f, "most journals of others at one node", format_args!("{}", self.most_adopted))?;
        let per = |count: u64, of: u64| ratio(count, of.max(1));
        let fallen = self.deaths + self.cut_off_and_taken;
        row(
            f,
            "for each of the nodes that fell silent",
            format_args!(
                "{:.1} looks, {:.1} updates, {:.1} of them too late",
                per(self.looks, fallen),
                per(self.updates, fallen + self.upgrades),
                per(self.updates_refused, fallen + self.upgrades)
            ),
        )?;
        let node_seconds = self.length.as_secs().saturating_mul(self.nodes as u64);
        row(f, "heartbeats that a node hears in a second", format_args!("{:.1}", per(self.beats_heard, node_seconds)))?;
        row(
            f,
            "stored",
            format_args!(
                "{} messages with {:.1} records and {:.0} bytes each",
                self.messages,
                per(self.records, self.messages),
                per(self.bytes, self.messages)
            ),
        )?;
        row(f, "virtual time · events", format_args!("{:.0} s · {}", self.length.as_secs_f64(), self.events))
    }
}

/// What the 99th of a hundred times should be, and where to look when the slowest was slower.
fn held_against(within: Duration, times: &Histogram, slowest: Option<Slowest>) -> String {
    if times.total() == 0 {
        return String::new();
    }
    let verdict = if times.quantile(0.99) <= within { "which is kept" } else { "WHICH IS MISSED" };
    let slowest = slowest.filter(|slowest| slowest.took > within).map_or_else(String::new, |slowest| {
        format!("; the slowest is journal {} at {:.0} s", slowest.journal, slowest.at.as_secs_f64())
    });
    format!(", p99 should be {} s, {verdict}{slowest}", within.as_secs())
}

#[expect(clippy::cast_precision_loss, reason = "it is printed with one digit")]
fn ratio(count: u64, of: u64) -> f64 {
    count as f64 / of as f64
}
