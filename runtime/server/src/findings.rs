//! Findings: problems that an operator should look at. `lastword status`, the API and the page show
//! them.

use std::borrow::Cow;
use std::fmt;

use lastword::Durability;
use lastword::events::printable;
use lastword::events::text::clip_chars;

use crate::cluster::{ClusterStatus, LeftStatus, NodeStatus, StreamStatus};
use crate::limits::{MAX_SHOWN_CHARS, STREAM_NEARLY_FULL_PERCENT, STREAM_SILENT};
use crate::observer::Health;
use crate::status::PluginStatus;

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Whether somebody has to act.
    pub(crate) is_wrong: bool,
    /// The name of the plugin, owner or file that the finding is about, if it has one. The name may come from outside.
    pub(crate) subject: String,
    /// The finding, in our own words.
    pub(crate) what: String,
    /// What to do, or what follows. Commands and settings are in backticks.
    pub(crate) remedy: String,
    /// The part of the page that shows more about it. Empty: none.
    pub(crate) place: &'static str,
}

impl Finding {
    pub(crate) fn wrong(
        subject: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
        place: &'static str,
    ) -> Self {
        Self { is_wrong: true, subject: shown(subject), what: what.into(), remedy: remedy.into(), place }
    }

    /// A finding that needs no action.
    pub(crate) fn to_know(
        subject: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
        place: &'static str,
    ) -> Self {
        Self { is_wrong: false, ..Self::wrong(subject, what, remedy, place) }
    }

    /// Returns the finding as one sentence.
    pub(crate) fn sentence(&self) -> String {
        let Self { subject, what, remedy, .. } = self;
        if subject.is_empty() { format!("{what}; {remedy}") } else { format!("{subject}: {what}; {remedy}") }
    }
}

/// A count, as far as the rows were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) count: u64,
    /// Whether there may be more.
    pub(crate) is_cut: bool,
}

impl Counted {
    /// A complete count.
    pub(crate) fn all(count: u64) -> Self {
        Self { count, is_cut: false }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { count: 0, is_cut: true } => f.write_str("not known"),
            Self { count, is_cut: true } => write!(f, "{count} or more"),
            Self { count, is_cut: false } => write!(f, "{count}"),
        }
    }
}

/// Makes a text from outside printable, and cuts it.
pub(crate) fn shown(text: &str) -> String {
    match printable(&clip_chars(text, MAX_SHOWN_CHARS)) {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(text) => text,
    }
}

/// Returns a plugin's name, with its tenant if it is scoped.
pub(crate) fn plugin_name(plugin: &str, tenant: Option<&str>) -> String {
    match tenant {
        Some(tenant) => format!("{plugin} of {tenant}"),
        None => plugin.to_owned(),
    }
}

/// Returns the findings about the daemon as a whole, for callers of every tenant.
pub(crate) fn of_daemon(
    has_failed: bool,
    durability: Durability,
    plugins: &[PluginStatus],
    health: &[Health],
) -> Vec<Finding> {
    let mut found = Vec::new();
    if has_failed {
        found.push(Finding::wrong(
            "",
            "a worker has panicked, which is a defect of lastword",
            "start the daemon again",
            "",
        ));
    }
    found.extend(health.iter().filter(|health| health.is_wrong()).map(failing));
    if durability == Durability::Memory {
        let remedy = "what is owed is lost with the process";
        found.push(Finding::wrong("", "the journal is in memory", remedy, ""));
    }
    if !plugins.iter().any(|plugin| plugin.installed) {
        let remedy = "sessions are tracked, and nobody is told of their ends";
        found.push(Finding::wrong("", "no plugin is installed", remedy, "plugins"));
    }
    for plugin in plugins {
        let name = plugin_name(&plugin.plugin, plugin.tenant.as_deref());
        found.extend(unmade(&name, Counted::all(plugin.dead), Counted::all(plugin.orphaned)));
    }
    found
}

/// Returns the findings about the cluster that the daemon is a node of, for callers of every tenant.
pub(crate) fn of_cluster(cluster: &ClusterStatus) -> Vec<Finding> {
    let mut found = of_stream(&cluster.stream);
    if cluster.cut_off {
        let remedy = "look at its network: other nodes may take its journal over, and then it leaves";
        found.push(Finding::wrong("", "this node hears no node of the cluster, not even itself", remedy, ""));
    }
    found.extend(cluster.nodes.iter().filter_map(kept_for_operator));
    found.extend(cluster.nodes.iter().filter(|node| node.state == "suspected").map(|node| {
        let silent = node.silent_ms.unwrap_or_default() / 1000;
        let what = format!("nothing was heard of this node for {silent} s");
        Finding::to_know(&node.node, what, "if it is dead, another one takes its journal over", "")
    }));
    found
}

