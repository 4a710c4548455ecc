//! `lastword`'s `sync` on shuttle.

mod clock;
mod lock;
mod task;
pub mod thread;

pub use clock::{Time, Timers, at_some_moment, begin, go_on, now, pass};
pub use lock::{Mutex, MutexGuard, RwLock};
pub use task::{Entered, Handle, JoinHandle, blocking};
