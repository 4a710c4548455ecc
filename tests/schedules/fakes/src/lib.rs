//! What the runtime is compiled with in `tests/schedules`, in the place of `lastword`'s own `sync` and of the sandbox.
//!
//! [`sync`] has the locks, threads, tasks and clock of [shuttle](https://docs.rs/shuttle): everything runs on one thread of
//! the operating system, and at each lock, wake-up and wait a test's scheduler says who goes on. [`sandbox`] has plugins
//! that are futures of the test's.
//!
//! shuttle and not loom: loom tries every order there is. That is possible for a few dozen steps of two threads, and the
//! smallest drain has hundreds, of eight. What goes wrong here takes two or three steps in an unlucky order, and orders that
//! are drawn find such.

pub mod sandbox;
pub mod sync;
