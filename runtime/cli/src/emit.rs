//! `lastword emit`: the command of an agent's hook. It hands one payload to the daemon, or writes it to the spool, and
//! exits.
//!
//! The agent waits for the command, reads its output and acts on its exit code. So the command prints nothing and exits
//! with 0, whatever happens, unless `--strict` is given, and it sets up nothing else of the program.

mod agent;
mod answered;
mod daemon_log;
mod failed_start;
mod input;
mod on_disk;
mod place;
mod send;
mod spawn;
mod start_daemon;

use std::env;
use std::ffi::OsString;
use std::io::Write as _;
use std::panic::{catch_unwind, set_hook};
use std::time::Instant;

use anyhow::anyhow;
use clap::Parser;
use clap::error::ErrorKind;
use lastword_events::printable;
use lastword_protocol::owners::InputFormat;
use lastword_spool::{Spool, SpoolError, SpooledEvent, Stamp};

use crate::args::{EmitArgs, emit_help};
use crate::exit::{Exit, Failure};
use crate::limits::{EMIT_BUDGET, EMIT_SPOOLING, MAX_EVENT_NAME_CHARS};
use crate::signals::outlive_file_size_limit;
use answered::Answered;

pub(crate) use place::default_spool;
pub(crate) use spawn::begin as begin_daemon;
pub(crate) use start_daemon::start_daemon;

const COMMAND: &str = "emit";

/// The command on its own: building the whole command line would take longer than the rest of a hook.
#[derive(Debug, Parser)]
#[command(
    name = COMMAND,
    bin_name = "lastword emit",
    about = "Hand over what an agent gives its hook, or keep it until a daemon takes it in",
    after_help = emit_help(),
    max_term_width = 100
)]
struct Alone {
    #[command(flatten)]
    args: EmitArgs,
}

/// Whether this process was started as a hook.
pub(crate) fn is_asked() -> bool {
    env::args_os().nth(1).is_some_and(|command| command == COMMAND)
}

/// Runs the command.
pub(crate) fn run() -> Exit {
    let began = Instant::now();
    // A write beyond a limit of the file size then fails and does not end the hook. Without the handler the default
    // stays.
    outlive_file_size_limit().ok();
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    let is_strict = words.iter().any(|word| word == "--strict");
    if !is_strict {
        set_hook(Box::new(|_| {}));
    }
    let result = catch_unwind(|| emit(&words, began))
        .unwrap_or_else(|_| Err(Failure::internal(anyhow!("a panic, which is a defect of lastword"))));
    let (exit, said) = match result {
        Ok(said) => (Exit::Delivered, said),
        Err(Failure { exit, error }) => (exit, Some(format!("{error:#}"))),
    };
    if !is_strict {
        return Exit::Delivered;
    }
    if let Some(said) = said {
        // If stderr is closed, nobody can be told.
        writeln!(std::io::stderr(), "lastword: {}", printable(&said)).ok();
    }
    exit
}

/// A message without an error.
type Said = Option<String>;

fn emit(words: &[OsString], began: Instant) -> Result<Said, Failure> {
    let parsed = Alone::try_parse_from(words);
    if let Err(help) = &parsed
        && matches!(help.kind(), ErrorKind::DisplayHelp)
    {
        help.exit();
    }
    answer_owner(words);
    // Taken before the input is read: the order of events is the order of their hooks.
    let stamp = Stamp::now();
    match parsed {
        Ok(Alone { args }) => hand_over(&args, &stamp, began),
        Err(wrong) => keep_unusable(words, &wrong, &stamp, began),
    }
}

/// Prints the answer for the owner, whatever happens to its event: JSON for Cursor, nothing for the rest.
fn answer_owner(words: &[OsString]) {
    if words.iter().any(|word| word == InputFormat::Cursor.as_str()) {
        let mut out = std::io::stdout().lock();
        // The owner need not read it.
        writeln!(out, "{{}}").and_then(|()| out.flush()).ok();
    }
}

