//! Whom a command asks: a running daemon, or the journal's file.

use lastword_server::Status;
use lastword_sqlite::JournalFile;

use crate::args::OperatorArgs;
use crate::client::{Daemon, configured_socket, nobody};
use crate::config::users_own;
use crate::exit::Failure;
use crate::socket::SocketPlace;

impl OperatorArgs {
    /// The daemon that has the journal that is meant; none when no daemon runs that has it, and the file is to be looked into.
    ///
    /// # Errors
    /// When a daemon was named and does not answer, or one cannot be asked.
    pub(crate) fn daemon(&self) -> Result<Option<Daemon>, Failure> {
        let (config, journal) = (self.journal.config.as_deref(), self.journal.journal.as_deref());
        let is_named = self.socket.socket.is_some();
        let own = if is_named { None } else { users_own() };
        let configured = configured_socket(config.or(own.as_deref()))?;
        // Where nobody knows of a default, no daemon has one.
        let Ok(place) = SocketPlace::choose(self.socket.socket.as_deref(), configured.as_deref()) else {
            return Ok(None);
        };
        let Some(daemon) = Daemon::find(&place)? else {
            return if is_named { Err(nobody(&place)) } else { Ok(None) };
        };
        let is_its_own = journal.is_none() && (config.is_none() || configured.is_some());
        if is_named || is_its_own {
            return Ok(Some(daemon));
        }
        // It may have another journal.
        let Ok(file) = JournalFile::look(&self.journal.path()?) else { return Ok(None) };
        let status: Status = daemon.get("/v1/status")?;
        Ok((status.journal == file.name().as_str()).then_some(daemon))
    }
}
