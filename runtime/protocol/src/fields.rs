//! Takes a line apart into its fields.

use lastword_events::limits::MAX_QUOTED_CHARS;
use lastword_events::text::{clip_chars, quoted};
use lastword_events::{Attributes, TRACEPARENT, TRACESTATE, Timestamp, TraceParent, is_tracestate};
use serde_json::{Map, Value};

use crate::bad_line::BadLine;
use crate::dropped::DroppedFields;
use crate::limits::{MAX_DEPTH, MAX_TEXT_BYTES};
use crate::repair::{LOST, Lost};
use crate::time;

/// The name of the outermost object in messages.
const LINE: &str = "the line";

/// A JSON object whose fields are taken one by one. The fields that are left at the end are unknown.
///
/// A null field counts as absent. An optional field that cannot be read is dropped, and recorded in
/// [`dropped`](Self::dropped), because it must not cost a session its end. Only a field that the line cannot do without
/// is an error.
#[derive(Default)]
pub struct Fields {
    /// The prefix of a field's name in messages: empty, or e.g. `session.`.
    path: String,
    map: Map<String, Value>,
    dropped: DroppedFields,
}

impl Fields {
    /// Parses a line.
    ///
    /// # Errors
    /// When it is not UTF-8, not JSON or not an object.
    pub fn of_line(line: &[u8]) -> Result<Self, BadLine> {
        let text = std::str::from_utf8(line).map_err(|error| {
            BadLine::no_json(format!("the line is not UTF-8 from byte {} on", error.valid_up_to() + 1))
        })?;
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Ok(Self::new(String::new(), map, DroppedFields::default())),
            Ok(other) => {
                Err(BadLine::whole("not_an_object", format!("the line is {}, not a JSON object", describe(&other))))
            }
            // The line number is omitted, because a line has only one line.
            Err(error) => Err(BadLine::no_json(format!("the line is not JSON: {error}").replace(" line 1", ""))),
        }
    }

    fn new(path: String, mut map: Map<String, Value>, dropped: DroppedFields) -> Self {
        if map.remove(LOST).is_some() {
            let what = path.strip_suffix('.').unwrap_or(LINE);
            let message = format!("{what} is too long: its first fields were read, and not the rest");
            dropped.note(BadLine::field(what, "too_long", message));
        }
        Self { path, map, dropped }
    }

    /// Returns the fields dropped so far from the line. Later ones are added to the same value.
    #[must_use]
    pub fn dropped(&self) -> DroppedFields {
        self.dropped.clone()
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// Returns the name of one of its fields in messages.
    fn path_of(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    /// Returns the error of a value of the wrong type.
    #[cold]
    fn unreadable(&self, name: &str, wanted: &str, value: &Value) -> BadLine {
        let field = self.path_of(name);
        let (code, message) = match lost(value) {
            Some(Lost::Escape) => (
                "bad_escape",
                format!("{field} has a backslash that begins no escape: write two for each, as in \"C:\\\\Users\""),
            ),
            Some(Lost::Long) => ("too_long", format!("{field} has more than {MAX_TEXT_BYTES} bytes")),
            Some(Lost::Deep) => ("too_deep", format!("{field} is more than {MAX_DEPTH} objects and lists deep")),
            Some(Lost::Number) => ("bad_number", format!("{field} is not a number that JSON has")),
            Some(Lost::Word) => ("bad_word", format!("{field} is nothing that JSON has: texts need quotation marks")),
            Some(Lost::Rest) | None => ("wrong_type", format!("{field} must be {wanted}, not {}", describe(value))),
        };
        BadLine::field(field, code, message)
    }

    /// Returns the error that `name` is missing, or the error for which it was dropped.
    pub fn missing(&self, name: &str) -> BadLine {
        self.was_dropped(name).unwrap_or_else(|| {
            let field = self.path_of(name);
            let rest = self.dropped.of(self.path.strip_suffix('.').unwrap_or(LINE));
            let why = rest.map_or_else(String::new, |rest| format!(": {}", rest.message));
            let message = format!("{field} is missing{why}");
            BadLine::field(field, "missing_field", message)
        })
    }

    /// Returns the error for which `name` was dropped.
    pub(crate) fn was_dropped(&self, name: &str) -> Option<BadLine> {
        self.dropped.of(&self.path_of(name))
    }

    /// Takes a field and converts it with `read`. An error has the value and the wanted type.
    fn required<T>(
        &mut self,
        name: &str,
        wanted: &str,
        read: impl FnOnce(Value) -> Result<T, Value>,
    ) -> Result<Option<T>, BadLine> {
        let Some(value) = self.take(name) else { return Ok(None) };
        read(value).map(Some).map_err(|value| self.unreadable(name, wanted, &value))
    }

    /// Takes an optional field: drops it if it cannot be converted.
    fn optional<T>(&mut self, name: &str, wanted: &str, read: impl FnOnce(Value) -> Result<T, Value>) -> Option<T> {
        match read(self.take(name)?) {
            Ok(read) => Some(read),
            Err(value) => {
                self.dropped.note(self.unreadable(name, wanted, &value));
                None
            }
        }
    }

    /// Takes a text that may be absent.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn string(&mut self, name: &str) -> Result<Option<String>, BadLine> {
        self.required(name, "a string", text)
    }

    /// Takes a required text.
    ///
    /// # Errors
    /// When it is missing, or of another type.
    pub fn required_string(&mut self, name: &str) -> Result<String, BadLine> {
        self.string(name)?.ok_or_else(|| self.missing(name))
    }

    /// Takes a required object.
    ///
    /// # Errors
    /// When it is missing, or of another type.
    pub fn required_object(&mut self, name: &str) -> Result<Self, BadLine> {
        let map = self.required(name, "an object", object)?.ok_or_else(|| self.missing(name))?;
        Ok(self.inner(name, map))
    }

    /// Takes a list that may be absent.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, BadLine> {
        self.required(name, "a list", array)
    }

    /// Takes an optional text that is not empty.
    pub fn string_if(&mut self, name: &str) -> Option<String> {
        self.optional(name, "a string", text).filter(|text| !text.is_empty())
    }

    /// Takes a text, and records an absence: the object around it is useless without this text.
    pub(crate) fn expected_string(&mut self, name: &str) -> Option<String> {
        self.required_string(name).map_err(|bad| self.dropped.note(bad)).ok()
    }

    /// Takes an optional count, or a number of milliseconds. Cuts a fraction off, and saturates.
    pub fn count_if(&mut self, name: &str) -> Option<u32> {
        self.optional(name, "a number of at least 0", |value| saturating_count(&value).ok_or(value))
    }

    /// Takes an optional boolean.
    pub fn boolean_if(&mut self, name: &str) -> Option<bool> {
        self.optional(name, "true or false", |value| value.as_bool().ok_or(value))
    }

    /// Takes an optional time: RFC 3339, or seconds or milliseconds since the Unix epoch.
    pub fn time_if(&mut self, name: &str) -> Option<Timestamp> {
        let wanted = "a time such as 2026-11-21T07:00:00.000Z, or seconds or milliseconds since 1970";
        self.optional(name, wanted, |value| time::of(&value).ok_or(value))
    }

    /// Takes the trace that the line is part of, as the attributes of an event. Without a valid `traceparent` there is none.
    pub(crate) fn trace_if(&mut self) -> Attributes {
        let wanted = "a W3C trace context such as 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parent = self.optional(TRACEPARENT, wanted, text_if(|text| text.parse::<TraceParent>().is_ok()));
        let state = self.optional(TRACESTATE, "a W3C trace state such as vendor=value", text_if(is_tracestate));
        let Some(parent) = parent else { return Attributes::new() };
        let state = state.map(|state| (TRACESTATE.to_owned(), state));
        [(TRACEPARENT.to_owned(), parent)].into_iter().chain(state).collect()
    }

    /// Takes an optional object. Returns an empty one in its place.
    pub fn object_or_empty(&mut self, name: &str) -> Self {
        self.object_if(name).unwrap_or_else(|| self.inner(name, Map::new()))
    }

    /// Takes an optional object.
    pub fn object_if(&mut self, name: &str) -> Option<Self> {
        let map = self.optional(name, "an object", object)?;
        Some(self.inner(name, map))
    }

    fn inner(&self, name: &str, map: Map<String, Value>) -> Self {
        Self::new(format!("{}{name}.", self.path), map, self.dropped.clone())
    }

    /// Takes an optional list, and returns its first text that is not empty.
    pub fn first_string_if(&mut self, name: &str) -> Option<String> {
        self.optional(name, "a list", array)?.into_iter().find_map(|value| match value {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => None,
        })
    }

    // The following functions take nothing: they find the format before any field is taken.

    /// Whether the field is present.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// Returns a text, and leaves it in place.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.map.get(name)?.as_str()
    }

    /// Returns a text of an inner object, and leaves both in place.
    #[must_use]
    pub fn text_in(&self, object: &str, name: &str) -> Option<&str> {
        self.map.get(object)?.get(name)?.as_str()
    }

    /// Returns the remaining strings.
    pub fn attributes(mut self) -> Attributes {
        let mut attributes = Attributes::new();
        for (name, value) in std::mem::take(&mut self.map) {
            match value {
                Value::String(text) => attributes.push((name, text)),
                // Marks in place of strings.
                value if matches!(lost(&value), Some(Lost::Escape | Lost::Long)) => {
                    self.dropped.note(self.unreadable(&clip_chars(&name, MAX_QUOTED_CHARS), "a string", &value));
                }
                _ => {}
            }
        }
        attributes
    }
}

