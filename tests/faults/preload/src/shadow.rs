//! What a disk would have after a power cut that drops all that was not synced: a copy of each watched file, as it was
//! at its last sync.

use std::ffi::{CStr, CString};
use std::os::raw::c_int;

use crate::config::Config;
use crate::{operation, own};

const CHUNK: usize = 16 << 10;

/// After a sync. A file without a name would not be there after a power cut, and a directory is not copied.
pub(crate) fn copy(config: &Config, fd: c_int) {
    let Some(folder) = config.shadow.as_deref().filter(|_| own::is_named_file(fd)) else { return };
    let errno = own::errno();
    if own::path_of(fd, &mut [0; own::PATH]).and_then(|path| place(folder, path)).and_then(|to| fill(fd, &to)).is_none()
    {
        own::give_up("a synced file cannot be copied into LASTWORD_FAULT_SHADOW");
    }
    own::set_errno(errno);
}

/// By rename, so that one who is killed meanwhile leaves the copy of the sync before.
fn fill(fd: c_int, to: &CStr) -> Option<()> {
    let part = CString::new([to.to_bytes(), b".part"].concat()).ok()?;
    let into = own::open(&part, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC)?;
    let copied = if own::access(fd) == libc::O_WRONLY {
        // Closing a second descriptor drops the POSIX locks that the process has on the file. SQLite, which has some,
        // opens its files for both.
        own::by_descriptor(fd, |path| own::open(path, libc::O_RDONLY)).is_some_and(|from| {
            let copied = contents(from, into);
            own::close(from);
            copied
        })
    } else {
        contents(fd, into)
    };
    own::close(into);
    (copied && own::rename(&part, to)).then_some(())
}

fn contents(from: c_int, into: c_int) -> bool {
    let (mut buffer, mut at) = ([0; CHUNK], 0);
    loop {
        let Some(chunk) = own::read_at(from, &mut buffer, at).and_then(|read| buffer.get(..read)) else { return false };
        if chunk.is_empty() {
            return true;
        }
        let Ok(length) = i64::try_from(chunk.len()) else { return false };
        if !own::write(into, chunk) {
            return false;
        }
        at += length;
    }
}

/// Does the unlink with the shadow's, and with no operation between them.
pub(crate) fn unlink(path: &CStr, real: impl FnOnce() -> c_int) -> c_int {
    let Some(copy) = Config::get().and_then(|config| copy_of(config, path)) else { return real() };
    let _alone = operation::alone();
    let done = real();
    if done == 0 {
        let errno = own::errno();
        own::unlink(&copy);
        own::set_errno(errno);
    }
    done
}

/// Where the copy of the file `path` is, if it is watched.
fn copy_of(config: &Config, path: &CStr) -> Option<CString> {
    let folder = config.shadow.as_deref()?;
    // The whole path, which tells as well what a link is called rather than what it leads to. A descriptor that is only
    // a path drops no locks when it is closed.
    let file = own::open(path, libc::O_PATH | libc::O_NOFOLLOW)?;
    let mut buffer = [0; own::PATH];
    let whole = own::path_of(file, &mut buffer);
    own::close(file);
    let whole = whole?;
    (config.watches(path.to_bytes()) || config.watches(whole)).then(|| place(folder, whole)).flatten()
}

fn place(folder: &CStr, path: &[u8]) -> Option<CString> {
    let name = path.rsplit(|byte| *byte == b'/').next()?;
    CString::new([folder.to_bytes(), b"/", name].concat()).ok()
}