fn hand_over(args: &EmitArgs, stamp: &Stamp, began: Instant) -> Result<Said, Failure> {
    let payload = input::read(began)?;
    let mut event = SpooledEvent {
        process: args.process.and_then(agent::named).or_else(|| agent::process(args.owner)),
        ..SpooledEvent::new(args.owner.as_str(), stamp, payload).named(args.event.as_deref())
    };
    if let Some(op_id) = &args.op_id {
        event.op_id.clone_from(op_id);
    }
    let spool = place::spool(args.spool.as_deref());
    if let (Ok(spool), Some(name)) = (&spool, &args.event)
        && name.chars().count() > MAX_EVENT_NAME_CHARS
    {
        return refuse(spool, event, &format!("EVENT has more than {MAX_EVENT_NAME_CHARS} characters"), began);
    }
    // If a daemon takes in the spool, earlier events in it go first.
    let follows =
        spool.as_ref().is_ok_and(|spool| !spool.is_empty().unwrap_or(true) && spool.has_reader().unwrap_or(false));
    let answered = match follows {
        true => Answered::unanswered("others came before it, and are being taken in"),
        false => send::send(args.socket.as_deref(), &event, answer_by(began)),
    };
    match answered {
        Answered::Taken { is_outdated } => {
            if let (true, true, Ok(spool)) = (args.spawn, is_outdated, &spool) {
                spawn::begin(spool, args.socket.as_deref(), true)?;
            }
            Ok(None)
        }
        Answered::Refused(why) => refuse(&spool?, event, &why, began),
        Answered::Unanswered { why, is_outdated } => {
            let spool = spool?;
            let kept = keep(&spool, &event, began);
            let is_usable = !matches!(kept, Err(SpoolError::NotPrivate { .. }));
            let said = match kept {
                Ok(()) => {
                    let directory = spool.directory().display();
                    Ok(args.strict.then(|| format!("the event is kept in the spool {directory}: {why}")))
                }
                Err(error) if follows => last_resort(args, &spool, event, error, began),
                Err(error) => Err(unspooled(error)),
            };
            // Only now, so that the exit of a daemon that has just looked into the spool for the last time is noticed.
            // Also when the spool was full, because a daemon makes room.
            if args.spawn && is_usable && (is_outdated || !spool.has_reader().unwrap_or(false)) {
                spawn::begin(&spool, args.socket.as_deref(), is_outdated)?;
            }
            said
        }
    }
}

/// Writes the event to the spool, and syncs it if there is time.
fn keep(spool: &Spool, event: &SpooledEvent, began: Instant) -> Result<(), SpoolError> {
    let written = spool.writer()?.put(event)?;
    on_disk::sync_by(written, began + EMIT_BUDGET)
}

/// Tries to hand the event over when the spool is full or the disk fails. The daemon was not asked before, because
/// earlier events wait: an event out of order is better than a lost one.
fn last_resort(
    args: &EmitArgs,
    spool: &Spool,
    event: SpooledEvent,
    failed: SpoolError,
    began: Instant,
) -> Result<Said, Failure> {
    match send::send(args.socket.as_deref(), &event, began + EMIT_BUDGET) {
        Answered::Taken { .. } => Ok(None),
        Answered::Refused(why) => refuse(spool, event, &why, began),
        Answered::Unanswered { .. } => Err(unspooled(failed)),
    }
}

/// Returns the deadline for the daemon's answer.
fn answer_by(began: Instant) -> Instant {
    began + EMIT_BUDGET.saturating_sub(EMIT_SPOOLING)
}

/// The failure when the spool cannot be used, or the disk fails.
fn unspooled(error: SpoolError) -> Failure {
    match error {
        SpoolError::Io { .. } => Failure::internal(error),
        error => Failure::usage(error),
    }
}

/// Keeps, for people, an event that no daemon takes.
fn refuse(spool: &Spool, event: SpooledEvent, why: &str, began: Instant) -> Result<Said, Failure> {
    let written = spool.keep_refused(&event.refused_for(why));
    let kept = written.and_then(|written| on_disk::sync_by(written, began + EMIT_BUDGET));
    let told = anyhow!("{why}");
    Err(Failure::usage(match kept {
        Ok(()) => told.context(format!("the event is not taken, and is kept in {}", spool.directory().display())),
        Err(error) => told.context(format!("the event is not taken, and cannot be kept ({error})")),
    }))
}

/// Keeps the payload of a command with wrong arguments.
fn keep_unusable(words: &[OsString], wrong: &clap::Error, stamp: &Stamp, began: Instant) -> Result<Said, Failure> {
    let said = wrong.to_string();
    let why = said.lines().next().unwrap_or_default().to_owned();
    let is_strict = words.iter().any(|word| word == "--strict");
    if !is_strict && let (Ok(spool), Ok(payload)) = (place::spool(None), input::read(began)) {
        let word = |at: usize| words.get(at).map(|word| word.to_string_lossy()).unwrap_or_default();
        let event = SpooledEvent::new(&word(1), stamp, payload).named(words.get(2).map(|_| word(2)).as_deref());
        return refuse(&spool, event, &why, began);
    }
    Err(Failure::usage(anyhow!("{said}")))
}
