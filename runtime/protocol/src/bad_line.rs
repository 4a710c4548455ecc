//! A line that cannot be carried out, and the reason.

use lastword_events::FieldError;

/// The code of a line that is no JSON.
const BAD_JSON: &str = "bad_json";

/// A line that cannot be carried out: the content of its `error` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The field with the mistake. `None` if the mistake is about the whole line.
    pub field: Option<String>,
    /// A stable word for programs.
    pub code: &'static str,
    /// The mistake and the remedy, for people.
    pub message: String,
}

impl BadLine {
    /// A mistake of the whole line.
    pub fn whole(code: &'static str, message: impl Into<String>) -> Self {
        Self { field: None, code, message: message.into() }
    }

    /// A line that is no JSON.
    pub(crate) fn no_json(message: impl Into<String>) -> Self {
        Self::whole(BAD_JSON, message)
    }

    /// Whether the line is no JSON, so that a repair may help.
    pub(crate) fn is_no_json(&self) -> bool {
        self.code == BAD_JSON
    }

    /// A mistake of one field.
    pub fn field(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), code, message: message.into() }
    }
}

impl From<FieldError> for BadLine {
    fn from(error: FieldError) -> Self {
        Self { field: Some(error.field), code: error.code, message: error.message }
    }
}
