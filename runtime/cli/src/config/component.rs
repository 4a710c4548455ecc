//! The components that a configuration names.

use std::io;
use std::path::{Path, PathBuf};

use lastword_sandbox::limits::MAX_COMPONENT_BYTES;
use thiserror::Error;

use crate::inputs;
use lastword_events::text::printable_path;

/// A component's file that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ComponentError {
    #[error("there is no component at {}: build it first, or correct the path", printable_path(.0))]
    Missing(PathBuf),
    #[error("{} is a directory: name the component's file, which ends in .wasm", printable_path(.0))]
    Directory(PathBuf),
    #[error("cannot read the component {}: {source}", printable_path(path))]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} has more than {MAX_COMPONENT_BYTES} bytes, the most that is read: strip its debug information", printable_path(.0))]
    TooLarge(PathBuf),
}

/// Reads a component's file.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(crate) fn read_component(path: &Path) -> Result<Vec<u8>, ComponentError> {
    let path_of = || path.to_owned();
    inputs::read_file(path, MAX_COMPONENT_BYTES)
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ComponentError::Missing(path_of()),
            io::ErrorKind::IsADirectory => ComponentError::Directory(path_of()),
            _ => ComponentError::Unreadable { path: path_of(), source },
        })
        .and_then(|bytes| match u64::try_from(bytes.len()) {
            Ok(read) if read <= MAX_COMPONENT_BYTES => Ok(bytes),
            _ => Err(ComponentError::TooLarge(path_of())),
        })
}
