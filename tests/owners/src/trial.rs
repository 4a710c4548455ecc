//! A trial: an agent is started, used, and ended, and its sessions are seen to their ends.

mod headless;
mod told;
mod typed;

use std::fs::{File, read_to_string};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use rustix::process::Signal;

use crate::agents::Recipe;
use crate::daemon::{Active, Daemon, Heard};
use crate::descendants::Descendants;
use crate::expected::expected;
use crate::limits::{PATIENCE, TIME_TO_LEAVE, TIME_TO_STAY};
use crate::named::{Mode, Owner, Way, word};
use crate::patience::{look, look_for};
use crate::process::Agent;
use crate::report::Report;
use crate::setting::Setting;
use crate::stand_in::StandIn;

/// All that a trial has. What was declared first is dropped first: the agent's processes, then the daemon, then the
/// files.
struct Trial {
    _descendants: Descendants,
    daemon: Daemon,
    owner: Owner,
    mode: Mode,
    way: Way,
    recipe: Recipe,
    stand_in: StandIn,
    /// When each of the agent's processes left, in their order.
    exits: Vec<Instant>,
    stayed: bool,
    ended_while_it_stayed: usize,
    setting: Setting,
}

/// Carries it out in this process, which then has nothing else to do: orphans become its children.
///
/// # Panics
/// When the trial cannot be carried out: the agent does not start, is not typed to, does not leave. What came of its
/// sessions is not judged here.
#[must_use]
pub fn carry_out(owner: Owner, mode: Mode, way: Way) -> Report {
    let descendants = Descendants::keep();
    let stand_in = StandIn::start();
    let setting = Setting::new(owner, stand_in.port());
    let recipe = Recipe::prepare(owner, &setting);
    install(owner, &setting);
    let daemon = Daemon::start(&setting);
    let (exits, stayed, ended_while_it_stayed) = (Vec::new(), false, 0);
    let mut trial = Trial {
        _descendants: descendants,
        daemon,
        owner,
        mode,
        way,
        recipe,
        stand_in,
        exits,
        stayed,
        ended_while_it_stayed,
        setting,
    };
    match mode {
        Mode::Headless => trial.headless(),
        Mode::Terminal | Mode::Alone => trial.typed(),
    }
    trial.report()
}

/// As a user does it, with the hooks that they have already.
fn install(owner: Owner, setting: &Setting) {
    let mut command = setting.lastword();
    let output = command.arg("install").arg(word(owner)).arg("--socket").arg(setting.socket()).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}\n{}{}", said(&output.stdout), said(&output.stderr));
}

impl Trial {
    /// Waits until the daemon has a session of an agent that is at work, or of none that is. Its owner is the agent.
    fn agent(&self, at_work: bool) -> Agent {
        let is_it = |session: &Active| session.pid.is_some() && session.turn_open == Some(at_work);
        let what = if at_work { "a session whose agent is at work" } else { "a session whose agent is not at work" };
        let session = look_for(what, || self.daemon.active().into_iter().find(&is_it));
        Agent::of(session.pid.unwrap())
    }

    /// Does to the agent what is done by signals.
    fn signal(&self, agent: &Agent) {
        match self.way {
            Way::Interrupt => agent.signal(Signal::INT),
            Way::Terminate => agent.signal(Signal::TERM),
            Way::HangUp => agent.signal(Signal::HUP),
            Way::Kill | Way::KillInATurn => agent.signal(Signal::KILL),
            way => panic!("{way:?} is no signal"),
        }
    }

    /// Waits until the agent has left, its hooks are over and all its sessions have ended.
    fn see_it_out(&mut self, agent: &Agent) {
        let stays = expected(self.owner, self.mode, self.way).stays;
        let left = agent.left_within(if stays { TIME_TO_STAY } else { TIME_TO_LEAVE });
        let left = left.unwrap_or_else(|| {
            self.stayed = true;
            // Its sessions are its own for as long as it lives, and only it can end them.
            let active = self.daemon.active();
            let started = self.daemon.heard().iter().filter(|heard| heard.is_start()).count();
            self.ended_while_it_stayed =
                started.saturating_sub(active.len()).saturating_sub(self.setting.count_own_ends());
            agent.signal(Signal::KILL);
            let left = agent.left_within(PATIENCE);
            left.unwrap_or_else(|| panic!("process {} outlives SIGKILL", agent.pid()))
        });
        self.exits.push(left);
        look(PATIENCE, || (!self.is_hook_running()).then_some(()));
        // Whoever started the agent may live on without it.
        self.stand_in.release();
        // Missing ends are for the report to show.
        self.daemon.wait(PATIENCE, |heard| {
            let has_ended = |start: &Heard| heard.iter().any(|told| told.is_end() && told.is_of(start));
            heard.iter().any(Heard::is_start) && heard.iter().filter(|told| told.is_start()).all(has_ended)
        });
        Descendants::kill(Some(self.daemon.pid()));
    }

    /// Whether a hook runs, Lastword's or the agent's own.
    fn is_hook_running(&self) -> bool {
        let own_ends = self.setting.own_ends().display().to_string();
        let is_hook = |command: &str| {
            let is_ours = command.contains("lastword") && command.split(' ').any(|word| word == "emit");
            is_ours || command.contains(&own_ends)
        };
        Descendants::running(Some(self.daemon.pid())).iter().any(|process| is_hook(&process.command))
    }

    /// Starts an agent that has no terminal. What it prints is in a file.
    fn start(&self, mut command: Command) -> Child {
        let output = File::options().create(true).append(true).open(self.output()).unwrap();
        command.stdout(output.try_clone().unwrap()).stderr(output).stdin(Stdio::null());
        command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    fn output(&self) -> PathBuf {
        self.setting.join("output")
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- the agent's output\n{}", read_to_string(self.output()).unwrap_or_default());
            for process in Descendants::running(None) {
                eprintln!("--- runs: {}", process.command);
            }
        }
    }
}
