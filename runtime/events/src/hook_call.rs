//! The content of one call of a guest.
//!
//! Separate from [`delivery`](crate::delivery), on which events depend: a call has both.

use std::sync::Arc;

use crate::{Delivery, Event, Session};

/// The complete content of one call of a guest. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HookCall {
    /// The session of the event.
    pub session: Arc<Session>,
    /// The delivery, and the number of the attempt.
    pub delivery: Delivery,
    /// The event.
    pub event: Arc<Event>,
}
