//! What the runtime is compiled with in `tests/schedules`, in the place of `lastword`'s own `sync` and of the sandbox.
//!
//! [`sync`] has the locks, threads, tasks and clock of [shuttle](https://docs.rs/shuttle): everything runs on one thread of
//! the operating system, and at each lock, wake-up and wait a test's scheduler says who goes on. [`sandbox`] has plugins
//! that are futures of the test's.
//!
//! shuttle and not loom: loom tries every order there is, which a few dozen steps of two threads allow, and a drain has
//! thousands, of ten. What is looked for here takes two or three steps in an unlucky order, and orders that are drawn
//! at random find such.

pub mod sandbox;
pub mod sync;
