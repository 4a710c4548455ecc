//! Captures a guest's output, to show it with the rest.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::logging::{GUEST_TARGET, Parts};

/// Shown for a component that cannot print.
pub(crate) const MUTE: &str = "none: it imports neither wasi:cli/stdout nor stderr. A Rust plugin that was built for \
                               wasm32-unknown-unknown prints into nothing: build it for wasm32-wasip2";

/// Whether a component with these imports can print.
pub(crate) fn prints<'a>(mut imports: impl Iterator<Item = &'a str>) -> bool {
    imports.any(|import| ["wasi:cli/stdout@", "wasi:cli/stderr@"].iter().any(|stream| import.starts_with(stream)))
}

/// One line of a guest's output, and whether the guest wrote it to stderr.
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
