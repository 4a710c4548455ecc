//! Text of others in a message of ours: names of files, and several lines.

use std::path::Path;

use lastword_events::printable;

/// A file's name as a person gave it, and nothing that a terminal obeys.
pub(crate) fn shown_path(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

/// A message of several lines that are ours, with nothing else in them that a terminal obeys.
pub(crate) fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}
