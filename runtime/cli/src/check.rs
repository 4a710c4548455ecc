//! `lastword check`: does a component fit, and what would it need.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use lastword_events::Hook;
use lastword_sandbox::{FileKind, HookFit, Inspection, Provision, Sandbox, SandboxConfig, Source};

use crate::args::CheckArgs;
use crate::config::read_component;
use crate::exit::{Exit, Failure, told};
use crate::logging;
use crate::units::show_bytes;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Inspects the component and says what it found.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    logging::to_stderr(None::<tracing_subscriber::layer::Identity>);
    let component = read_component(&args.plugin).map_err(Failure::usage)?;
    let sandbox = Sandbox::new(SandboxConfig::default()).map_err(Failure::internal)?;
    let found = sandbox.inspect(&Source::Bytes(component)).map_err(Failure::usage)?;
    let mut out = anstream::stdout().lock();
    told(show(&mut out, &args.plugin.display().to_string(), &found))?;
    Ok(if found.refusal.is_none() { Exit::Delivered } else { Exit::No })
}

fn show(out: &mut impl Write, path: &str, found: &Inspection) -> io::Result<()> {
    match &found.refusal {
        None => writeln!(out, "{path}: {GOOD}fits{GOOD:#} lastword:hooks@0.1.0")?,
        Some(refusal) => writeln!(out, "{path}: {BAD}does not fit{BAD:#}: {refusal}")?,
    }
    writeln!(out)?;
    writeln!(out, "  size     {} ({})", show_bytes(found.bytes), kind(found.kind))?;
    writeln!(out, "  sha256   {}", found.sha256)?;
    if found.kind != FileKind::Component {
        return Ok(());
    }
    list(out, "hooks", Hook::ALL.iter().map(|hook| hook_line(*hook, &found.hooks)))?;
    list(out, "imports", imports(found).into_iter())?;
    let grants: Vec<&str> = found.grants().into_iter().map(lastword_sandbox::Grant::as_str).collect();
    writeln!(out, "  grants   {}", if grants.is_empty() { "none needed".to_owned() } else { grants.join(", ") })
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
        Some(_) => format!("{hook}: of another shape than the contract's"),
        None if hook == Hook::SessionEnd => format!("{hook}: missing, and every plugin needs it"),
        None => format!("({hook}: not there; it is optional)"),
    }
}

/// The imports by package, each with who provides it.
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

/// `wasi:cli/stdout@0.2.0` as `wasi:cli@0.2.0` and `stdout`.
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
        _ => "nobody provides it".to_owned(),
    }
}

fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Component => "a component",
        FileKind::CoreModule => "a core module",
        FileKind::Text => "WebAssembly text",
        FileKind::Empty => "an empty file",
        FileKind::Other => "no WebAssembly",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(guest: &str) -> String {
        let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
        let found = sandbox.inspect(&Source::Bytes(lastword_test_guests::component(guest))).unwrap();
        let mut out = anstream::StripStream::new(Vec::new());
        show(&mut out, "plugin.wasm", &found).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn a_plugin_that_fits_is_described() {
        let text = shown("good");
        assert!(text.starts_with("plugin.wasm: fits lastword:hooks@0.1.0\n"), "{text}");
        assert!(text.contains("  hooks    (session-start: not there; it is optional)\n"), "{text}");
        assert!(text.contains("           session-end\n"), "{text}");
        assert!(text.contains("  imports  nothing\n  grants   none needed\n"), "{text}");
    }

    #[test]
    fn a_plugin_that_needs_a_grant_says_which() {
        let text = shown("imports-http");
        assert!(text.starts_with("plugin.wasm: does not fit: "), "{text}");
        assert!(text.contains("(needs the grant http)\n"), "{text}");
        assert!(text.contains("  grants   http\n"), "{text}");
        assert!(shown("imports-unheard-of").contains("(nobody provides it)\n"));
    }

    #[test]
    fn a_missing_hook_and_a_hook_of_another_shape_are_named() {
        assert!(shown("no-session-end").contains("session-end: missing, and every plugin needs it\n"));
        assert!(shown("wrong-session-end").contains("session-end: of another shape than the contract's\n"));
    }

    #[test]
    fn imports_are_grouped_by_package() {
        assert_eq!(split("wasi:cli/stdout@0.2.0"), ("wasi:cli@0.2.0".to_owned(), "stdout"));
        assert_eq!(split("host-log"), ("by name".to_owned(), "host-log"));
    }
}
