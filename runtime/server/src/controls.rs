//! The actions that only the program can carry out.

use std::future::Future;
use std::pin::Pin;

use lastword::events::{DrainReason, DrainReport};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A future that a trait's method returns.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The actions that only the program can carry out and that operators ask the server for. Pass it to
/// [`ServerBuilder::controls`](crate::ServerBuilder::controls).
pub trait Controls: Send + Sync + 'static {
    /// Reads the configuration again, and applies the settings that can change at run time. On an error nothing
    /// changes; the operator who asked is shown the error's text.
    fn reload(&self) -> BoxFuture<Result<Reloaded, String>>;

    /// Drains every session within the budget, as a signal does, and then ends the program. The future gives the
    /// drain's report as soon as there is one: the server answers the operator, and then the program exits.
    fn drain(&self, reason: DrainReason) -> BoxFuture<DrainReport>;

    /// Ends the program, and leaves every session active and every delivery owed for the next daemon on the journal.
    /// Returns at once; the journal is free when the program has exited.
    fn hand_over(&self);
}

/// The result of a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// The settings that changed, a sentence each.
    pub changed: Vec<String>,
    /// The settings that differ in the file but need a restart, a sentence each.
    pub needs_restart: Vec<String>,
}
