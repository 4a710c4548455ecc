//! A line, taken apart into its fields.

use lastword_events::{Attributes, FieldError, Timestamp};
use serde_json::{Map, Value};

use crate::quote::quoted;

/// A line that cannot be carried out: what an `error` line says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// None when it is about the whole line.
    pub field: Option<String>,
    /// A stable word for programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl BadLine {
    /// About the whole line.
    pub fn whole(code: &'static str, message: impl Into<String>) -> Self {
        Self { field: None, code, message: message.into() }
    }

    /// About one field.
    pub fn field(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), code, message: message.into() }
    }
}

impl From<FieldError> for BadLine {
    fn from(error: FieldError) -> Self {
        Self { field: Some(error.field), code: error.code, message: error.message }
    }
}

/// A JSON object whose fields are taken out one by one; what is left at the end is what nobody knows.
///
/// A field that is null is a field that is not there.
#[derive(Default)]
pub struct Fields {
    /// What stands before a field's name in messages: empty, or e.g. `session.`.
    path: String,
    map: Map<String, Value>,
}

impl Fields {
    /// Takes a line apart.
    ///
    /// # Errors
    /// When it is not UTF-8, not JSON or not an object.
    pub fn of_line(line: &[u8]) -> Result<Self, BadLine> {
        let text = std::str::from_utf8(line).map_err(|error| {
            BadLine::whole("bad_utf8", format!("the line is not UTF-8 from byte {} on", error.valid_up_to() + 1))
        })?;
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Ok(Self { path: String::new(), map }),
            Ok(other) => {
                Err(BadLine::whole("not_an_object", format!("the line is {}, not a JSON object", describe(&other))))
            }
            // A line has only one line.
            Err(error) => {
                Err(BadLine::whole("bad_json", format!("the line is not JSON: {error}").replace(" line 1", "")))
            }
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    fn wrong_type(&self, name: &str, wanted: &str, value: &Value) -> BadLine {
        let field = format!("{}{name}", self.path);
        let message = format!("{field} must be {wanted}, not {}", describe(value));
        BadLine::field(field, "wrong_type", message)
    }

    /// The error that says that `name` is missing.
    pub fn missing(&self, name: &str) -> BadLine {
        let field = format!("{}{name}", self.path);
        let message = format!("{field} is missing");
        BadLine::field(field, "missing_field", message)
    }

    /// A text.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn string(&mut self, name: &str) -> Result<Option<String>, BadLine> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong_type(name, "a string", &other)),
        }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// When it is missing, or of another type.
    pub fn required_string(&mut self, name: &str) -> Result<String, BadLine> {
        self.string(name)?.ok_or_else(|| self.missing(name))
    }

    /// True or false.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn boolean(&mut self, name: &str) -> Result<Option<bool>, BadLine> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(self.wrong_type(name, "true or false", &other)),
        }
    }

    /// A number of something, or of milliseconds. A fraction is cut off, and what is too large saturates.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn count(&mut self, name: &str) -> Result<Option<u32>, BadLine> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match saturating_count(&value) {
                Some(count) => Ok(Some(count)),
                None => Err(self.wrong_type(name, "a number of at least 0", &value)),
            },
        }
    }

    /// A time, as RFC 3339 writes it.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn timestamp(&mut self, name: &str) -> Result<Option<Timestamp>, BadLine> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let field = format!("{}{name}", self.path);
            let message =
                format!("{field} is {}: write an RFC 3339 time such as 2026-11-21T07:00:00.000Z", quoted(&text));
            BadLine::field(field, "bad_time", message)
        })
    }

    /// An object.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn object(&mut self, name: &str) -> Result<Option<Self>, BadLine> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self { path: format!("{}{name}.", self.path), map })),
            Some(other) => Err(self.wrong_type(name, "an object", &other)),
        }
    }

    /// An object that must be there.
    ///
    /// # Errors
    /// When it is missing, or of another type.
    pub fn required_object(&mut self, name: &str) -> Result<Self, BadLine> {
        self.object(name)?.ok_or_else(|| self.missing(name))
    }

    /// A list.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, BadLine> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(other) => Err(self.wrong_type(name, "a list", &other)),
        }
    }

    // What an owner adds or changes in its own payloads must not cost a session its end: these take what has the right
    // type and pass over what has not.

    /// A text that is not empty.
    pub fn string_if(&mut self, name: &str) -> Option<String> {
        match self.take(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// A number of something, or of milliseconds.
    pub fn count_if(&mut self, name: &str) -> Option<u32> {
        self.take(name).as_ref().and_then(saturating_count)
    }

    /// True or false.
    pub fn boolean_if(&mut self, name: &str) -> Option<bool> {
        self.take(name)?.as_bool()
    }

    /// A time, in milliseconds since the Unix epoch.
    pub fn time_if(&mut self, name: &str) -> Option<Timestamp> {
        self.take(name)?.as_i64().map(Timestamp::from_millisecond)
    }

    /// An object.
    pub fn object_if(&mut self, name: &str) -> Option<Self> {
        match self.take(name) {
            Some(Value::Object(map)) => Some(Self { path: format!("{}{name}.", self.path), map }),
            _ => None,
        }
    }

    /// The strings that are left.
    pub fn attributes(self) -> Attributes {
        let string = |(name, value)| match value {
            Value::String(text) => Some((name, text)),
            _ => None,
        };
        self.map.into_iter().filter_map(string).collect()
    }
}

/// JavaScript has no integers: `4.0` is 4, and a duration may have a fraction.
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
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
