//! What a hook costs its agent: `lastword emit`, against a process that does nothing.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::rounds::say;

/// Hooks of each kind, one of each in turn.
const HOOKS: usize = 300;

/// What may be lost on the way to an agent that asks every turn: it is not felt.
const AIM: Duration = Duration::from_millis(20);

/// How long the daemon may take to begin.
const START: Duration = Duration::from_secs(60);

/// A daemon, which is ended with this.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Prints all sides.
///
/// # Errors
/// When a hook fails.
pub(crate) fn measure() -> anyhow::Result<()> {
    let Some(program) = program()? else {
        say("a hook is not measured: cargo build --release --package lastword-cli puts the program beside this one");
        return Ok(());
    };
    let (with_daemon, without) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let daemon = start_daemon(&program, with_daemon.path())?;
    let (mut bare, mut handed, mut spooled) = (vec![], vec![], vec![]);
    for number in 0..HOOKS {
        bare.push(time(Command::new("sh").arg("-c").arg("true"), number)?);
        handed.push(time(&mut hook(&program, with_daemon.path()), number)?);
        spooled.push(time(&mut hook(&program, without.path()), number)?);
    }
    drop(daemon);
    say(format!("a hook, from its start to its end, of {HOOKS} in turns, 95 % take no longer than:"));
    let bare = p95(bare);
    say(format!("  sh -c true                     {:7.2} ms", millis(bare)));
    for (what, took) in [("emit, a daemon answers", p95(handed)), ("emit, none does: to the spool", p95(spooled))] {
        let more = took.saturating_sub(bare);
        let verdict = if more <= AIM { "" } else { "   more than is aimed at" };
        say(format!("  {what:30} {:7.2} ms   {:5.2} ms more{verdict}", millis(took), millis(more)));
    }
    Ok(())
}

/// The program beside this one.
fn program() -> anyhow::Result<Option<PathBuf>> {
    let program = std::env::current_exe()?.with_file_name("lastword");
    Ok(program.exists().then_some(program))
}

fn start_daemon(program: &Path, home: &Path) -> anyhow::Result<Daemon> {
    let mut command = at_home(program, home);
    command.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut daemon = Daemon(command.spawn()?);
    let stdout = daemon.0.stdout.take().context("it has a stdout")?;
    // Its first line says that it is ready.
    let began = Instant::now();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)?;
    ensure!(!line.is_empty() && began.elapsed() < START, "the daemon does not start");
    Ok(daemon)
}

fn hook(program: &Path, home: &Path) -> Command {
    let mut command = at_home(program, home);
    command.args(["emit", "claude-code"]);
    command
}

fn at_home(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    for name in ["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
        command.env(name, home);
    }
    command.current_dir(home);
    command
}

/// From its start to its end, with a payload on its stdin.
fn time(command: &mut Command, number: usize) -> anyhow::Result<Duration> {
    let payload = format!(r#"{{"hook_event_name":"SessionStart","session_id":"s{number}","source":"startup"}}"#);
    let began = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // Who reads nothing of it has closed it.
        stdin.write_all(payload.as_bytes()).ok();
    }
    ensure!(child.wait()?.success(), "a hook failed");
    Ok(began.elapsed())
}

fn p95(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() * 95 / 100).copied().unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