fn of_stream(stream: &StreamStatus) -> Vec<Finding> {
    let mut found = Vec::new();
    if !stream.connected {
        let remedy = "it is tried again; look at the servers and the network";
        found.push(Finding::wrong("", "there is no connection to a NATS server", remedy, ""));
    } else if let Some(silent) = stream.silent_ms.filter(|silent| *silent >= STREAM_SILENT) {
        let what = format!(
            "the NATS servers have acknowledged nothing for {} s: the stream has no quorum or no leader",
            silent / 1000
        );
        let remedy = "starts are refused until they do, and ends wait; see `nats server report jetstream`";
        found.push(Finding::wrong("", what, remedy, ""));
    }
    if let Some(why) = &stream.unproven {
        let what =
            format!("it is not proven any more that the NATS servers sync before they acknowledge: {}", shown(why));
        found.push(Finding::wrong("", what, "give each server `sync_interval: always`, and start it again", ""));
    }
    let is_nearly_full =
        stream.bytes.saturating_mul(100) >= stream.max_bytes.saturating_mul(STREAM_NEARLY_FULL_PERCENT);
    if stream.max_bytes > 0 && is_nearly_full {
        let what = format!("the journal's stream has {} of its {} bytes", stream.bytes, stream.max_bytes);
        let remedy = "starts are refused when it is full; give it more `max-bytes`, and start this node again";
        found.push(Finding::wrong("", what, remedy, ""));
    }
    found.extend(stream.replicas.iter().filter(|replica| !replica.current).map(|replica| {
        let remedy = "look at that server's log and its disk; restart no other server until it is current again";
        Finding::wrong(&replica.server, "this NATS server's copy of the journal is not current", remedy, "")
    }));
    found
}

/// An adopted journal in which nothing is left to do but for an operator.
fn kept_for_operator(node: &NodeStatus) -> Option<Finding> {
    let LeftStatus { sessions, owed, dead, orphaned } = node.left?;
    if sessions > 0 || owed > 0 || dead + orphaned == 0 {
        return None;
    }
    let what = format!(
        "its journal {} is kept here for deliveries that cannot be made: {dead} given up, {orphaned} of plugins that are not installed",
        node.journal
    );
    Some(Finding::wrong(&node.node, what, "see `lastword deliveries --of`, then redeliver or drop", ""))
}

/// Returns the findings about a plugin's dead and orphaned deliveries.
pub(crate) fn unmade(name: &str, dead: Counted, orphaned: Counted) -> impl Iterator<Item = Finding> {
    let given_up = (dead.count > 0).then(|| {
        let remedy = "see `lastword deliveries --state dead`, then redeliver or drop";
        Finding::wrong(name, format!("{dead} given up"), remedy, "owed")
    });
    let left = (orphaned.count > 0).then(|| {
        let what = format!("{orphaned} owed to a plugin that is not installed");
        Finding::wrong(name, what, "install it, or drop them", "owed")
    });
    given_up.into_iter().chain(left)
}

