//! What a guest is told in one call.
//!
//! Apart from [`delivery`](crate::delivery), which events need: a call has both.

use std::sync::Arc;

use crate::{Delivery, Event, Session};

/// Everything that a guest is told in one call. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HookCall {
    /// The session that the event is of.
    pub session: Arc<Session>,
    /// The delivery, and which attempt at it this is.
    pub delivery: Delivery,
    /// What happened to the session.
    pub event: Arc<Event>,
}
