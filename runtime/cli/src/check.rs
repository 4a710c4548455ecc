//! `lastword check`: whether a component fits, its requests, and the grants that it would get.

mod paste;
mod requested_grants;

use std::io::{self, Write};
use std::path::Path;

use lastword_events::Hook;
use lastword_sandbox::{CONTRACT, FileKind, Grants, HookFit, Inspection, Limits, LoadError, Provision, Source};

use crate::args::CheckArgs;
use crate::config::read_component;
use crate::exit::{Exit, Failure, printed};
use crate::logging;
use crate::plugins;
use crate::style::{BAD, GOOD};
use lastword_config::units::show_bytes;
use lastword_events::text::printable_path;

/// Inspects the component and prints the findings.
///
/// # Errors
/// When the component cannot be read.
pub(crate) fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    logging::to_stderr(None::<tracing_subscriber::layer::Identity>);
    let grants = args.grants.grants()?;
    let component = read_component(&args.plugin).map_err(Failure::usage)?;
    let sandbox = plugins::sandbox_for(&args.cache, Limits::default().memory)?;
    let found = sandbox.inspect(&Source::Bytes(component), &grants).map_err(Failure::usage)?;
    printed(show(&mut anstream::stdout().lock(), &args.plugin, &found, &grants))?;
    Ok(if found.refusal.is_none() { Exit::Delivered } else { Exit::No })
}

fn show(out: &mut impl Write, path: &Path, found: &Inspection, grants: &Grants) -> io::Result<()> {
    let file = printable_path(path);
    match &found.refusal {
        None => writeln!(out, "{file}: {GOOD}fits{GOOD:#} {CONTRACT}")?,
        Some(refusal) => writeln!(out, "{file}: {BAD}does not fit{BAD:#}: {refusal}")?,
    }
    writeln!(out)?;
    writeln!(out, "  size     {} ({})", show_bytes(found.bytes), kind(found.kind))?;
    writeln!(out, "  sha256   {}", found.sha256)?;
    if found.kind != FileKind::Component {
        return Ok(());
    }
    list(out, "hooks", Hook::ALL.iter().map(|hook| hook_line(*hook, &found.hooks)))?;
    list(out, "imports", imports(found).into_iter())?;
    // The requests are printed even if the component does not fit, because its author can fix that.
    writeln!(out)?;
    requested_grants::show(out, found, grants)?;
    writeln!(out)?;
    requested_grants::show_for_everyone(out, found, grants)?;
    if matches!(found.refusal, None | Some(LoadError::NeedsGrant { .. })) {
        writeln!(out)?;
        paste::show(out, path, found, grants)?;
    }
    Ok(())
}

fn list(out: &mut impl Write, label: &str, lines: impl Iterator<Item = String>) -> io::Result<()> {
    for (number, line) in lines.enumerate() {
        let label = if number == 0 { label } else { "" };
        writeln!(out, "  {label:7}  {line}")?;
    }
    Ok(())
}

fn hook_line(hook: Hook, found: &[HookFit]) -> String {
    match found.iter().find(|fit| fit.hook == hook) {
        Some(HookFit { problem: None, .. }) => hook.to_string(),
        Some(HookFit { problem: Some(LoadError::WrongSignature { detail, .. }), .. }) => {
            format!("{hook}: of another shape than the contract's: {detail}")
        }
        Some(HookFit { problem: Some(LoadError::AsyncHook { .. }), .. }) => {
            format!("{hook}: async, and hooks are called as plain functions")
        }
        Some(HookFit { problem: Some(other), .. }) => format!("{hook}: {other}"),
        None if hook == Hook::SessionEnd => format!("{hook}: missing, and every plugin needs it"),
        None => format!("({hook}: not there; it is optional)"),
    }
}

