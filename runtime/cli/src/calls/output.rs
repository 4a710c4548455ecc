//! Catches what a guest prints, so that it can be shown with the rest.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::logging::{GUEST_TARGET, Parts};

/// One line of a guest's, and whether it was on stderr.
pub(crate) struct Printed {
    pub(crate) line: String,
    pub(crate) stderr: bool,
}

#[derive(Clone, Default)]
pub(crate) struct GuestOutput(Arc<Mutex<Vec<Printed>>>);

impl GuestOutput {
    pub(crate) fn take(&self) -> Vec<Printed> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for GuestOutput {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == GUEST_TARGET {
            let parts = Parts::of(event);
            let stderr = parts.field("stream") == Some("stderr");
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Printed { line: parts.message, stderr });
        }
    }
}
