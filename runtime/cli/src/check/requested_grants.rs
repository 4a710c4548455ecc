//! A component's requests and grants, explained for the operator who decides.

use std::io::{self, Write};

use lastword_sandbox::{Grant, Grants, Inspection};

use super::{BAD, GOOD};
use crate::calls::output::{MUTE, prints};
use lastword_config::units::write_bytes;

/// The interfaces through which a plugin reads its transcript. Most toolchains import them, used or not.
const FILES: &str = "wasi:filesystem/";

/// Returns the grants that matter to this component: those that it cannot be loaded without, and the transcript if it
/// could read one.
pub(super) fn requested_grants(found: &Inspection) -> Vec<Grant> {
    let mut requested = found.grants();
    if imports(found, FILES) {
        requested.push(Grant::Transcript);
    }
    requested
}

fn imports(found: &Inspection, interfaces: &str) -> bool {
    found.imports.iter().any(|import| import.name.starts_with(interfaces))
}

/// Prints each requested grant: whether it was given, and its meaning.
pub(super) fn show(out: &mut impl Write, found: &Inspection, grants: &Grants) -> io::Result<()> {
    let (requested, all) = (requested_grants(found), [Grant::Config, Grant::KeyValue, Grant::Http, Grant::Transcript]);
    let unused: Vec<&str> =
        all.into_iter().filter(|grant| grants.has(*grant) && !requested.contains(grant)).map(Grant::as_str).collect();
    writeln!(out, "What it asks for")?;
    if requested.is_empty() {
        writeln!(out, "  nothing that you would have to grant")?;
    }
    for grant in requested {
        match given(grants, grant) {
            Some(given) => writeln!(out, "  {:12} {GOOD}granted{GOOD:#}: {given}", grant.as_str())?,
            None if grant == Grant::Transcript => writeln!(out, "  {:12} not granted", grant.as_str())?,
            None => writeln!(out, "  {:12} {BAD}not granted{BAD:#}, and needed", grant.as_str())?,
        }
        for line in meaning(grant) {
            writeln!(out, "  {:12} {line}", "")?;
        }
    }
    if !unused.is_empty() {
        writeln!(out, "  Granted, and not asked for: {}.", unused.join(", "))?;
    }
    Ok(())
}

/// Prints the rights that every plugin has, and those that no plugin has.
pub(super) fn show_for_everyone(out: &mut impl Write, found: &Inspection, grants: &Grants) -> io::Result<()> {
    let reads_transcript = imports(found, FILES) && grants.has(Grant::Transcript);
    let files = match (reads_transcript, imports(found, FILES)) {
        (true, _) => "one, to read: a copy of the session's transcript, at /session/transcript",
        (false, true) => "none: it finds no directory",
        (false, false) => "none, and it does not ask for any",
    };
    let sockets = if imports(found, "wasi:sockets/") { "none: no sockets, and no name is looked up" } else { "none" };
    let asks_http = found.grants().contains(&Grant::Http);
    let network = if asks_http && grants.has(Grant::Http) { "HTTP as granted, and nothing else" } else { sockets };
    let output = match prints(found.imports.iter().map(|import| import.name.as_str())) {
        true => "what it prints goes to the log, as far as limits.log allows",
        false => MUTE,
    };
    writeln!(out, "What it gets, like every plugin")?;
    for (what, how) in [
        ("sessions", "the events of the tenants that it serves: ids, working directory, attributes, transcript's path"),
        ("output", output),
        ("clocks", "real"),
        ("random", "real, as far as limits.random allows"),
        ("files", files),
        ("network", network),
        ("environment", "none: no variables, no arguments"),
    ] {
        writeln!(out, "  {what:12} {how}")?;
    }
    Ok(())
}

/// Returns the grant's value, shortened. `None`: the grant was not given.
fn given(grants: &Grants, grant: Grant) -> Option<String> {
    match grant {
        Grant::Config => grants.config.as_ref().map(|pairs| {
            let names: Vec<&str> = pairs.keys().map(String::as_str).collect();
            if names.is_empty() { "no settings".to_owned() } else { names.join(", ") }
        }),
        Grant::KeyValue => grants.key_value.map(|grant| format!("{} for each tenant", write_bytes(grant.quota))),
        Grant::Http => grants.http.as_ref().map(|list| {
            let destinations: Vec<String> = list.iter().map(ToString::to_string).collect();
            if destinations.is_empty() { "no address".to_owned() } else { destinations.join(", ") }
        }),
        Grant::Transcript => grants
            .transcript
            .as_ref()
            .map(|grant| format!("files below {}, of each at most {}", grant.root, write_bytes(grant.max))),
        _ => None,
    }
}

fn meaning(grant: Grant) -> &'static [&'static str] {
    match grant {
        Grant::Config => {
            &["It wants to read settings: it sees the names and values that you write down, and no others."]
        }
        Grant::KeyValue => &[
            "It wants to keep data from one call to the next: it has a space of its own for each tenant, up to the",
            "quota, and sees no other plugin's and no other tenant's.",
        ],
        Grant::Http => &[
            "It wants to send HTTP requests: it can reach only the addresses that you list, and can tell them all that",
            "it is told of a session.",
        ],
        Grant::Transcript => &[
            "It can read files, as most toolchains make it, used or not. With this grant it finds a copy of the",
            "session's transcript; without it there is no file at all.",
        ],
        _ => &[],
    }
}