fn text(value: Value) -> Result<String, Value> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(other),
    }
}

/// Converts a text for which `is_it` holds.
fn text_if(is_it: impl Fn(&str) -> bool) -> impl FnOnce(Value) -> Result<String, Value> {
    move |value| match value {
        Value::String(text) if is_it(&text) => Ok(text),
        other => Err(other),
    }
}

fn object(value: Value) -> Result<Map<String, Value>, Value> {
    match value {
        Value::Object(map) if lost_of(&map).is_none_or(|lost| lost == Lost::Rest) => Ok(map),
        other => Err(other),
    }
}

fn array(value: Value) -> Result<Vec<Value>, Value> {
    match value {
        Value::Array(values) => Ok(values),
        other => Err(other),
    }
}

/// Returns why a value was lost in a repair.
fn lost(value: &Value) -> Option<Lost> {
    lost_of(value.as_object()?)
}

fn lost_of(map: &Map<String, Value>) -> Option<Lost> {
    Lost::of(map.get(LOST)?.as_str()?)
}

/// Converts a JavaScript number, which may be a float: `4.0` is 4, and a duration may have a fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` from f64 saturates, as wanted here")]
fn saturating_count(value: &Value) -> Option<u32> {
    match (value.as_u64(), value.as_f64()) {
        (Some(whole), _) => Some(u32::try_from(whole).unwrap_or(u32::MAX)),
        (None, Some(number)) if number >= 0.0 => Some(number as u32),
        _ => None,
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the string {}", quoted(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_at_stays_and_what_is_taken_is_gone() {
        let line = br#"{"a":"x","n":7,"nothing":null,"list":["",3,"first","second"],"no-list":"x"}"#;
        let mut fields = Fields::of_line(line).unwrap();
        assert!(fields.has("a") && fields.has("n") && !fields.has("nothing") && !fields.has("other"));
        assert_eq!((fields.text("a"), fields.text("n")), (Some("x"), None));
        assert_eq!(fields.first_string_if("list").as_deref(), Some("first"));
        assert_eq!((fields.first_string_if("list"), fields.first_string_if("no-list")), (None, None));
        assert_eq!(fields.string_if("a").as_deref(), Some("x"));
        assert!(!fields.has("a"));
    }
}
