//! The user's own directories, by the XDG Base Directory specification: an empty or relative variable is ignored, and a
//! set one needs no home.

use std::env;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

/// Returns the user's home. `None` if it is unknown.
pub(crate) fn home() -> Option<PathBuf> {
    etcetera::home_dir().ok().filter(|path| path.is_absolute())
}

/// Returns the directory for configurations.
pub(crate) fn config() -> Option<PathBuf> {
    directory("XDG_CONFIG_HOME", |platform| platform.config_dir())
}

/// Returns the directory for caches. `None` if it is unknown.
pub(crate) fn cache() -> Option<PathBuf> {
    directory("XDG_CACHE_HOME", |platform| platform.cache_dir())
}

/// Returns the directory for state. On a platform without one, the directory for data.
pub(crate) fn state() -> Option<PathBuf> {
    directory("XDG_STATE_HOME", |platform| platform.state_dir().unwrap_or_else(|| platform.data_dir()))
}

/// Returns the directory for sockets, which the system removes at logout. Without one, the directory for state; both
/// are private to the user.
pub(crate) fn runtime() -> Option<PathBuf> {
    let asked = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    asked.filter(|path| path.is_absolute()).or_else(state)
}

/// The message for an unknown directory.
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
    // Below a relative home all files would move with the working directory.
    asked.filter(|path| path.is_absolute()).or_else(platform).filter(|path| path.is_absolute())
}
