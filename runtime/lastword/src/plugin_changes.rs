//! Plugins that come and go, and have new versions, while sessions go on.
//!
//! A change is one critical section, under the lock of the active set and then that of the dispatcher: the set of installed plugins, the
//! queues of all tenants, what active sessions are owed, and what the journal is handed of it change at once. Whatever is enqueued is
//! enqueued with the active set's lock. So an event is owed to those who were installed before a change or after it; and of what is on
//! record as owed, all that is not for somebody in the queues is [said](crate::enqueue) to be orphaned, before anybody who would look for it can
//! be installed.
//!
//! What takes time comes after that, as a task that keeps nothing of the runtime while it waits: [orphans](adopt) of a plugin that is back
//! are read and enqueued, and what an [uninstalled](uninstall()) one leaves is written down.

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
