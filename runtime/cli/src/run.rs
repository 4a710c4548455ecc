//! `lastword run`: calls a plugin once, and prints a report for its author.

mod event;
mod show;
mod wasmtime;
mod wave;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use lastword::{CallReport, Plugin};
use lastword_events::{HookCall, Outcome};

use crate::args::RunArgs;
use crate::exit::{Exit, Failure, printed};
use crate::inputs;
use crate::logging;
use crate::plugins;
use crate::threads;
use lastword_events::text::printable_path;
use lastword_protocol::limits::MAX_LINE_BYTES;

use crate::calls::output::GuestOutput;
use crate::calls::sample;
use crate::calls::stored::Store;
use crate::config::PluginEntry;

/// Calls the hook once. Ctrl-C ends it as it ends any program.
///
/// # Errors
/// When the plugin or the event cannot be used.
pub(crate) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let guest_output = GuestOutput::default();
    logging::to_stderr(Some(guest_output.clone()));
    carry_out(args, &guest_output, &mut anstream::stdout().lock())
}

/// Makes the call, and prints the report to `out`. `guest_output` receives the guest's output.
fn carry_out(args: &RunArgs, guest_output: &GuestOutput, out: &mut impl Write) -> Result<Exit, Failure> {
    let grants = args.grants.grants()?;
    let entry = plugins::from_path(&args.plugin, args.limits.limits(), grants.clone())?;
    let call = call(args, &entry)?;
    let command = wasmtime::command(&args.plugin, &call, &entry.limits, &grants);
    if args.print_wasmtime {
        printed(writeln!(out, "{command}"))?;
        return Ok(Exit::Delivered);
    }
    let sandbox = plugins::sandbox(&args.cache, std::slice::from_ref(&entry))?;
    let plugin = plugins::load(&sandbox, entry)?;
    refuse_missing_hook(args, &plugin)?;
    let tokio = threads::local_runtime()?;
    let deadline = plugin.limits().deadline;
    let report: CallReport = tokio.block_on(async {
        sandbox.call(&plugin, call.clone(), deadline).with_key_values(Arc::new(Store::default())).await
    });
    tokio.shutdown_background();

    let stores = grants.key_value.is_some();
    printed(show::show(out, &plugin, args.hook, &report, stores, &guest_output.take(), &command))?;
    Ok(if report.outcome == Outcome::Delivered { Exit::Delivered } else { Exit::No })
}

fn refuse_missing_hook(args: &RunArgs, plugin: &Plugin) -> Result<(), Failure> {
    if plugin.hooks().contains(args.hook) {
        return Ok(());
    }
    let has: Vec<&str> = plugin.hooks().iter().map(lastword_events::Hook::as_str).collect();
    Err(Failure::usage(anyhow!("plugin {:?} has no {}; it has: {}", plugin.name().as_str(), args.hook, has.join(", "))))
}

fn call(args: &RunArgs, plugin: &PluginEntry) -> Result<HookCall, Failure> {
    let remaining_ms = u32::try_from(plugin.limits.deadline.as_millis()).unwrap_or(u32::MAX);
    let Some(path) = &args.event else { return Ok(sample::call(args.hook, &plugin.name, remaining_ms)) };
    let json = read_event(path).map_err(Failure::usage)?;
    event::read(&json, args.hook, &plugin.name, remaining_ms)
        .map_err(|bad| Failure::usage(anyhow!("the event in {} cannot be used: {}", printable_path(path), bad.message)))
}

/// Reads the file, or stdin for `-`, up to the length of a protocol line.
fn read_event(path: &Path) -> anyhow::Result<Vec<u8>> {
    let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
    let json =
        inputs::read_text(path, limit).with_context(|| format!("cannot read the event {}", printable_path(path)))?;
    anyhow::ensure!(
        json.len() <= MAX_LINE_BYTES,
        "the event {} has more than {MAX_LINE_BYTES} bytes",
        printable_path(path)
    );
    Ok(json)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tracing_subscriber::Registry;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::args::{Cli, Command};

    /// Returns the output of `lastword run` for a test guest.
    fn run(guest: &str, more: &[&str]) -> (Result<Exit, Failure>, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = lastword_test_guests::write(guest, dir.path());
        let path = path.to_str().unwrap();
        let cli = Cli::try_parse_from([&["lastword", "run", "--no-cache", path], more].concat()).unwrap();
        let Command::Run(args) = cli.command else { panic!() };
        let guest_output = GuestOutput::default();
        let mut out = anstream::StripStream::new(Vec::new());
        let subscriber = Registry::default().with(guest_output.clone());
        let exit = tracing::subscriber::with_default(subscriber, || carry_out(&args, &guest_output, &mut out));
        (exit, String::from_utf8(out.into_inner()).unwrap().replace(path, "plugin.wasm"))
    }

    #[test]
    fn a_plugins_author_sees_the_outcome_the_output_and_what_it_cost() {
        let (exit, text) = run("prints", &["--fuel", "1_000_000", "--memory", "2MiB"]);
        assert_eq!(exit.unwrap(), Exit::Delivered);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "session-end of prints: delivered");
        assert_eq!(lines[2], "  output  | session-end sample-session attempt=1");
        assert!(lines[3].starts_with("  fuel    ") && lines[3].ends_with(" of 1_000_000"), "{text}");
        assert_eq!(lines[4], "  memory  64.0 KiB of 2.0 MiB at most");
        assert!(lines[5].starts_with("  time    ") && lines[5].contains(" of 500 ms (by the clock "), "{text}");
        let command = lines.last().unwrap();
        assert!(command.starts_with("wasmtime run -W fuel=1000000,timeout=500ms,max-memory-size=2097152 --invoke 'session-end({session: {tenant: \"default\","), "{text}");
        assert!(command.ends_with("})' plugin.wasm"), "{text}");
    }

    #[test]
    fn a_failure_is_named_and_is_no_success() {
        let (exit, text) = run("trap", &[]);
        assert_eq!(exit.unwrap(), Exit::No);
        assert!(text.starts_with("session-end of trap: failed(trap: unreachable): "), "{text}");
        assert!(text.contains("\n  output  none: it imports neither wasi:cli/stdout nor stderr. "), "{text}");
        let (exit, text) = run("spin", &["--deadline", "20ms"]);
        assert_eq!(exit.unwrap(), Exit::No);
        assert!(text.starts_with("session-end of spin: failed(deadline): "), "{text}");
    }

    #[test]
    fn a_missing_hook_is_refused_with_the_hooks_that_are_there() {
        let (exit, _) = run("good", &["--hook", "session-start"]);
        let failure = exit.unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(failure.error.to_string(), r#"plugin "good" has no session-start; it has: session-end"#);
    }
}
