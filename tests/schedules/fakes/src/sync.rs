//! `lastword`'s `sync` on shuttle.

mod clock;
mod lock;
mod task;
pub mod thread;

pub use clock::{Elapsed, Time, begin, now, pass, timeout, timeout_at};
pub use lock::{Mutex, MutexGuard};
pub use task::{Entered, Handle, JoinHandle, blocking};
