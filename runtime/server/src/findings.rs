//! Findings: problems that an operator should look at. `lastword status`, the API and the page show
//! them.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use lastword::Durability;
use lastword::events::text::clip_chars;
use lastword::events::{Timestamp, printable};

use crate::cluster::{ClusterStatus, LeftStatus, NodeStatus, StreamStatus};
use crate::limits::{DEATH_IS_NEWS, MAX_SHOWN_CHARS, STREAM_NEARLY_FULL_PERCENT, STREAM_SILENT};
use crate::observer::{Health, OfTenant, PastDeath};
use crate::status::PluginStatus;
use crate::units::{ago, many};

/// Most deaths among the findings. The page's list has the rest.
const DEATHS_TO_KNOW: usize = 3;

/// What to do about an owner whose sessions were ended.
const AFTER_DEATH: &str = "nothing if you stopped it; else its own log says why it left. No session is lost";

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

    /// Returns the finding as one sentence, with what to do.
    pub(crate) fn sentence(&self) -> String {
        format!("{}; {}", self.title(), self.remedy)
    }

    /// Returns the finding without what to do.
    pub(crate) fn title(&self) -> String {
        let Self { subject, what, .. } = self;
        if subject.is_empty() { what.clone() } else { format!("{subject}: {what}") }
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
    for health in health.iter().filter(|health| health.is_wrong()) {
        let is_its = |plugin: &&PluginStatus| {
            plugin.plugin == health.plugin.as_str() && plugin.tenant.as_deref() == health.tenant.as_deref()
        };
        let owed = plugins.iter().find(is_its).map_or(0, |plugin| plugin.ready + plugin.running + plugin.waiting);
        found.push(failing(health, owed));
    }
    if durability == Durability::Memory {
        let remedy = "name a file, `path` in `[journal]`: what is owed is lost with the process";
        found.push(Finding::wrong("", "the journal is in memory", remedy, ""));
    }
    if !plugins.iter().any(|plugin| plugin.installed) {
        let remedy = "add a `[[plugin]]`, and `lastword reload`: until then nobody is told how sessions end";
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
    found.extend(cluster.nodes.iter().filter_map(without_node));
    found.extend(cluster.nodes.iter().filter_map(looked_after));
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
    if let Some(why) = &stream.unanswered {
        let what = format!("not all NATS servers say whether they sync before they acknowledge: {}", shown(why));
        let remedy =
            "look at the ones that do not answer; they are asked again every 10 s, and what they proved before holds";
        found.push(Finding::wrong("", what, remedy, ""));
    }
    let is_nearly_full =
        stream.bytes.saturating_mul(100) >= stream.max_bytes.saturating_mul(STREAM_NEARLY_FULL_PERCENT);
    if stream.max_bytes > 0 && is_nearly_full {
        let what = format!("the journal's stream has {} of its {} bytes", stream.bytes, stream.max_bytes);
        let remedy = "starts are refused when it is full; give it more `max-bytes`, and start this node again";
        found.push(Finding::wrong("", what, remedy, ""));
    }
    let (copies, current) = (stream.replicas.len(), stream.replicas.iter().filter(|replica| replica.current).count());
    if copies > 0 && current * 2 <= copies {
        let what = format!(
            "{current} of {copies} copies of the journal are current: that is no quorum, and nothing more is recorded"
        );
        found.push(Finding::wrong(
            "",
            what,
            "look at the servers of the others; starts are refused until most are there",
            "",
        ));
    }
    found.extend(stream.replicas.iter().filter(|replica| !replica.current).map(|replica| {
        let remedy = "look at that server's log and its disk; restart no other server until it is current again";
        Finding::wrong(&replica.server, "this NATS server's copy of the journal is not current", remedy, "")
    }));
    found
}

/// A journal that no node has or may have.
fn without_node(node: &NodeStatus) -> Option<Finding> {
    let journal = &node.journal;
    let forget = "if its node does not come back, `lastword nodes --forget` it";
    match node.state.as_str() {
        "resting" => {
            let what = format!("its journal {journal} waits for it, with what plugins have stored");
            Some(Finding::to_know(&node.node, what, forget, ""))
        }
        "lost" => {
            let what = format!(
                "the NATS servers have no stream of its journal {journal} any more, and what was owed in it is lost"
            );
            Some(Finding::wrong(&node.node, what, "restore the stream, or `lastword nodes --forget` the journal", ""))
        }
        "damaged" => {
            let what = format!("its journal {journal} cannot be read, and what is owed in it is not made");
            let remedy = "the log of the node that tried says why; keep the stream, and report it";
            Some(Finding::wrong(&node.node, what, remedy, ""))
        }
        _ => None,
    }
}

/// An adopted journal in which nothing is left to do but for an operator.
fn kept_for_operator(node: &NodeStatus) -> Option<Finding> {
    let LeftStatus { sessions, owed, dead, orphaned, .. } = node.left?;
    if sessions > 0 || owed > 0 || dead + orphaned == 0 {
        return None;
    }
    let what = format!(
        "its journal {} is kept here for deliveries that cannot be made: {dead} given up, {orphaned} of plugins that are not installed",
        node.journal
    );
    Some(Finding::wrong(&node.node, what, "see `lastword deliveries --of`, then redeliver or drop", ""))
}

/// An adopted journal in which something is left to do.
fn looked_after(node: &NodeStatus) -> Option<Finding> {
    let LeftStatus { sessions, owed, .. } = node.left?;
    if node.state != "adopted" || sessions + owed == 0 {
        return None;
    }
    let what =
        format!("this node has its journal {}, with {sessions} sessions and {owed} owed deliveries", node.journal);
    Some(Finding::to_know(&node.node, what, "see `lastword nodes`, and `lastword sessions --of`", ""))
}

/// Returns the findings about a plugin's dead and orphaned deliveries.
pub(crate) fn unmade(name: &str, dead: Counted, orphaned: Counted) -> impl Iterator<Item = Finding> {
    let given_up = (dead.count > 0).then(|| {
        let remedy = "read the causes with `lastword deliveries --state dead`; mend the plugin and redeliver, or drop";
        Finding::wrong(name, format!("{dead} given up, which nobody tries again"), remedy, "owed")
    });
    let left = (orphaned.count > 0).then(|| {
        let what = format!("{orphaned} owed to a plugin that is not installed");
        Finding::wrong(name, what, "install it, or drop them", "owed")
    });
    given_up.into_iter().chain(left)
}

/// Returns the finding about a plugin that fails repeatedly, and that is owed so many deliveries. 0: not known.
pub(crate) fn failing(health: &Health, owed: u64) -> Finding {
    let name = plugin_name(health.plugin.as_str(), health.tenant.as_deref());
    let calls = health.failures_in_a_row;
    let (how, why, remedy) = match health.cause.unwrap_or_default() {
        "deadline" => (
            "hangs",
            "were cut at their deadline",
            "see what it waits for with `lastword deliveries`; mend it, or give it a longer `limits.deadline`; \
             then `lastword reload`",
        ),
        "fuel" => ("spins", "used up their fuel", "mend it, or give it more `limits.fuel`; then `lastword reload`"),
        "memory" => (
            "wants more memory than it may have",
            "failed for it",
            "mend it, or give it more `limits.memory`; then `lastword reload`",
        ),
        "trap" => ("crashes", "trapped", "look for the trap in the log; mend it, then `lastword reload`"),
        "retry" => (
            "asks to be called again",
            "could not do their work",
            "read its message with `lastword deliveries`, and look at the server that it talks to",
        ),
        "fatal" => (
            "gives up",
            "refused what they were told",
            "read its message with `lastword deliveries`; mend it, then `lastword reload`",
        ),
        "host" => ("cannot be run", "failed for want of something of the machine's", "look in the log for what it is"),
        _ => ("fails", "failed", "look in the log for why"),
    };
    let waits = match owed {
        0 => String::new(),
        1 => ", and 1 delivery waits for it".to_owned(),
        _ => format!(", and {owed} deliveries wait for it"),
    };
    // Its deliveries have the messages of its calls.
    Finding::wrong(&name, format!("{how}, its last {calls} calls {why}{waits}"), remedy, "owed")
}

/// Returns the finding about a daemon that is about to leave.
pub(crate) fn leaving() -> Finding {
    let remedy = "nothing: it takes no new sessions, and the next daemon goes on with what is owed";
    Finding::to_know("", "the daemon is about to leave", remedy, "")
}

/// Returns the findings about owners that died a short time ago, newest first.
pub(crate) fn of_deaths(deaths: &[OfTenant<PastDeath>], grace: Duration, now: Timestamp) -> Vec<Finding> {
    let is_news = |death: &&OfTenant<PastDeath>| !death.what.is_back && death.what.at.plus(DEATH_IS_NEWS) > now;
    let news: Vec<_> = deaths.iter().filter(is_news).collect();
    let mut found: Vec<Finding> =
        news.iter().take(DEATHS_TO_KNOW).map(|death| of_death(&death.what, grace, now)).collect();
    let others = news.len().saturating_sub(DEATHS_TO_KNOW) as u64;
    if others > 0 {
        let what = format!("{} died in the last hour", many(others, "other owner"));
        found.push(Finding::to_know("", what, "nothing if you stopped them; else look at what ends them", "owners"));
    }
    found
}

fn of_death(death: &PastDeath, grace: Duration, now: Timestamp) -> Finding {
    let sessions = many(death.sessions as u64, "session");
    let (then, remedy) = match death.sessions {
        _ if death.at.plus(grace) > now => {
            let then = format!("its {sessions} will end unless it comes back");
            (then, "nothing if you stopped it; else start it again, or look into its own log")
        }
        1 => ("its session was ended for it".to_owned(), AFTER_DEATH),
        _ => (format!("its {sessions} were ended for it"), AFTER_DEATH),
    };
    let (subject, died) = match &death.name {
        Some(name) => (&**name, "died"),
        None => ("", "a connection died"),
    };
    let what = format!("{died} {} ({}), and {then}", ago(death.at, now), death.how_noticed());
    Finding::to_know(subject, what, remedy, "owners")
}

#[cfg(test)]
mod tests {
    use lastword::events::PluginName;

    use super::*;
    use crate::owners::Loss;

    fn plugin(dead: u64, orphaned: u64) -> PluginStatus {
        PluginStatus { plugin: "memory".into(), installed: true, dead, orphaned, ..PluginStatus::default() }
    }

    fn health(failures_in_a_row: usize) -> Health {
        Health {
            plugin: PluginName::new("memory").unwrap(),
            tenant: None,
            version: 1,
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
        assert!(
            said[1].starts_with("memory: hangs, its last 4 calls were cut at their deadline; see what it waits for"),
            "{said:?}"
        );
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
        let copy = |server: &str, current| crate::cluster::ReplicaStatus { server: server.into(), current };
        let stream = StreamStatus {
            bytes: 90,
            silent_ms: Some(12_000),
            unproven: Some("n3".into()),
            unanswered: Some("2 of 3".into()),
            replicas: vec![copy("n1", true), copy("n2", false), copy("n3", true)],
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
        let of = |node: &str, state: &str| NodeStatus {
            node: node.into(),
            journal: "zz90p3ie".into(),
            state: state.into(),
            ..NodeStatus::default()
        };
        let nodes = vec![kept, silent, of("c", "resting"), of("d", "lost"), of("e", "damaged")];
        let cluster = ClusterStatus { cut_off: true, stream, nodes, ..ClusterStatus::default() };
        let told = said(&cluster);
        let expected = [
            "acknowledged nothing for 12 s",
            "not proven any more that the NATS servers sync before they acknowledge: n3",
            "not all NATS servers say whether they sync before they acknowledge: 2 of 3",
            "90 of its 100 bytes",
            "n2: this NATS server's copy",
            "hears no node",
            "a: its journal k3f9a2c1 is kept here for deliveries that cannot be made: 1 given up",
            "c: its journal zz90p3ie waits for it, with what plugins have stored",
            "d: the NATS servers have no stream of its journal zz90p3ie any more",
            "e: its journal zz90p3ie cannot be read",
            "b: nothing was heard of this node for 6 s",
        ];
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "{told}");
        }
        let replicas = vec![copy("n1", true), copy("n2", false), copy("n3", false)];
        let told =
            said(&ClusterStatus { stream: StreamStatus { replicas, ..well.clone() }, ..ClusterStatus::default() });
        assert!(told.len() == 3 && told[0].contains("1 of 3 copies of the journal are current"), "{told:?}");
        let left = Some(LeftStatus { sessions: 2, owed: 1, ..LeftStatus::default() });
        let adopted = NodeStatus { left, ..of("f", "adopted") };
        let told = said(&ClusterStatus { stream: well.clone(), nodes: vec![adopted], ..ClusterStatus::default() });
        assert!(told.len() == 1 && told[0].contains("zz90p3ie, with 2 sessions and 1 owed deliver"), "{told:?}");
        let gone = StreamStatus { connected: false, silent_ms: Some(12_000), ..well };
        let told = said(&ClusterStatus { stream: gone, ..ClusterStatus::default() });
        assert!(told.len() == 1 && told[0].starts_with("there is no connection to a NATS server"), "{told:?}");
    }

    #[test]
    fn a_plugin_that_fails_is_said_with_how_much_waits_for_it() {
        let waits = |ready| {
            let status = PluginStatus { ready, ..plugin(0, 0) };
            of_daemon(false, Durability::Disk, &[status], &[health(3)]).remove(0).what
        };
        assert!(waits(0).ends_with("were cut at their deadline"), "{}", waits(0));
        assert!(waits(1).ends_with(", and 1 delivery waits for it"), "{}", waits(1));
        assert!(waits(5).ends_with(", and 5 deliveries wait for it"), "{}", waits(5));
    }

    #[test]
    fn a_death_is_said_with_what_came_of_it_and_for_an_hour() {
        let at = Timestamp::from_millisecond(1_000_000_000);
        let death = |name: &str, is_late| {
            let what = PastDeath {
                name: Some(name.into()),
                kind: "codex".into(),
                how: Loss::Process,
                sessions: 2,
                at,
                is_back: name == "back",
                is_late,
            };
            OfTenant { tenant: Some("acme".into()), what }
        };
        let said = |deaths: &[OfTenant<PastDeath>], seconds| -> Vec<String> {
            let now = at.plus(Duration::from_secs(seconds));
            of_deaths(deaths, Duration::from_secs(5), now).iter().map(Finding::title).collect()
        };
        let one = [death("agent", false)];
        assert_eq!(
            said(&one, 4),
            ["agent: died 4 s ago (its process exited), and its 2 sessions will end unless it comes back"]
        );
        assert_eq!(
            said(&one, 60),
            ["agent: died 1 min ago (its process exited), and its 2 sessions were ended for it"]
        );
        assert!(said(&[death("late", true)], 9)[0].contains("(its process was gone when its hook came)"));
        assert_eq!(said(&one, 3_600), [""; 0], "it is no news any more");
        assert_eq!(said(&[death("back", false)], 4), [""; 0]);
        let many = ["a", "b", "c", "d", "e"].map(|name| death(name, false));
        assert_eq!(said(&many, 60).last().unwrap(), "2 other owners died in the last hour");
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
