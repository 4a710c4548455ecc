//! The place of pictures: one file for the last drain, or a file for each drain.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use lastword_events::Timestamp;
use lastword_events::text::printable_path;
use tempfile::NamedTempFile;

/// Stands for the time of the drain in a file's name.
const TIME: &str = "{time}";
/// The name of a file in a directory that was given without one.
const IN_DIRECTORY: &str = "drain-{time}.svg";
/// The largest mode of a new file. The user's umask restricts it.
const PLAIN: u32 = 0o666;
/// Drains that begin within one millisecond and have files of their own.
const MAX_OF_ONE_TIME: u32 = 100;

/// The format of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Svg,
    Html,
}

/// The place of pictures.
#[derive(Clone, Debug)]
pub(super) struct Place {
    folder: PathBuf,
    name: Name,
    format: Format,
}

#[derive(Clone, Debug)]
enum Name {
    /// Each drain replaces the previous one.
    Same(PathBuf),
    /// The name before the time, and after it.
    WithTime(String, String),
}

/// A file that was written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) path: PathBuf,
    /// Whether the next drain has another file.
    pub(super) has_time: bool,
}

impl Place {
    /// Parses a path.
    ///
    /// # Errors
    /// When the file's name has no extension of a known format.
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        let is_folder = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
        let (folder, file) = match path.file_name() {
            Some(file) if !is_folder => (path.parent().unwrap_or(Path::new("")), Path::new(file)),
            _ => (path, Path::new(IN_DIRECTORY)),
        };
        let format = match file.extension().and_then(|extension| extension.to_str()) {
            Some("svg") => Format::Svg,
            Some("html") => Format::Html,
            _ => bail!(
                "--report {}: the file's name has to end with .svg or .html; a directory has a file for each drain, and so has \
                 a name with {TIME} in it",
                printable_path(path)
            ),
        };
        let name = match file.to_str().and_then(|name| name.split_once(TIME)) {
            Some((before, after)) => Name::WithTime(before.to_owned(), after.to_owned()),
            None => Name::Same(file.to_owned()),
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        Ok(Self { folder: folder.to_owned(), name, format })
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Checks whether a file can be made there now.
    ///
    /// # Errors
    /// When it cannot. The message names the path.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let made = self.temporary().map(drop);
        made.map_err(|error| anyhow!("{} cannot be written: {error}", printable_path(&self.shown())))
    }

    /// Returns the name of the files, for messages.
    pub(super) fn shown(&self) -> PathBuf {
        match &self.name {
            Name::Same(name) => self.folder.join(name),
            Name::WithTime(before, after) => self.folder.join(format!("{before}{TIME}{after}")),
        }
    }

    /// Writes a file completely or not at all. Does not sync it: a picture is not worth waiting for a disk.
    ///
    /// # Errors
    /// When it cannot be written. Nothing of it is left then.
    pub(super) fn write(&self, content: &str, at: Timestamp) -> io::Result<Written> {
        let mut file = self.temporary()?;
        file.write_all(content.as_bytes())?;
        match &self.name {
            Name::Same(name) => {
                let path = self.folder.join(name);
                file.persist(&path).map_err(|error| error.error)?;
                Ok(Written { path, has_time: false })
            }
            Name::WithTime(before, after) => {
                // Omits characters that some file systems do not allow.
                let time: String = at.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
                for number in 1..=MAX_OF_ONE_TIME {
                    let more = if number == 1 { String::new() } else { format!("-{number}") };
                    let path = self.folder.join(format!("{before}{time}{more}{after}"));
                    match file.persist_noclobber(&path) {
                        Ok(_) => return Ok(Written { path, has_time: true }),
                        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => file = error.file,
                        Err(error) => return Err(error.error),
                    }
                }
                Err(io::ErrorKind::AlreadyExists.into())
            }
        }
    }

    fn temporary(&self) -> io::Result<NamedTempFile> {
        let permissions = Permissions::from_mode(PLAIN);
        tempfile::Builder::new().prefix(".lastword-").permissions(permissions).tempfile_in(&self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn at() -> Timestamp {
        "2026-11-21T07:00:00.250Z".parse().unwrap()
    }

    #[test]
    fn one_file_has_the_last_drain() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::of(&folder.path().join("drain.html")).unwrap();
        assert_eq!(place.format(), Format::Html);
        place.check().unwrap();
        assert!(files(folder.path()).is_empty(), "a look leaves nothing");
        for content in ["first", "second"] {
            assert!(!place.write(content, at()).unwrap().has_time);
        }
        assert_eq!(files(folder.path()), ["drain.html"]);
        assert_eq!(std::fs::read_to_string(folder.path().join("drain.html")).unwrap(), "second");
    }

    #[test]
    fn in_a_directory_each_drain_has_a_file_and_so_it_has_where_its_name_asks_for_the_time() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("of {time}.svg")] {
            let place = Place::of(&path).unwrap();
            assert_eq!(place.format(), Format::Svg);
            for _ in 0..2 {
                assert!(place.write("drawn", at()).unwrap().has_time);
            }
        }
        let time = "20261121T070000.250Z";
        let wanted = [
            format!("drain-{time}-2.svg"),
            format!("drain-{time}.svg"),
            format!("of {time}-2.svg"),
            format!("of {time}.svg"),
        ];
        assert_eq!(files(folder.path()), wanted);
    }

    #[test]
    fn what_is_no_picture_is_refused_and_what_cannot_be_written_is_named() {
        for path in ["drain.png", "drain", "/dev/stdout", ".svg"] {
            let error = Place::of(Path::new(path)).unwrap_err().to_string();
            assert!(error.contains(&format!("--report {path}: ")) && error.contains(".html"), "{error}");
        }
        let missing = tempfile::tempdir().unwrap().path().join("missing");
        for path in [missing.join("drain.svg"), PathBuf::from(format!("{}/", missing.display()))] {
            let place = Place::of(&path).unwrap();
            let error = place.check().unwrap_err().to_string();
            assert!(error.contains(&*missing.to_string_lossy()) && error.contains("cannot be written"), "{error}");
            assert!(place.write("drawn", at()).is_err());
        }
    }
}
