//! The routes, by topic.

pub(crate) mod daemon;
pub(crate) mod deliveries;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod hooks;
pub(crate) mod nodes;
pub(crate) mod owners;
pub(crate) mod sessions;
pub(crate) mod stream;