/// Returns the imports by package, each with its provider.
fn imports(found: &Inspection) -> Vec<String> {
    let mut packages: Vec<(String, Provision, Vec<&str>)> = Vec::new();
    for import in &found.imports {
        let (package, interface) = split(&import.name);
        match packages.iter_mut().find(|(name, provision, _)| *name == package && *provision == import.provision) {
            Some((_, _, interfaces)) => interfaces.push(interface),
            None => packages.push((package, import.provision, vec![interface])),
        }
    }
    if packages.is_empty() {
        return vec!["nothing".to_owned()];
    }
    let line = |(package, provision, interfaces): (String, Provision, Vec<&str>)| {
        format!("{package}: {} ({})", interfaces.join(", "), provided(provision))
    };
    packages.into_iter().map(line).collect()
}

/// Splits `wasi:cli/stdout@0.2.0` into `wasi:cli@0.2.0` and `stdout`.
fn split(name: &str) -> (String, &str) {
    let Some((package, rest)) = name.split_once('/') else { return (String::from("by name"), name) };
    match rest.split_once('@') {
        Some((interface, version)) => (format!("{package}@{version}"), interface),
        None => (package.to_owned(), rest),
    }
}

fn provided(provision: Provision) -> String {
    match provision {
        Provision::Everyone => "provided to every plugin".to_owned(),
        Provision::Grant(grant) => format!("needs the grant {grant}"),
        Provision::Another(served) => format!("not served: there is {served}"),
        _ => "nobody provides it".to_owned(),
    }
}

fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Component => "a component",
        FileKind::CoreModule => "a core module",
        FileKind::Text => "WebAssembly text",
        FileKind::Empty => "an empty file",
        FileKind::Archive => "an archive",
        FileKind::LfsPointer => "a pointer of Git LFS",
        FileKind::Html => "a web page",
        FileKind::Native => "native code",
        _ => "no WebAssembly",
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use lastword_sandbox::{Grant, Sandbox, SandboxConfig};

    use super::*;
    use crate::args::{Cli, Command};
    use crate::config::{Config, PluginEntry};

    fn shown_with(guest: &str, flags: &[&str]) -> String {
        let cli = Cli::try_parse_from([&["lastword", "check", "plugin.wasm"], flags].concat()).unwrap();
        let Command::Check(args) = cli.command else { panic!() };
        let grants = args.grants.grants().unwrap();
        let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
        let found = sandbox.inspect(&Source::Bytes(lastword_test_guests::component(guest)), &grants).unwrap();
        let mut out = anstream::StripStream::new(Vec::new());
        show(&mut out, &args.plugin, &found, &grants).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    fn shown(guest: &str) -> String {
        shown_with(guest, &[])
    }

    /// Returns the proposed entry as the configuration parses it.
    fn pasted(text: &str) -> PluginEntry {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lastword.toml");
        let entry = text.split_once("[[plugin]]").unwrap().1;
        // Omits the pin: there is no component here, and another test checks pins.
        let lines = entry.lines().filter(|line| !line.starts_with("sha256 = "));
        std::fs::write(&path, format!("[[plugin]]{}", lines.collect::<Vec<_>>().join("\n"))).unwrap();
        std::fs::write(dir.path().join("plugin.wasm"), b"component").unwrap();
        Config::load(&path).unwrap().plugins.pop().unwrap()
    }

    #[test]
    fn a_plugin_that_fits_is_described() {
        let text = shown("good");
        assert!(text.starts_with("plugin.wasm: fits lastword:hooks@0.1.0\n"), "{text}");
        assert!(text.contains("  hooks    (session-start: not there; it is optional)\n"), "{text}");
        assert!(text.contains("           session-end\n"), "{text}");
        assert!(text.contains("  imports  nothing\n"), "{text}");
        assert!(text.contains("What it asks for\n  nothing that you would have to grant\n"), "{text}");
        assert!(text.contains("  files        none, and it does not ask for any\n"), "{text}");
        assert!(text.contains("  network      none\n"), "{text}");
        assert_eq!(pasted(&text).grants, Grants::default());
    }

    #[test]
    fn a_plugin_that_needs_a_grant_says_which_and_what_it_means() {
        let text = shown("imports-http");
        assert!(text.starts_with("plugin.wasm: does not fit: "), "{text}");
        assert!(text.contains("(needs the grant http)\n"), "{text}");
        assert!(text.contains("  http         not granted, and needed\n"), "{text}");
        assert!(text.contains("it can reach only the addresses that you list"), "{text}");
        assert!(pasted(&text).grants.has(Grant::Http));
        let unheard_of = shown("imports-unheard-of");
        assert!(unheard_of.contains("(nobody provides it)\n"), "{unheard_of}");
        assert!(!unheard_of.contains("[[plugin]]"), "no entry would help: {unheard_of}");
    }

    #[test]
    fn a_plugin_with_its_grants_fits_and_the_entry_has_them() {
        let http = ["--grant-http", "https://api.example.com", "--grant-http", "http://127.0.0.1:37777"];
        let config = ["--grant-config", "greeting=he said \"hello\"", "--grant-config", "a.b="];
        for (guest, flags, said) in [
            ("imports-http", &http[..], "http         granted: http://127.0.0.1:37777, https://api.example.com"),
            ("imports-config", &config[..], "config       granted: a.b, greeting"),
            ("imports-keyvalue", &["--grant-keyvalue=64KiB"], "keyvalue     granted: 64KiB for each tenant"),
            ("imports-keyvalue", &["--grant-keyvalue"], "keyvalue     granted: 1MiB for each tenant"),
        ] {
            let text = shown_with(guest, flags);
            assert!(text.starts_with("plugin.wasm: fits "), "{text}");
            assert!(text.contains(said), "{said} in {text}");
            let cli = Cli::try_parse_from([&["lastword", "check", "plugin.wasm"], flags].concat()).unwrap();
            let Command::Check(args) = cli.command else { panic!() };
            assert_eq!(pasted(&text).grants, args.grants.grants().unwrap());
        }
    }

    #[test]
    fn what_is_granted_and_not_asked_for_is_named() {
        let text = shown_with(
            "good",
            &["--grant-keyvalue", "--grant-http", "http://10.0.0.1", "--grant-transcript", "/var/lib/agents"],
        );
        assert!(text.contains("  Granted, and not asked for: keyvalue, http, transcript.\n"), "{text}");
        assert!(text.contains("  network      none\n"), "{text}");
        assert_eq!(pasted(&text).grants, Grants::default());
    }

    #[test]
    fn a_plugin_that_could_read_files_says_what_the_transcript_would_be() {
        let without = shown("transcript-reads");
        assert!(without.starts_with("plugin.wasm: fits "), "{without}");
        assert!(without.contains("  transcript   not granted\n"), "{without}");
        assert!(without.contains("  files        none: it finds no directory\n"), "{without}");
        assert_eq!(pasted(&without).grants, Grants::default());

        let shared = shown_with("transcript-reads", &["--grant-transcript", "/agents"]);
        assert!(shared.contains("  transcript   granted: files below /agents, of each at most 16MiB\n"), "{shared}");
        assert!(shared.contains("  files        one, to read: a copy of the session's transcript"), "{shared}");
        let entry = pasted(&shared);
        assert!(entry.grants.transcript.is_some() && entry.tenants.is_some_and(|tenants| tenants.len() == 1));
    }

    #[test]
    fn a_missing_hook_and_a_hook_of_another_shape_are_named() {
        assert!(shown("no-session-end").contains("session-end: missing, and every plugin needs it\n"));
        assert!(
            shown("wrong-session-end").contains("session-end: of another shape than the contract's: event is string, ")
        );
    }

    #[test]
    fn imports_are_grouped_by_package() {
        assert_eq!(split("wasi:cli/stdout@0.2.0"), ("wasi:cli@0.2.0".to_owned(), "stdout"));
        assert_eq!(split("host-log"), ("by name".to_owned(), "host-log"));
    }
}
