//! A configuration as it comes in, and what is wrong with it.

use std::path::Path;

use thiserror::Error;

/// Reads the component at a path that the file names, or says why it cannot.
pub type ReadComponent<'a> = &'a dyn Fn(&Path) -> Result<Vec<u8>, String>;

/// A configuration's text, and what it takes to understand it.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// What messages call the file.
    pub path: &'a Path,
    /// What paths in it are relative to.
    pub directory: &'a Path,
    /// The file's text.
    pub text: &'a str,
    /// The components that it names.
    pub read_component: ReadComponent<'a>,
}

/// What is wrong with a configuration: one line for each mistake, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .0.join("\n"))]
pub struct Mistakes(pub Vec<String>);
