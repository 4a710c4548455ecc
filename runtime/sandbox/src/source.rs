//! The source of a plugin, and a first check of its kind.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use wasmparser::{Parser, Payload};

use crate::error::LoadError;
use crate::limits::MAX_COMPONENT_BYTES;

/// A component in binary form.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// In memory.
    Bytes(Vec<u8>),
    /// In a file.
    Path(PathBuf),
}

/// The kind of a file, from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A component, as a plugin has to be.
    Component,
    /// WebAssembly without the component around it.
    CoreModule,
    /// WebAssembly in text form.
    Text,
    /// An empty file.
    Empty,
    /// A packed file.
    Archive,
    /// A pointer to a file of Git LFS that was not fetched.
    LfsPointer,
    /// A web page, or XML, as object stores and gateways send with an error.
    Html,
    /// A program for a processor, or compiled code.
    Native,
    /// Another kind.
    Other,
}

impl FileKind {
    /// Looks at the first bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::Empty,
            // Version 13 of the pre-standard binary format. Layer 1 makes it a component.
            [b'\0', b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Self::Component,
            [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => Self::CoreModule,
            // gzip; zip; Zstandard; bzip2; xz.
            [0x1f, 0x8b, ..]
            | [b'P', b'K', 3, 4, ..]
            | [0x28, 0xb5, 0x2f, 0xfd, ..]
            | [b'B', b'Z', b'h', ..]
            | [0xfd, b'7', b'z', b'X', b'Z', ..] => Self::Archive,
            // ELF, which includes wasmtime's compiled code; Mach-O; PE.
            [0x7f, b'E', b'L', b'F', ..] | [0xcf, 0xfa, 0xed, 0xfe, ..] | [b'M', b'Z', ..] => Self::Native,
            _ if bytes.starts_with(b"version https://git-lfs.github.com/spec/") => Self::LfsPointer,
            _ if looks_like_html(bytes) => Self::Html,
            _ if looks_like_text(bytes) => Self::Text,
            _ => Self::Other,
        }
    }
}

fn looks_like_text(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    [&b"(component"[..], b"(module", b";;", b"(;"].iter().any(|start| text.starts_with(start))
}

/// UTF-8's byte order mark.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

fn looks_like_html(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes).trim_ascii_start();
    [&b"<!doctype html"[..], b"<html", b"<?xml", b"<head", b"<!--"]
        .iter()
        .any(|start| text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start)))
}

impl Source {
    /// Reads the whole component.
    pub(crate) fn read(&self) -> Result<std::borrow::Cow<'_, [u8]>, LoadError> {
        match self {
            Self::Bytes(bytes) => {
                check_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
                Ok(bytes.into())
            }
            Self::Path(path) => read_file(path).map(Into::into),
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
    let file = open_plain(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than the limit shows that a file is too large, also one that grows.
    file.take(MAX_COMPONENT_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    check_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
    Ok(bytes)
}

/// Opens a plain file. Refuses other kinds without a wait, because a named pipe's writer might never come.
fn open_plain(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, DO_NOT_WAIT);
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a directory, a pipe or a device: name a file"))
}

/// Opens without a wait, and does not take over a terminal.
#[cfg(unix)]
const DO_NOT_WAIT: i32 = rustix::fs::OFlags::NONBLOCK.union(rustix::fs::OFlags::NOCTTY).bits().cast_signed();

fn check_size(bytes: u64) -> Result<(), LoadError> {
    if bytes > MAX_COMPONENT_BYTES {
        return Err(LoadError::TooLarge { bytes, max: MAX_COMPONENT_BYTES });
    }
    Ok(())
}

/// Refuses bytes that cannot be a whole component, with a reason that its author understands.
pub(crate) fn check_is_component(bytes: &[u8]) -> Result<(), LoadError> {
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    match FileKind::of(bytes) {
        FileKind::Component if sections_are_whole(bytes) => Ok(()),
        FileKind::Component => Err(LoadError::Truncated { bytes: size }),
        FileKind::CoreModule => Err(core_module(bytes)),
        FileKind::Archive => Err(LoadError::Mistaken {
            what: "an archive (gzip, zip, …)",
            next: "unpack it, and name the .wasm file that is in it",
        }),
        FileKind::LfsPointer => Err(LoadError::Mistaken {
            what: "a pointer of Git LFS",
            next: "fetch the file that it stands for with `git lfs pull`",
        }),
        FileKind::Html => Err(LoadError::Mistaken {
            what: "a web page (HTML, or XML)",
            next: "the download got something else, such as a page that asks to log in; look at it and download again",
        }),
        FileKind::Native => Err(LoadError::Mistaken {
            what: "native code (a program, or what `wasmtime compile` makes)",
            next: "give the component that it was compiled from",
        }),
        FileKind::Text => Err(LoadError::Text),
        FileKind::Empty => Err(LoadError::Empty),
        FileKind::Other if b"\0asm\x0d\0\x01\0".starts_with(bytes) => Err(LoadError::Truncated { bytes: size }),
        FileKind::Other => Err(LoadError::NotWasm),
    }
}

/// Modules of WASI preview 1.
const PREVIEW_1: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// The error for a core module: the parts that it lacks to be a component. One that cannot be read is truncated above all.
fn core_module(bytes: &[u8]) -> LoadError {
    let (mut module, mut embedded) = (None, false);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::ImportSection(imports)) => {
                let names = imports.into_imports().filter_map(Result::ok);
                module = names.filter_map(|import| PREVIEW_1.into_iter().find(|name| *name == import.module)).next();
            }
            Ok(Payload::CustomSection(section)) => embedded |= section.name().starts_with("component-type"),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    module.map_or(LoadError::CoreModule, |module| LoadError::Preview1Module { module, embedded })
}

/// Whether the last section ends where the file ends.
fn sections_are_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((_id, after_id)) = rest.split_first() {
        let Some((size, body)) = leb128(after_id) else { return false };
        let Some(next) = body.get(size..) else { return false };
        rest = next;
    }
    true
}

/// A section's size, and the bytes after it. `None` when the bytes end before the number does.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (i, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, bytes.get(i + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_named_pipe_is_refused_and_not_waited_for() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};

        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe.wasm");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for path in [pipe, dir.path().to_owned(), "/dev/null".into()] {
            let error = Source::Path(path).read().unwrap_err();
            assert!(matches!(error, LoadError::Unreadable { .. }), "{error}");
        }
    }

    #[test]
    fn a_component_that_lost_its_end_is_called_truncated() {
        let whole = lastword_test_guests::component("prints");
        check_is_component(&whole).unwrap();
        // Cut inside a section. A cut between two sections leaves a shorter component, for the engine to judge.
        for length in [1, 7, whole.len() / 2, whole.len() - 1] {
            let error = check_is_component(&whole[..length]).unwrap_err();
            assert!(matches!(error, LoadError::Truncated { .. }), "{length}: {error}");
        }
    }
}
