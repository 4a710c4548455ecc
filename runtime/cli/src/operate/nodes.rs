//! `lastword nodes`: the nodes of a daemon's cluster, and who looks after which journal.

use std::io::{self, Write};

use anyhow::anyhow;
use lastword_config::Journal;
use lastword_events::JournalName;
use lastword_server::{ClusterStatus, LeftStatus, NodeStatus};

use super::Table;
use crate::args::NodesArgs;
use crate::client::required;
use crate::config::Config;
use crate::exit::{Exit, Failure, printed};
use crate::node::give_up;
use crate::plain_json::plain_json;

/// The path of the daemon's answer.
const NODES: &str = "/v1/nodes";

/// Prints what the daemon knows of its cluster.
///
/// # Errors
/// When no daemon answers, or it is no node of a cluster.
pub(crate) fn nodes(args: &NodesArgs) -> Result<Exit, Failure> {
    if let Some(journal) = args.forget {
        return forget(args, journal);
    }
    let cluster: ClusterStatus = required(&args.socket, args.config.as_deref())?.get(NODES)?;
    let mut out = anstream::stdout().lock();
    if args.json {
        let line = serde_json::to_string(&cluster).map_err(Failure::internal)?;
        printed(writeln!(out, "{}", plain_json(&line)))?;
    } else {
        printed(show(&mut out, &cluster))?;
    }
    Ok(Exit::Delivered)
}

/// Gives a journal up that waits for a node that does not come back.
fn forget(args: &NodesArgs, journal: JournalName) -> Result<Exit, Failure> {
    let configured = match &args.config {
        Some(path) => Config::load_journal(path).map_err(Failure::usage)?,
        None => None,
    };
    let Some(Journal::JetStream(said)) = configured else {
        let why = "--forget: the configuration names no cluster: name that of a node with --config";
        return Err(Failure::usage(anyhow!(why)));
    };
    give_up(&said, journal)?;
    printed(writeln!(anstream::stdout().lock(), "{journal}: given up; the nodes delete it within some minutes"))?;
    Ok(Exit::Delivered)
}

fn show(out: &mut impl Write, cluster: &ClusterStatus) -> io::Result<()> {
    let mut table = Table::new(["NODE", "JOURNAL", "STATE", "HEARD", "EPOCH", "LEFT TO DO HERE", "ADDRESS"]);
    for node in &cluster.nodes {
        let NodeStatus { node: name, address, journal, epoch, .. } = node;
        let own = if *journal == cluster.journal { " (this one)" } else { "" };
        table.row([
            format!("{name}{own}"),
            journal.clone(),
            state(node),
            node.silent_ms.map(|silent| format!("{} s ago", silent / 1000)).unwrap_or_default(),
            epoch.to_string(),
            left_to_do(node),
            address.clone(),
        ]);
    }
    table.print(out, "the registry has no node")
}

fn state(node: &NodeStatus) -> String {
    match &node.by {
        Some(by) => format!("{} by {by}", node.state),
        None => node.state.clone(),
    }
}

/// Formats what is left, and how many calls can be under way for that: `3 sessions, 2 owed; 900 slots`. Only the node that has adopted the
/// journal knows, so others name that one.
fn left_to_do(node: &NodeStatus) -> String {
    let Some(left) = &node.left else {
        return node.by.as_ref().map(|by| format!("ask {by}")).unwrap_or_default();
    };
    let LeftStatus { sessions, owed, dead, orphaned, slots } = *left;
    let counts = [(sessions, "sessions"), (owed, "owed"), (dead, "given up"), (orphaned, "orphaned")];
    let said: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if said.is_empty() { "nothing".to_owned() } else { format!("{}; {slots} slots", said.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_who_has_which_journal() {
        let left = LeftStatus { sessions: 2, dead: 1, slots: 900, ..LeftStatus::default() };
        let node = |node: &str, journal: &str, state: &str| NodeStatus {
            node: node.to_owned(),
            journal: journal.to_owned(),
            state: state.to_owned(),
            epoch: 3,
            ..NodeStatus::default()
        };
        let adopted = NodeStatus { by: Some("b".to_owned()), left: Some(left), ..node("a", "aaaaaaaa", "adopted") };
        let elsewhere = NodeStatus { by: Some("d".to_owned()), ..node("c", "cccccccc", "adopted") };
        let own =
            NodeStatus { silent_ms: Some(1_200), address: "https://b".to_owned(), ..node("b", "bbbbbbbb", "active") };
        let cluster = ClusterStatus {
            journal: "bbbbbbbb".to_owned(),
            nodes: vec![adopted, own, elsewhere],
            ..ClusterStatus::default()
        };
        let mut out = Vec::new();
        show(&mut anstream::StripStream::new(&mut out), &cluster).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split("  ").map(str::trim).filter(|w| !w.is_empty()).collect()).collect();
        assert_eq!(lines[1], ["a", "aaaaaaaa", "adopted by b", "3", "2 sessions, 1 given up; 900 slots"], "{text}");
        assert_eq!(lines[2], ["b (this one)", "bbbbbbbb", "active", "1 s ago", "3", "https://b"], "{text}");
        assert_eq!(lines[3], ["c", "cccccccc", "adopted by d", "3", "ask d"], "{text}");
    }
}
