//! Without a terminal.

use super::Trial;
use crate::limits::PATIENCE;
use crate::named::Way;

impl Trial {
    pub(super) fn headless(&mut self) {
        // The turn is held open until the agent's process is known: a run is over in less than a second.
        self.stand_in.hold();
        let mut child = self.start(self.recipe.headless(&self.setting));
        let agent = self.agent(true);
        match self.way {
            Way::Exit | Way::Resume => self.stand_in.release(),
            _ => self.signal(&agent),
        }
        self.see_it_out(&agent);
        child.wait().unwrap();
        if self.way == Way::Resume {
            self.resume();
        }
    }

    /// One more turn of the session, by another process.
    fn resume(&mut self) {
        let heard = self.daemon.heard();
        let session = heard.iter().find(|told| told.is_start()).unwrap_or_else(|| panic!("no session was started"));
        let command = self.recipe.resumed(&self.setting, &session.id);
        self.stand_in.hold();
        let mut child = self.start(command);
        let agent = self.agent(true);
        let is_told = self.daemon.wait(PATIENCE, |heard| heard.iter().filter(|told| told.is_start()).count() > 1);
        assert!(is_told, "the plugin was not told of the session that was resumed");
        self.stand_in.release();
        self.see_it_out(&agent);
        child.wait().unwrap();
    }
}