/// Returns the finding about a plugin that fails repeatedly.
pub(crate) fn failing(health: &Health) -> Finding {
    let name = plugin_name(health.plugin.as_str(), health.tenant.as_deref());
    let calls = health.failures_in_a_row;
    let (how, why, remedy) = match health.cause.unwrap_or_default() {
        "deadline" => (
            "hangs",
            "were cut at their deadline",
            "look at what it waits for; then mend it, or give it a longer `limits.deadline`, and `lastword reload`",
        ),
        "fuel" => ("spins", "used up their fuel", "mend it, or give it more `limits.fuel`, and `lastword reload`"),
        "memory" => (
            "wants more memory than it may have",
            "failed for it",
            "mend it, or give it more `limits.memory`, and `lastword reload`",
        ),
        "trap" => ("crashes", "trapped", "the log has the trap; mend it, and `lastword reload`"),
        "retry" => (
            "asks to be called again",
            "could not do their work",
            "its message is below and in the log; look at the server that it talks to",
        ),
        "fatal" => ("gives up", "refused what they were told", "its message is below and in the log; mend it"),
        "host" => ("cannot be run", "failed for want of something of the machine's", "the log says of what"),
        _ => ("fails", "failed", "the log says why"),
    };
    Finding::wrong(&name, format!("{how}, its last {calls} calls {why}"), remedy, "plugins")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lastword::events::{PluginName, Timestamp};

    use super::*;

    fn plugin(dead: u64, orphaned: u64) -> PluginStatus {
        PluginStatus { plugin: "memory".into(), installed: true, dead, orphaned, ..PluginStatus::default() }
    }

    fn health(failures_in_a_row: usize) -> Health {
        Health {
            plugin: PluginName::new("memory").unwrap(),
            tenant: None,
            delivered: 1,
            failed: failures_in_a_row,
            failures_in_a_row,
            cause: (failures_in_a_row > 0).then_some("deadline"),
            median: Duration::ZERO,
            p99: Duration::ZERO,
            peak_memory: 0,
            last: Timestamp::from_millisecond(0),
        }
    }

    #[test]
    fn nothing_is_wrong_where_all_is_well() {
        for well in [health(0), health(2)] {
            let found = of_daemon(false, Durability::Disk, &[plugin(0, 0)], &[well]);
            assert!(found.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn what_an_operator_should_look_at_is_said_and_with_what_to_do() {
        let found = of_daemon(true, Durability::Memory, &[plugin(3, 2)], &[health(4)]);
        let said: Vec<String> = found.iter().map(Finding::sentence).collect();
        assert_eq!(said.len(), 5, "{said:?}");
        assert!(said[1].starts_with("memory: hangs, its last 4 calls were cut at their deadline; look"), "{said:?}");
        assert!(said[3].contains("memory: 3 given up") && said[3].contains("redeliver"), "{said:?}");
        assert!(said[4].contains("2 owed to a plugin that is not installed"), "{said:?}");
        let none = of_daemon(false, Durability::Disk, &[], &[]);
        assert!(none[0].sentence().contains("no plugin is installed"));
    }

    #[test]
    fn what_is_wrong_with_a_cluster_is_told_with_what_to_do() {
        let well = StreamStatus {
            bytes: 10,
            max_bytes: 100,
            connected: true,
            silent_ms: Some(STREAM_SILENT - 1),
            ..StreamStatus::default()
        };
        let said = |cluster: &ClusterStatus| of_cluster(cluster).iter().map(Finding::sentence).collect::<Vec<_>>();
        assert!(said(&ClusterStatus { stream: well.clone(), ..ClusterStatus::default() }).is_empty());
        let lagging = crate::cluster::ReplicaStatus { server: "n2".into(), current: false };
        let stream = StreamStatus {
            bytes: 90,
            silent_ms: Some(12_000),
            unproven: Some("n3".into()),
            replicas: vec![lagging],
            ..well.clone()
        };
        let left = LeftStatus { dead: 1, ..LeftStatus::default() };
        let kept =
            NodeStatus { node: "a".into(), journal: "k3f9a2c1".into(), left: Some(left), ..NodeStatus::default() };
        let silent = NodeStatus {
            node: "b".into(),
            state: "suspected".into(),
            silent_ms: Some(6_000),
            left: Some(LeftStatus { owed: 1, dead: 1, ..LeftStatus::default() }),
            ..NodeStatus::default()
        };
        let cluster = ClusterStatus { cut_off: true, stream, nodes: vec![kept, silent], ..ClusterStatus::default() };
        let told = said(&cluster);
        let expected = [
            "acknowledged nothing for 12 s",
            "not proven any more that the NATS servers sync before they acknowledge: n3",
            "90 of its 100 bytes",
            "n2: this NATS server's copy",
            "hears no node",
            "a: its journal k3f9a2c1 is kept here for deliveries that cannot be made: 1 given up",
            "b: nothing was heard of this node for 6 s",
        ];
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "{told}");
        }
        let gone = StreamStatus { connected: false, silent_ms: Some(12_000), ..well };
        let told = said(&ClusterStatus { stream: gone, ..ClusterStatus::default() });
        assert!(told.len() == 1 && told[0].starts_with("there is no connection to a NATS server"), "{told:?}");
    }

    #[test]
    fn what_was_not_counted_to_its_end_says_so() {
        let said = |count, is_cut| Counted { count, is_cut }.to_string();
        assert_eq!([said(50, true), said(50, false), said(0, true)], ["50 or more", "50", "not known"]);
        let found: Vec<Finding> =
            unmade("memory", Counted { count: 0, is_cut: true }, Counted { count: 50, is_cut: true }).collect();
        assert_eq!(found.len(), 1, "what is not known is not wrong: {found:?}");
        assert!(found[0].what.starts_with("50 or more owed"), "{found:?}");
    }

    #[test]
    fn others_text_is_cut_and_turns_nothing_around() {
        let long = format!("\u{202e}{}", "x".repeat(10 * 1024));
        let said = shown(&long);
        assert!(said.starts_with("\\u{202e}xxx") && said.ends_with("x…"), "{said}");
        assert!(said.chars().count() < MAX_SHOWN_CHARS + 20, "{said}");
    }
}
