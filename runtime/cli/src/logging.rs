//! Logs to stderr, one line for each event, including guests' output. A daemon logs JSON if stderr is no terminal.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use lastword_events::{Timestamp, printable};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Identity, Layered, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::fd::Blocking;
use crate::limits::{
    LAST_LINES_WAIT, MAX_QUEUED_ERROR_LOG_BYTES, MAX_QUEUED_GUEST_LOG_BYTES, MAX_QUEUED_LOG_BYTES, STALLED_READER,
};
use crate::output::line_queue::LineWriter;
use lastword_protocol::input::DEFAULT_TENANT;

/// The target of guests' output.
pub(crate) const GUEST_TARGET: &str = "lastword::guest";

/// Fields of a guest's line that are omitted because they are usual.
const USUAL: [(&str, &str); 2] = [("stream", "stdout"), ("tenant", DEFAULT_TENANT)];

/// The names of all our crates begin with `lastword`.
const DEFAULT_FILTER: &str = "warn,lastword=info";
#[cfg(feature = "jetstream")]
const ONLY_WARNINGS: &str = "warn";

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Lines,
    /// For programs: a JSON object.
    Json,
}

impl Format {
    /// Returns the format that suits the reader of stderr: a person reads a terminal.
    pub(crate) fn of_stderr() -> Self {
        if io::stderr().is_terminal() { Self::Lines } else { Self::Json }
    }
}

/// Logs through a queue, so that a slow reader of stderr blocks no thread. Drops lines that do not fit.
///
/// # Errors
/// When there is no thread or descriptor left.
pub(crate) fn to_queue(format: Format) -> io::Result<LineWriter> {
    let stderr = Blocking::duplicate(&io::stderr())?;
    let writer = LineWriter::spawn("stderr", stderr, |_| ())?;
    init((format, DEFAULT_FILTER), None::<Identity>, Queue(writer.clone()));
    let last = writer.clone();
    // The default hook writes to stderr directly, so a slow reader would block the thread that panicked.
    std::panic::set_hook(Box::new(move |panic| {
        // The message has two lines, and a log event is one.
        tracing::error!("{}", panic.to_string().lines().collect::<Vec<_>>().join(" "));
        last.flush(Instant::now() + LAST_LINES_WAIT, STALLED_READER);
    }));
    Ok(writer)
}

/// Logs directly to stderr, for commands of a person. Guests' output goes to `guests`, if there is one.
pub(crate) fn to_stderr<L>(guests: Option<L>)
where
    L: Layer<Registry> + Send + Sync,
{
    init((Format::Lines, DEFAULT_FILTER), guests, io::stderr);
}

/// Logs only warnings directly to stderr, for commands whose output a program may read, and whose errors it has to see.
#[cfg(feature = "jetstream")]
pub(crate) fn warnings_to_stderr() {
    init((Format::Lines, ONLY_WARNINGS), None::<Identity>, io::stderr);
}

/// Returns the filter of the environment, and a complaint if it cannot be parsed.
fn filter(default: &str) -> (EnvFilter, Option<String>) {
    let asked = ["LASTWORD_LOG", "RUST_LOG"].into_iter().find_map(|name| {
        let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
        Some((name, value))
    });
    let Some((name, value)) = asked else { return (EnvFilter::new(default), None) };
    match EnvFilter::try_new(&value) {
        Ok(filter) => (filter, None),
        Err(error) => {
            let complaint = format!("{name}={value:?} is no filter ({error}); {default:?} is used");
            (EnvFilter::new(default), Some(complaint))
        }
    }
}

fn init<L, W>((format, default): (Format, &str), guests: Option<L>, writer: W)
where
    L: Layer<Registry> + Send + Sync,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, complaint) = filter(default);
    let elsewhere = guests.is_some();
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines: Box<dyn Layer<Layered<Option<L>, Registry>> + Send + Sync> = match format {
        Format::Lines => layer.with_ansi(colour()).event_format(Lines).boxed(),
        Format::Json => layer.with_ansi(false).json().flatten_event(true).boxed(),
    };
    let lines = lines
        .with_filter(filter)
        .with_filter(filter_fn(move |metadata| !elsewhere || metadata.target() != GUEST_TARGET));
    let subscriber = Registry::default().with(guests).with(lines);
    // Only in tests there is one already, and they do not look at stderr.
    tracing::subscriber::set_global_default(subscriber).ok();
    if let Some(complaint) = complaint {
        tracing::warn!("{complaint}");
    }
}

fn colour() -> bool {
    io::stderr().is_terminal() && anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

struct Queue(LineWriter);

/// The queue, up to a limit of bytes.
struct Share<'w> {
    queue: &'w LineWriter,
    limit: usize,
}

impl<'w> MakeWriter<'w> for Queue {
    type Writer = Share<'w>;

