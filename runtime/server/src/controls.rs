//! What only the program can do.

use std::future::Future;
use std::pin::Pin;

use lastword::events::{DrainReason, DrainReport};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A future that is returned by a trait's method.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What only the program can do, and an operator asks the server for. Given with
/// [`ServerBuilder::controls`](crate::ServerBuilder::controls).
pub trait Controls: Send + Sync + 'static {
    /// Reads the configuration again, and applies what can be changed at run time. With an error nothing is changed, and its text says
    /// why: it is shown to the operator who asked.
    fn reload(&self) -> BoxFuture<Result<Reloaded, String>>;

    /// Drains every session within the budget, as a signal does, and ends the program after it. Gives the drain's report as soon as there
    /// is one: whoever asked is answered, and then the program leaves.
    fn drain(&self, reason: DrainReason) -> BoxFuture<DrainReport>;

    /// Leaves every session active, and every delivery owed, for the next daemon on the journal, and ends the program. It comes back at
    /// once: the journal is free when the program has left.
    fn hand_over(&self);
}

/// What a reload has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// What was changed, a sentence each.
    pub changed: Vec<String>,
    /// What is different in the file and takes a restart, a sentence each.
    pub needs_restart: Vec<String>,
}
