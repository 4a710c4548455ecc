//! Plugins are installed, replaced and uninstalled while sessions go on.
//!
//! A change is one critical section, under the lock of the active set and then that of the dispatcher. In it the set of installed plugins,
//! the queues of all tenants, and what active sessions are owed change at once, and the journal is handed all of it. Whatever is enqueued
//! is enqueued with the active set's lock. So an event is owed to the plugins that were installed before a change, or to those after it. If
//! the queues have no place for an event that a plugin is owed on record, the event is [marked](crate::enqueue) as orphaned, before a
//! plugin that would look for it can be installed.
//!
//! What takes time comes later, as a task that does not keep the runtime alive: [orphans](adopt) of a plugin that is installed again are
//! read and enqueued, and deliveries of an [uninstalled](uninstall()) plugin are written down as orphaned or dropped.

mod adopt;
mod install;
mod pause;
mod replace;
mod uninstall;

pub(crate) use self::install::install;
pub use self::pause::Paused;
pub(crate) use self::pause::pause;
pub(crate) use self::replace::replace;
pub use self::uninstall::Uninstalled;
pub(crate) use self::uninstall::uninstall;