    fn make_writer(&'w self) -> Share<'w> {
        Share { queue: &self.0, limit: MAX_QUEUED_LOG_BYTES }
    }

    fn make_writer_for(&'w self, metadata: &Metadata<'_>) -> Share<'w> {
        let limit = match (metadata.target(), *metadata.level()) {
            (GUEST_TARGET, _) => MAX_QUEUED_GUEST_LOG_BYTES,
            (_, Level::ERROR) => MAX_QUEUED_ERROR_LOG_BYTES,
            _ => MAX_QUEUED_LOG_BYTES,
        };
        Share { queue: &self.0, limit }
    }
}

impl Write for Share<'_> {
    /// Called once for each event with its whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.push_up_to(self.limit, line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `2026-11-21T07:00:00.000Z INFO lastword: message name=value`, and for guests' output `2026-11-21T07:00:00.000Z INFO
/// plugin=memory session=s1 | its line`.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let parts = Parts::of(event);
        let colour = out.has_ansi_escapes();
        let paint = |style: Style| if colour { style } else { Style::new() };
        let (dim, level) = (paint(Style::new().dimmed()), paint(level_style(metadata.level())));
        write!(out, "{dim}{}{dim:#} {level}{:>5}{level:#} ", Timestamp::now(), metadata.level())?;
        if metadata.target() == GUEST_TARGET {
            write!(out, "{dim}")?;
            for (name, value) in
                parts.fields.iter().filter(|field| !USUAL.iter().any(|(n, v)| field.0 == *n && field.1 == *v))
            {
                write!(out, "{name}={} ", printable(value))?;
            }
            return writeln!(out, "|{dim:#} {}", printable(&parts.message));
        }
        let target = metadata.target().split("::").next().unwrap_or_default();
        write!(out, "{dim}{target}:{dim:#} {}", printable(&parts.message))?;
        for (name, value) in &parts.fields {
            write!(out, " {name}={}", printable(value))?;
        }
        writeln!(out)
    }
}

fn level_style(level: &Level) -> Style {
    let colour = match *level {
        Level::ERROR => AnsiColor::Red,
        Level::WARN => AnsiColor::Yellow,
        Level::INFO => AnsiColor::Green,
        _ => AnsiColor::Blue,
    };
    colour.on_default()
}

/// An event's message and its other fields as text.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) message: String,
    fields: Vec<(&'static str, String)>,
}

impl Parts {
    pub(crate) fn of(event: &Event<'_>) -> Self {
        let mut parts = Self::default();
        event.record(&mut parts);
        parts
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    fn push(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.fields.push((field.name(), value));
        }
    }
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        // An id with a space or a newline in it must not look like two fields, or two lines.
        let plain = field.name() == "message" || value.chars().all(|c| c.is_alphanumeric() || c.is_ascii_punctuation());
        self.push(field, if plain { value.to_owned() } else { format!("{value:?}") });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the logged text, without its time.
    fn logged(log: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).event_format(Lines).finish();
        tracing::subscriber::with_default(subscriber, log);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        text.split_once(' ').unwrap().1.to_owned()
    }

    #[test]
    fn an_event_is_one_line_with_its_fields_after_it() {
        let line = logged(|| tracing::warn!(target: "lastword::stdio", count = 3, name = "a b", "hello {}", "you"));
        assert_eq!(line, " WARN lastword: hello you count=3 name=\"a b\"\n");
    }

    #[test]
    fn a_chatty_guest_leaves_room_for_our_lines_and_errors_are_the_last_to_go() {
        let (_stalled, pipe) = io::pipe().unwrap();
        let writer = LineWriter::spawn("test", pipe, |_| ()).unwrap();
        let lines =
            tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Queue(writer.clone())).event_format(Lines);
        let long = "x".repeat(4096);
        tracing::subscriber::with_default(Registry::default().with(lines), || {
            while writer.dropped() == 0 {
                tracing::info!(target: "lastword::guest", "{long}");
            }
            tracing::info!(target: "lastword", "ours");
            assert_eq!(writer.dropped(), 1, "the guest's line, not ours");
            while writer.dropped() == 1 {
                tracing::info!(target: "lastword", "{long}");
            }
            tracing::error!(target: "lastword", "3 session-end deliveries are lost");
            assert_eq!(writer.dropped(), 2, "an error has room when nothing else has");
        });
    }

    #[test]
    fn what_a_guest_prints_is_marked_with_who_it_is() {
        let line = logged(|| {
            tracing::info!(target: "lastword::guest", plugin = "memory", tenant = "default", session = "s1", stream = "stdout", "bye");
        });
        assert_eq!(line, " INFO plugin=memory session=s1 | bye\n");
        let line = logged(|| {
            tracing::info!(target: "lastword::guest", plugin = "memory", tenant = "acme", session = "s1", stream = "stderr", "bye");
        });
        assert_eq!(line, " INFO plugin=memory tenant=acme session=s1 stream=stderr | bye\n");
    }
}
