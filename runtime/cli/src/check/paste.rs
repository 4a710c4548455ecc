//! The plugin's entry in `lastword.toml`, ready to be pasted.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use lastword_events::{PluginName, is_plain};
use lastword_sandbox::{Grant, Grants, Inspection};
use toml::Value;

use super::requested_grants::requested_grants;
use crate::config::name_of;
use lastword_config::units::write_bytes;

/// Prints the entry: grants as they were given, and an example for each missing one.
pub(super) fn show(out: &mut impl Write, path: &Path, found: &Inspection, grants: &Grants) -> io::Result<()> {
    let name = name_of(path);
    let name = name.as_ref().map_or("plugin", PluginName::as_str);
    let requested = requested_grants(found);
    writeln!(out, "To install it, put this into lastword.toml:")?;
    writeln!(out)?;
    writeln!(out, "[[plugin]]")?;
    writeln!(out, "name = {}", text(name))?;
    let relative = if path.is_relative() { "  # relative to lastword.toml" } else { "" };
    writeln!(out, "component = {}{relative}", text(&path.display().to_string()))?;
    writeln!(out, "sha256 = {}", text(&found.sha256))?;
    let shared = grants.transcript.as_ref().is_some_and(|grant| !grant.root.is_per_tenant());
    if shared && requested.contains(&Grant::Transcript) {
        writeln!(out, "tenants = [\"default\"]  # one only, because the root has no {{tenant}} in it")?;
    }
    for grant in requested {
        writeln!(out, "{}", entry(grants, grant))?;
    }
    Ok(())
}

fn entry(grants: &Grants, grant: Grant) -> String {
    match (grant, grants) {
        (Grant::Config, Grants { config: Some(pairs), .. }) => {
            let pairs: Vec<String> =
                pairs.iter().map(|(name, value)| format!("{} = {}", text(name), text(value))).collect();
            format!("config = {{ {} }}", pairs.join(", "))
        }
        (Grant::Config, _) => "config = { greeting = \"hello\" }  # the settings that it reads".to_owned(),
        (Grant::KeyValue, Grants { key_value: Some(grant), .. }) => {
            format!("keyvalue = {{ quota = {} }}", text(&write_bytes(grant.quota)))
        }
        (Grant::KeyValue, _) => "keyvalue = { quota = \"1MiB\" }  # for each tenant".to_owned(),
        (Grant::Http, Grants { http: Some(list), .. }) => {
            let list: Vec<String> = list.iter().map(|destination| text(&destination.to_string())).collect();
            format!("http = [{}]", list.join(", "))
        }
        (Grant::Http, _) => "http = [\"https://api.example.com\"]  # all that it may reach".to_owned(),
        (Grant::Transcript, Grants { transcript: Some(grant), .. }) => {
            let (root, max) = (text(&grant.root.to_string()), text(&write_bytes(grant.max)));
            format!("transcript = {{ root = {root}, max = {max} }}")
        }
        (Grant::Transcript, _) => {
            "# transcript = { root = \"/var/lib/agents/{tenant}\" }  # if it is to read transcripts".to_owned()
        }
        _ => format!("# {grant} = …"),
    }
}

/// Returns a TOML string without control characters.
fn text(text: &str) -> String {
    if text.chars().all(is_plain) {
        return Value::from(text).to_string();
    }
    let escaped = text.chars().fold(String::from('"'), |mut escaped, c| {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            c if is_plain(c) && c != '\t' => escaped.push(c),
            // Writing to a String cannot fail.
            c => write!(escaped, "\\U{:08x}", u32::from(c)).unwrap_or_default(),
        }
        escaped
    });
    escaped + "\""
}
