//! `lastword emit-spawn`: the process that a hook starts in order to start a daemon. The hook does not wait for this
//! process. It leaves the hook's session, starts `lastword serve`, and holds the lock until the daemon is ready.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::anyhow;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::setsid;

use super::daemon_log;
use super::failed_start;
use super::place;
use super::spawn::{FIRST_INHERITED, this_program};
use crate::args::{EmitSpawnArgs, SPAWNED};
use crate::client::Daemon;
use crate::exit::{Exit, Failure};
use crate::limits::{HAND_OVER, HAND_OVER_LOOK, SPAWNED_IDLE, SPAWNED_READY};
use crate::pause::pause;
use crate::socket::SocketPlace;

/// Starts a daemon, unless one answers.
///
/// # Errors
/// When the daemon does not become ready. Its log says why.
pub(crate) fn start_daemon(args: &EmitSpawnArgs) -> Result<Exit, Failure> {
    // Leaves the hook's terminal and process group, so that their end does not end us. A session leader stays in its
    // session.
    setsid().ok();
    close_fds::set_fds_cloexec_threadsafe(FIRST_INHERITED, &[]);
    let started = start(args);
    failed_start::note(&args.spool, started.as_ref().err());
    started
}

fn start(args: &EmitSpawnArgs) -> Result<Exit, Failure> {
    let place = place::socket(args.socket.as_deref())?;
    if args.hand_over {
        hand_over(&place)?;
    } else if answers(&place.path) {
        return Ok(Exit::Delivered);
    }
    let mut failed = None;
    for launcher in launchers() {
        match serve(&launcher, args)? {
            None => return Ok(Exit::Delivered),
            Some(status) => failed = Some(status),
        }
    }
    if answers(&place.path) {
        // Another process has started a daemon meanwhile.
        return Ok(Exit::Delivered);
    }
    let status = failed.map_or_else(|| "with nothing".to_owned(), |status| status.to_string());
    Err(Failure::internal(anyhow!("the daemon has ended before it was ready, {status}")))
}

/// The paths of systemd's program. `PATH` comes from an agent, and may begin with a project's own folder.
const SYSTEMD_RUN: [&str; 3] = ["/usr/bin/systemd-run", "/bin/systemd-run", "/run/current-system/sw/bin/systemd-run"];

/// Returns the launchers to try. The first is systemd, if it manages the user's processes, so that the end of an
/// agent's scope or of a login does not end the daemon. The last starts the daemon directly.
fn launchers() -> Vec<Vec<&'static str>> {
    let has_systemd = std::env::var_os("XDG_RUNTIME_DIR")
        .is_some_and(|runtime| Path::new(&runtime).join("systemd").join("private").exists());
    let program = SYSTEMD_RUN.into_iter().find(|program| has_systemd && Path::new(program).exists());
    let scope = program.map(|program| vec![program, "--user", "--scope", "--quiet", "--collect", "--"]);
    scope.into_iter().chain([Vec::new()]).collect()
}

/// Starts the daemon and waits for a while until it is ready. None: it is ready, or still starting. Else the exit status of the daemon or of
/// its launcher.
fn serve(launcher: &[&str], args: &EmitSpawnArgs) -> Result<Option<ExitStatus>, Failure> {
    let program = this_program().map_err(Failure::internal)?;
    let mut words = launcher.iter().map(OsStr::new).chain([program.as_os_str()]);
    let mut command = Command::new(words.next().unwrap_or(program.as_os_str()));
    command.args(words).arg("serve").arg(SPAWNED).arg("--exit-when-idle").arg(SPAWNED_IDLE);
    command.arg("--spool").arg(&args.spool);
    if let Some(socket) = &args.socket {
        command.arg("--socket").arg(socket);
    }
    let mut log = daemon_log::open().map_err(Failure::internal)?;
    let stderr = log.try_clone().map_err(Failure::internal)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
    match command.spawn() {
        Ok(child) => until_ready(child).map_err(Failure::internal),
        // The launcher cannot be started.
        Err(error) if !launcher.is_empty() => {
            writeln!(log, "lastword: {}: {error}", launcher.join(" ")).ok();
            Ok(Some(ExitStatus::default()))
        }
        Err(error) => Err(Failure::internal(error)),
    }
}

/// Waits for the daemon's only line, which says that it is ready. Its stdout ends when the daemon exits.
fn until_ready(mut daemon: Child) -> io::Result<Option<ExitStatus>> {
    let Some(stdout) = daemon.stdout.take() else { return Ok(None) };
    let until = Instant::now() + SPAWNED_READY;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let time = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&stdout, PollFlags::IN)], Some(&time)) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            // The daemon takes longer than we wait. Its log has the rest.
            Ok(0) => return Ok(None),
            Ok(_) => break,
        }
    }
    let mut first = [0];
    match rustix::io::read(&stdout, first.as_mut_slice())? {
        0 => daemon.wait().map(Some),
        _ => Ok(None),
    }
}

/// Asks the running daemon to hand over, and waits until it answers no more. A daemon that refuses is left alone. The
/// next daemon waits until the process has exited.
fn hand_over(place: &SocketPlace) -> Result<(), Failure> {
    let Some(daemon) = Daemon::find(place)? else { return Ok(()) };
    daemon.post::<serde_json::Value>("/v1/hand-over", &serde_json::json!({})).map(drop)?;
    let until = Instant::now() + HAND_OVER;
    while answers(&place.path) {
        if Instant::now() > until {
            return Err(Failure::internal(anyhow!("the older daemon has not left")));
        }
        pause(HAND_OVER_LOOK);
    }
    Ok(())
}

fn answers(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}
