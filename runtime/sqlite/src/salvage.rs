//! Salvages a damaged file: keeps it aside, and copies all readable rows into a new one.

mod copy;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use self::copy::copy;
use crate::error::OpenError;
use crate::ownership::content::examine;
use crate::ownership::lock::{Exclusive, Lock};
use crate::ownership::open_file::OpenFile;
use crate::ownership::replacement::{WHOLE, WRITING, put_in_place, sync_directory};
use crate::paths::{beside, parts};

/// Puts a new journal in the place of the one at `path`, which is locked. The new one is locked from the moment at which it has the name.
pub(crate) fn salvage(path: &Path, why: &str, lock: &mut Lock) -> Result<Salvaged, OpenError> {
    let unusable = |source| OpenError::unusable(path, source);
    let (writing, whole) = (beside(path, WRITING), beside(path, WHOLE));
    make_room(&writing)?;
    make_room(&whole)?;
    let (new, _) = OpenFile::open_or_make(&writing)?;
    let new = Exclusive::take(new, path)?;
    let rows = copy(path, &writing).map_err(|error| OpenError::sqlite(&writing, &error))?;
    fs::rename(&writing, &whole).and_then(|()| sync_directory(path)).map_err(unusable)?;
    let aside = put_in_place(&whole, path).map_err(unusable)?;
    lock.move_to(new);
    Ok(Salvaged { path: path.to_owned(), aside, why: why.to_owned(), rows })
}

/// Removes the remains of a salvage, or a restore, that was killed. A file of another program stays.
pub(crate) fn make_room(at: &Path) -> Result<(), OpenError> {
    let Some(file) = OpenFile::open(at)? else { return Ok(()) };
    examine(&file, at)?.ours(at)?;
    drop(file);
    for part in parts(at).chain([at.to_owned()]) {
        fs::remove_file(&part).map_err(|source| OpenError::unusable(&part, source))?;
    }
    Ok(())
}

/// The result of a salvage.
#[derive(Debug)]
pub(crate) struct Salvaged {
    path: PathBuf,
    aside: PathBuf,
    why: String,
    rows: Vec<(&'static str, u64)>,
}

impl fmt::Display for Salvaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, aside, why, rows } = self;
        write!(
            f,
            "the journal {} was damaged ({why}); it is kept as {}, and a new one has ",
            path.display(),
            aside.display()
        )?;
        let some: Vec<String> = rows
            .iter()
            .filter(|(_, rows)| *rows > 0)
            .map(|(table, rows)| format!("{rows} rows of `{table}`"))
            .collect();
        match some.is_empty() {
            true => write!(f, "nothing of it: none of it could be read"),
            false => write!(f, "what could be read of it: {}; what is missing there is lost", some.join(", ")),
        }
    }
}
