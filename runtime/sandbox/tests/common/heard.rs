//! What guests print, as the log has it.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Events of the target `lastword::guest`, as `level stream tenant/session/plugin: text`.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Heard {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        #[derive(Default)]
        struct Fields(std::collections::BTreeMap<&'static str, String>);
        impl Visit for Fields {
            fn record_str(&mut self, field: &Field, value: &str) {
                self.0.insert(field.name(), value.to_owned());
            }
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                self.0.insert(field.name(), format!("{value:?}"));
            }
        }
        if event.metadata().target() == "lastword::guest" {
            let mut fields = Fields::default();
            event.record(&mut fields);
            let get = |name| fields.0.get(name).cloned().unwrap_or_default();
            let of = format!("{}/{}/{}", get("tenant"), get("session"), get("plugin"));
            let level = event.metadata().level();
            self.0.lock().unwrap().push(format!("{level} {} {of}: {}", get("stream"), get("message")));
        }
    }
}

impl Heard {
    /// Hears everything on this thread until the guard is dropped.
    pub(crate) fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let heard = Self::default();
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(heard.clone()));
        (heard, guard)
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
