//! A page of a tenant's active sessions.

use std::sync::Arc;

use lastword_events::Session;

/// A page of a tenant's active sessions, in the order of their starts.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<Arc<Session>>,
    /// The `after` of the next page. None if this page is the last.
    pub next: Option<u64>,
}
