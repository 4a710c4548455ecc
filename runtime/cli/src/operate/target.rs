//! The target of a command: a running daemon, or the journal's file.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use lastword_events::text::printable_path;
use lastword_server::Status;
use lastword_sqlite::{JournalFile, OpenError};

use crate::args::OperatorArgs;
use crate::client::{Daemon, configured_socket, nobody};
use crate::config::users_own;
use crate::exit::Failure;
use crate::socket::SocketPlace;

impl OperatorArgs {
    /// Returns the daemon that has the requested journal. `None`: no running daemon has it, so the command opens the
    /// file.
    ///
    /// # Errors
    /// When a daemon was named and does not answer, or one cannot be asked.
    pub(crate) fn daemon(&self) -> Result<Option<Daemon>, Failure> {
        let (config, journal) = (self.journal.config.as_deref(), self.journal.journal.as_deref());
        let is_named = self.socket.socket.is_some();
        let configured = self.configured()?;
        let Some(place) = self.place(configured.as_deref()) else { return Ok(None) };
        let Some(daemon) = Daemon::find(&place)? else {
            return if is_named { Err(nobody(&place)) } else { Ok(None) };
        };
        let is_its_own = journal.is_none() && (config.is_none() || configured.is_some());
        if is_named || is_its_own {
            return Ok(Some(daemon));
        }
        // The daemon may have another journal.
        let Ok(file) = JournalFile::look(&self.journal.path()?) else { return Ok(None) };
        let status: Status = daemon.get("/v1/status")?;
        Ok((status.journal == file.name().as_str()).then_some(daemon))
    }

    /// Returns the daemon, whatever its journal.
    ///
    /// # Errors
    /// When the daemon does not answer, or cannot be asked.
    pub(crate) fn required(&self) -> Result<Daemon, Failure> {
        let place = SocketPlace::choose(self.socket.socket.as_deref(), self.configured()?.as_deref())?;
        Daemon::find(&place)?.ok_or_else(|| nobody(&place))
    }

    /// Returns the socket of the given configuration, or of the user's own.
    fn configured(&self) -> Result<Option<PathBuf>, Failure> {
        let own = if self.socket.socket.is_some() { None } else { users_own() };
        configured_socket(self.journal.config.as_deref().or(own.as_deref()))
    }

    /// Returns the place of the daemon's socket. If no default is known, no daemon has one.
    fn place(&self, configured: Option<&Path>) -> Option<SocketPlace> {
        SocketPlace::choose(self.socket.socket.as_deref(), configured).ok()
    }

    /// Explains the failure to open the journal's file after no daemon was found. If there is no file, the user may
    /// have meant a daemon.
    pub(crate) fn neither(&self, failure: Failure) -> Failure {
        let Failure { exit, error } = failure;
        let is_missing = matches!(error.downcast_ref(), Some(OpenError::Missing { .. }));
        let configured = self.configured().ok().flatten();
        let Some(place) = self.place(configured.as_deref()).filter(|_| is_missing) else {
            return Failure { exit, error };
        };
        let socket = printable_path(&place.path);
        let error = match Daemon::find(&place) {
            Ok(Some(_)) => anyhow!("the daemon at {socket} has another journal, and {error}"),
            _ => anyhow!("no daemon answers at {socket}, and {error}"),
        };
        Failure { exit, error }
    }
}
