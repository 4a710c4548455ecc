//! The place of the daemon's socket.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use crate::directories::{self, missing};
use crate::exit::Failure;

/// The default's directory, and the socket in it.
const DIRECTORY: &str = "lastword";
const NAME: &str = "lastword.sock";

/// The path of a socket, which may not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SocketPlace {
    pub(crate) path: PathBuf,
    /// Whether its directory is ours alone.
    pub(crate) is_default: bool,
}

impl SocketPlace {
    /// Chooses `--socket`, else the configuration's socket, else the user's own.
    ///
    /// # Errors
    /// When the user's directories are unknown.
    pub(crate) fn choose(said: Option<&Path>, configured: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = said.or(configured) {
            return Ok(Self { path: path.to_owned(), is_default: false });
        }
        let directory = directories::runtime().ok_or_else(|| {
            let why = missing();
            Failure::usage(anyhow!(
                "XDG_RUNTIME_DIR is not set, and no home directory is known ({why}): say --socket PATH"
            ))
        })?;
        Ok(Self { path: directory.join(DIRECTORY).join(NAME), is_default: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_comes_first_and_then_the_configuration() {
        let [said, configured] = ["/a.sock", "/b.sock"].map(Path::new);
        let choose = |said, configured| SocketPlace::choose(said, configured).unwrap();
        assert_eq!(choose(Some(said), Some(configured)).path, said);
        assert_eq!(choose(None, Some(configured)), SocketPlace { path: configured.to_owned(), is_default: false });
    }
}
