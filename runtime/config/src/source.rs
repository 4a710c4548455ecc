//! The input of the parser, and its mistakes.

use std::path::Path;

use thiserror::Error;

/// Reads the component at a path that the file names, or says why it cannot.
pub type ReadComponent<'a> = &'a dyn Fn(&Path) -> Result<Vec<u8>, String>;

/// A configuration's text, and its context.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The file's name in messages.
    pub path: &'a Path,
    /// The base of relative paths in the file.
    pub directory: &'a Path,
    /// The file's text.
    pub text: &'a str,
    /// Reads the components that the file names.
    pub read_component: ReadComponent<'a>,
}

/// The mistakes of a configuration: one line for each, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .0.join("\n"))]
pub struct Mistakes(pub Vec<String>);
