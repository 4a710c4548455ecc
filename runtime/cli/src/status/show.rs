//! Prints a status for people.

use std::io::{self, Write};

use lastword_server::{PluginStatus, Status};

use crate::operate::Table;
use crate::style::{BAD, DIM, GOOD, NOTE};
use lastword_events::printable;

/// Seconds of a day, an hour and a minute.
const UNITS: [(u64, &str); 3] = [(86_400, "d"), (3_600, "h"), (60, "min")];

/// Prints the findings first, as the daemon's page does: who looks for ten seconds reads no more.
pub(super) fn show(out: &mut impl Write, status: &Status) -> io::Result<()> {
    findings(out, status)?;
    writeln!(out)?;
    head(out, status)?;
    writeln!(out)?;
    sessions(out, status)?;
    writeln!(out)?;
    owed(out, &status.plugins)
}

fn findings(out: &mut impl Write, status: &Status) -> io::Result<()> {
    if status.wrong.is_empty() {
        writeln!(out, "{GOOD}Nothing is wrong.{GOOD:#}")?;
    } else {
        writeln!(out, "{BAD}Wrong:{BAD:#}")?;
        sentences(out, &status.wrong)?;
    }
    if !status.to_know.is_empty() {
        writeln!(out, "{NOTE}To know:{NOTE:#}")?;
        sentences(out, &status.to_know)?;
    }
    Ok(())
}

fn sentences(out: &mut impl Write, sentences: &[String]) -> io::Result<()> {
    sentences.iter().try_for_each(|sentence| writeln!(out, "  {}", printable(sentence)))
}

fn head(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let Status { version, journal, durability, pid, uptime_s, connections, .. } = status;
    let [version, journal, durability] = [version, journal, durability].map(|text| printable(text));
    match pid {
        0 => writeln!(out, "lastword {version}, {NOTE}no daemon{NOTE:#}")?,
        _ if status.draining => writeln!(out, "lastword {version}, process {pid}, {NOTE}about to leave{NOTE:#}")?,
        _ => {
            let time = uptime(*uptime_s);
            writeln!(
                out,
                "lastword {version}, process {pid}, {GOOD}up for {time}{GOOD:#}, {}",
                many(*connections, "connection")
            )?;
        }
    }
    let place = match (durability.to_string().as_str(), status.stream.as_str()) {
        ("memory", _) => "in memory".to_owned(),
        (_, "") => "on disk".to_owned(),
        (_, stream) => format!("in the stream {}", printable(stream)),
    };
    writeln!(out, "{DIM}journal {journal}, {place}{DIM:#}")?;
    status.pages.iter().try_for_each(|page| writeln!(out, "{DIM}page {}{DIM:#}", printable(page)))
}

fn sessions(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let Status { sessions, owned_sessions, owners_in_grace, owners_lost, owners, .. } = status;
    writeln!(out, "Active: {}, {owned_sessions} of an owner that is looked after", many(*sessions, "session"))?;
    if owners_in_grace + owners_lost > 0 {
        writeln!(out, "{} died, {owners_in_grace} of them in their grace", many(*owners_lost, "owner"))?;
    }
    let mut table = Table::new(["OWNER", "ALIVE", "SESSIONS"]);
    for owner in owners {
        let kind = if owner.kind.is_empty() { "(not said)" } else { owner.kind.as_str() };
        table.row([kind.to_owned(), owner.owners.to_string(), owner.sessions.to_string()]);
    }
    if owners.is_empty() { Ok(()) } else { table.print(out, "") }
}

fn owed(out: &mut impl Write, plugins: &[PluginStatus]) -> io::Result<()> {
    let owed: u64 = plugins.iter().map(|plugin| plugin.ready + plugin.running + plugin.waiting).sum();
    writeln!(out, "Owed: {}", if owed == 1 { "1 delivery".to_owned() } else { format!("{owed} deliveries") })?;
    let mut table = Table::new(["PLUGIN", "READY", "RUNNING", "WAITING", "GIVEN UP", "ORPHANED"]);
    for plugin in plugins {
        let name = match &plugin.tenant {
            Some(tenant) => format!("{} of {tenant}", plugin.plugin),
            None => plugin.plugin.clone(),
        };
        let counts = [plugin.ready, plugin.running, plugin.waiting, plugin.dead, plugin.orphaned];
        let [ready, running, waiting, dead, orphaned] = counts.map(|count| count.to_string());
        table.row([name, ready, running, waiting, dead, orphaned]);
    }
    if plugins.is_empty() { Ok(()) } else { table.print(out, "") }
}

fn many(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// Formats a duration in at most two units: `3 d 2 h`, `2 min`, `7 s`.
fn uptime(seconds: u64) -> String {
    let mut left = seconds;
    let mut parts = Vec::new();
    for (unit, name) in UNITS {
        if left >= unit {
            parts.push(format!("{} {name}", left / unit));
            left %= unit;
        }
    }
    if parts.is_empty() {
        return format!("{seconds} s");
    }
    parts.truncate(2);
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use lastword_server::OwnerCount;

    use super::*;

    fn shown(status: &Status) -> String {
        let mut out = Vec::new();
        show(&mut anstream::StripStream::new(&mut out), status).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_screen_says_what_is_wrong_and_then_what_is_active_and_owed() {
        let plugin =
            PluginStatus { plugin: "memory".into(), installed: true, ready: 1, dead: 2, ..PluginStatus::default() };
        let text = shown(&Status {
            version: "0.1.0".into(),
            pid: 4711,
            uptime_s: 7_260,
            journal: "k3f9a2c1".into(),
            durability: "disk".into(),
            sessions: 3,
            owned_sessions: 2,
            owners: vec![OwnerCount { kind: "claude-code".into(), owners: 2, sessions: 2 }],
            plugins: vec![plugin],
            connections: 1,
            pages: vec!["http://127.0.0.1:7417/".into()],
            wrong: vec!["memory: 2 given up".into()],
            to_know: vec!["agent: died 4 s ago".into()],
            ..Status::default()
        });
        assert_eq!(
            text,
            "Wrong:\n  memory: 2 given up\nTo know:\n  agent: died 4 s ago\n\n\
             lastword 0.1.0, process 4711, up for 2 h 1 min, 1 connection\njournal k3f9a2c1, on disk\n\
             page http://127.0.0.1:7417/\n\n\
             Active: 3 sessions, 2 of an owner that is looked after\n\
             OWNER        ALIVE  SESSIONS\nclaude-code  2      2\n\n\
             Owed: 1 delivery\n\
             PLUGIN  READY  RUNNING  WAITING  GIVEN UP  ORPHANED\nmemory  1      0        0        2         0\n"
        );
    }

    #[test]
    fn a_journal_of_a_node_is_in_a_stream() {
        let text = shown(&Status { journal: "k3f9a2c1".into(), stream: "LW_J_k3f9a2c1".into(), ..Status::default() });
        assert!(text.contains("journal k3f9a2c1, in the stream LW_J_k3f9a2c1\n"), "{text}");
    }

    #[test]
    fn what_is_well_is_said_too() {
        let text = shown(&Status::default());
        assert!(text.contains("no daemon") && text.starts_with("Nothing is wrong.\n\n"), "{text}");
    }

    #[test]
    fn times_have_two_units_at_most() {
        let shown = [7, 60, 3_599, 90_061].map(uptime);
        assert_eq!(shown, ["7 s", "1 min", "59 min", "1 d 1 h"]);
    }
}
