//! The user's own directories, as the XDG Base Directory specification has them: a variable that is empty or relative
//! counts for nothing, and one that is set needs no home.

use std::env;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

/// The user's home; none when nobody knows where that is.
pub(crate) fn home() -> Option<PathBuf> {
    etcetera::home_dir().ok().filter(|path| path.is_absolute())
}

/// For what programs are told to do.
pub(crate) fn config() -> Option<PathBuf> {
    directory("XDG_CONFIG_HOME", |platform| platform.config_dir())
}

/// For what can be made again; none when nobody knows where that is.
pub(crate) fn cache() -> Option<PathBuf> {
    directory("XDG_CACHE_HOME", |platform| platform.cache_dir())
}

/// For what has to be kept; where the platform has no place for state, its place for data.
pub(crate) fn state() -> Option<PathBuf> {
    directory("XDG_STATE_HOME", |platform| platform.state_dir().unwrap_or_else(|| platform.data_dir()))
}

/// For sockets: it goes when the user has logged out. Where there is none, that for what has to be kept: both are the user's alone.
pub(crate) fn runtime() -> Option<PathBuf> {
    let asked = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    asked.filter(|path| path.is_absolute()).or_else(state)
}

/// Why there is none.
pub(crate) fn missing() -> String {
    match env::var_os("HOME").filter(|home| !home.is_empty()) {
        Some(home) if !Path::new(&home).is_absolute() => {
            format!("HOME is {}, which is not an absolute path", home.display())
        }
        _ => "HOME is not set, and this user has no home directory".to_owned(),
    }
}

fn directory(variable: &str, of_platform: impl Fn(&dyn BaseStrategy) -> PathBuf) -> Option<PathBuf> {
    let asked = env::var_os(variable).map(PathBuf::from);
    let platform = || Some(of_platform(&etcetera::choose_base_strategy().ok()?));
    // Below a relative home everything would move with the working directory.
    asked.filter(|path| path.is_absolute()).or_else(platform).filter(|path| path.is_absolute())
}
