//! `file-steps FOLDER STEP…`: changes files as it is told, in order, and says of each step how it went: `ok`, or what
//! the system answered. Tests run it under faults.
//!
//! A step is a word, a file in the folder, and for some a third word: `write f.db hello`, `overwrite f.db HE` (at the
//! beginning), `truncate f.db 3`, `sync f.db`, `datasync f.db`, `threads f.db 4` (each writes 100 lines), `close f.db`,
//! `remove f.db`, and `shell f.db hello` (programs of the system append and read it).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or(io::ErrorKind::InvalidInput)?;
    let mut files = HashMap::new();
    for step in args {
        let words: Vec<&str> = step.split(' ').collect();
        let [word, name, rest @ ..] = words.as_slice() else { return Err(io::ErrorKind::InvalidInput.into()) };
        let path = Path::new(&folder).join(name);
        let more = rest.first().copied().unwrap_or_default();
        let said = match one(&mut files, word, &path, more) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.to_string(),
        };
        writeln!(io::stdout(), "{said}")?;
    }
    Ok(())
}

fn one(files: &mut HashMap<PathBuf, File>, word: &str, path: &Path, more: &str) -> io::Result<()> {
    let number = || more.parse().map_err(io::Error::other);
    match word {
        "write" => file(files, path)?.write_all(more.as_bytes()),
        "overwrite" => file(files, path)?.write_all_at(more.as_bytes(), 0),
        "truncate" => file(files, path)?.set_len(number()?),
        "sync" => file(files, path)?.sync_all(),
        "datasync" => file(files, path)?.sync_data(),
        "threads" => threads(file(files, path)?, number()?),
        "close" => files.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into()),
        "remove" => fs::remove_file(path),
        "shell" => shell(path, more),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Stays open until it is closed.
fn file<'a>(files: &'a mut HashMap<PathBuf, File>, path: &Path) -> io::Result<&'a mut File> {
    Ok(match files.entry(path.to_owned()) {
        Entry::Occupied(open) => open.into_mut(),
        // Not for appending: Linux would then write at the end wherever it is told to.
        Entry::Vacant(free) => {
            let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
            file.seek(SeekFrom::End(0))?;
            free.insert(file)
        }
    })
}

fn threads(file: &File, threads: u64) -> io::Result<()> {
    let lines = |mut file: &File| (0..100).try_for_each(|_| file.write_all(b"a line\n"));
    std::thread::scope(|scope| {
        let start = |_| std::thread::Builder::new().spawn_scoped(scope, || lines(file));
        let threads: Vec<_> = (0..threads).map(start).collect();
        threads.into_iter().try_for_each(|thread| thread?.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
    })
}

fn shell(path: &Path, text: &str) -> io::Result<()> {
    let script = r#"printf %s "$1" >> "$0" && cat < "$0""#;
    let output = Command::new("sh").args(["-c", script]).arg(path).arg(text).output()?;
    let read = output.status.success() && output.stdout == fs::read(path)?;
    if read { Ok(()) } else { Err(io::Error::other(format!("{output:?}"))) }
}
