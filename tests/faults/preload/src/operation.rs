//! One operation on a watched file after the other, each with its number, and what becomes of it.

use std::io::Write;
use std::os::raw::c_int;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::{Config, Kind};
use crate::{own, shadow, watched};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Write,
    Truncate,
    Sync,
}

/// How much of a write: its length is divided by this.
pub(crate) const WHOLE: usize = 1;
const HALF: usize = 2;

enum Verdict {
    Do,
    DoSlowly,
    Refuse(c_int),
    Die,
    HalfThenDie,
}

/// The number of operations so far.
static COUNT: Mutex<u64> = Mutex::new(0);

/// What changes watched files goes one at a time. So the order of numbers is the order of the operations, and nobody
/// dies while another thread copies into the shadow.
pub(crate) fn alone() -> MutexGuard<'static, u64> {
    COUNT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `real` does it, or a part of it if it is a write. It answers like C's functions: negative is an error.
pub(crate) fn perform<R: From<i8> + PartialOrd>(fd: c_int, what: Operation, real: impl FnOnce(usize) -> R) -> R {
    let Some(config) = watched::by(fd) else { return real(WHOLE) };
    let mut count = alone();
    *count += 1;
    note(config, *count);
    match verdict(config, *count, what) {
        Verdict::Do => {}
        // Nothing else of these files goes on meanwhile, as on a disk that is busy.
        Verdict::DoSlowly => {
            #[expect(clippy::disallowed_methods, reason = "nothing is waited for: it is the disk that takes its time")]
            std::thread::sleep(config.slow);
        }
        Verdict::Refuse(code) => {
            own::set_errno(code);
            return R::from(-1);
        }
        Verdict::HalfThenDie => {
            real(HALF);
            own::die()
        }
        Verdict::Die => own::die(),
    }
    let done = real(WHOLE);
    if what == Operation::Sync && done >= R::from(0) {
        shadow::copy(config, fd);
    }
    done
}

fn verdict(config: &Config, number: u64, what: Operation) -> Verdict {
    let Some(fault) = config.fault.filter(|fault| number >= fault.at) else { return Verdict::Do };
    let now = number == fault.at;
    let lasting = || !config.until.as_deref().is_some_and(own::exists);
    match fault.kind {
        Kind::Fail if now => Verdict::Refuse(libc::EIO),
        Kind::FailFrom if lasting() => Verdict::Refuse(libc::EIO),
        // A full disk still syncs, and truncates.
        Kind::FullFrom if what == Operation::Write && lasting() => Verdict::Refuse(libc::ENOSPC),
        Kind::SlowFrom if what == Operation::Sync && lasting() => Verdict::DoSlowly,
        Kind::Kill if now => Verdict::Die,
        Kind::Tear if now && what == Operation::Write => Verdict::HalfThenDie,
        Kind::Tear if now => Verdict::Die,
        _ => Verdict::Do,
    }
}

/// An operation counts when it begins, so the one that is broken is counted. The file is opened each time, because a
/// program may close every descriptor that it does not know; the width is fixed, so that every reader finds a number.
fn note(config: &Config, number: u64) {
    let Some(file) = config.count.as_deref() else { return };
    let mut text = [0; 21];
    let written = writeln!(text.as_mut_slice(), "{number:020}").is_ok()
        && own::open(file, libc::O_WRONLY | libc::O_CREAT).is_some_and(|fd| {
            let written = own::write(fd, &text);
            own::close(fd);
            written
        });
    if !written {
        own::give_up("the count cannot be written");
    }
}
