//! In a terminal.

use std::process::Child;

use super::Trial;
use crate::daemon::Heard;
use crate::limits::{PATIENCE, STILL};
use crate::named::{Mode, Way};
use crate::patience::{look, look_for};
use crate::process::Agent;
use crate::terminal::{CTRL_C, Terminal};

const PROMPT: &str = "say ok";

impl Trial {
    pub(super) fn typed(&mut self) {
        let command = match self.mode {
            Mode::Alone => self.recipe.alone(&self.setting),
            _ => self.recipe.terminal(&self.setting),
        };
        let (mut child, mut terminal) = Terminal::spawn(command);
        terminal.ready(self.recipe.ready);
        self.prompt(&terminal);
        let agent = self.idle();
        match self.way {
            Way::Exit => self.quit(&terminal, &mut child),
            Way::CtrlC => press_ctrl_c(&terminal, &mut child),
            Way::Closed => terminal.close(),
            Way::KillInATurn => {
                self.stand_in.hold();
                self.prompt(&terminal);
                self.signal(&self.agent(true));
            }
            Way::Clear => self.clear(&terminal, &mut child),
            Way::Compaction => self.compact(&terminal, &mut child),
            _ => self.signal(&agent),
        }
        self.see_it_out(&agent);
        drop(terminal);
        child.wait().unwrap();
    }

    /// Types a prompt, and waits until a model is asked.
    fn prompt(&self, terminal: &Terminal) {
        let before = self.stand_in.asked();
        terminal.enter(PROMPT, || self.stand_in.asked() > before);
    }

    /// Waits until no agent is at work any more.
    fn idle(&self) -> Agent {
        look_for("the end of the turn", || {
            let active = self.daemon.active();
            (!active.is_empty() && active.iter().all(|session| session.turn_open == Some(false))).then_some(())
        });
        self.agent(false)
    }

    /// Leaves the terminal. The agent may be another process, and go on.
    fn quit(&self, terminal: &Terminal, child: &mut Child) {
        terminal.still();
        terminal.enter(self.recipe.quit, || has_left(child));
    }

    /// Begins another session, and has a turn in it.
    fn clear(&self, terminal: &Terminal, child: &mut Child) {
        let clear = self.recipe.clear.unwrap_or_else(|| panic!("{:?} has no command for that", self.owner));
        terminal.still();
        terminal.enter_and_see(clear);
        self.prompt(terminal);
        let is_told = self.daemon.wait(PATIENCE, |heard| heard.iter().filter(|told| told.is_start()).count() > 1);
        assert!(is_told, "{clear} began no session");
        self.idle();
        self.quit(terminal, child);
    }

    /// Compacts the session, and has another turn in it: some agents say only then that they have.
    fn compact(&self, terminal: &Terminal, child: &mut Child) {
        terminal.still();
        let is_told = || self.daemon.heard().iter().any(Heard::is_compaction);
        terminal.enter(self.recipe.compact, is_told);
        // A model is asked for the summary: that is not the next prompt's request.
        terminal.still();
        self.prompt(terminal);
        self.idle();
        self.quit(terminal, child);
    }
}

/// The first cancels what is under way, and most agents leave at the second.
fn press_ctrl_c(terminal: &Terminal, child: &mut Child) {
    for _ in 0..4 {
        terminal.press(CTRL_C);
        if look(STILL, || has_left(child).then_some(())).is_some() {
            return;
        }
    }
}

/// Whether the process in the terminal has left.
fn has_left(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_some()
}
