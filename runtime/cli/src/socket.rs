//! Where the daemon's socket is.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use crate::directories::{self, missing};
use crate::exit::Failure;

/// The directory of the default, and the socket in it.
const DIRECTORY: &str = "lastword";
const NAME: &str = "lastword.sock";

/// Where a socket is, or is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SocketPlace {
    pub(crate) path: PathBuf,
    /// Its directory is nobody's but ours.
    pub(crate) is_default: bool,
}

impl SocketPlace {
    /// What `--socket` says, then what the configuration says, then the user's own.
    ///
    /// # Errors
    /// When nobody knows where that is.
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
