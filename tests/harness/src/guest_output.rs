//! What guests print, as the program's log has it.

use std::fmt;
use std::sync::OnceLock;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// One line of one guest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    plugin: String,
    tenant: String,
    text: String,
    /// The names of the spans that it is in, the outermost first.
    spans: Vec<&'static str>,
}

static LINES: OnceLock<Mutex<Vec<Line>>> = OnceLock::new();

/// The lines that guests of `plugin` printed for `tenant` so far. This is what really ran, whatever our reports say.
#[must_use]
pub fn printed(plugin: &str, tenant: &str) -> Vec<String> {
    let lines = listen().lock();
    lines.iter().filter(|l| l.plugin == plugin && l.tenant == tenant).map(|l| l.text.clone()).collect()
}

/// The spans that each of these lines is in, the outermost first.
#[must_use]
pub fn spans_of_printed(plugin: &str, tenant: &str) -> Vec<Vec<&'static str>> {
    let lines = listen().lock();
    lines.iter().filter(|l| l.plugin == plugin && l.tenant == tenant).map(|l| l.spans.clone()).collect()
}

/// Begins to listen, once for the process.
pub(crate) fn listen() -> &'static Mutex<Vec<Line>> {
    LINES.get_or_init(|| {
        let subscriber = tracing_subscriber::registry().with(GuestOutput);
        // A test that has a subscriber of its own does not ask for lines.
        tracing::subscriber::set_global_default(subscriber).ok();
        Mutex::default()
    })
}

/// Keeps every line that a guest prints.
struct GuestOutput;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for GuestOutput {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() == "lastword::guest" {
            let mut line = Line::default();
            event.record(&mut line);
            let spans = context.event_scope(event).into_iter().flat_map(Scope::from_root);
            line.spans = spans.map(|span| span.name()).collect();
            if let Some(lines) = LINES.get() {
                lines.lock().push(line);
            }
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.to_owned());
    }
}

impl Line {
    fn set(&mut self, field: &Field, value: String) {
        match field.name() {
            "plugin" => self.plugin = value,
            "tenant" => self.tenant = value,
            "message" => self.text = value,
            _ => (),
        }
    }
}
