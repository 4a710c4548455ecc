//! Why a line cannot be carried out.

use lastword_events::FieldError;

/// The code of a line that is no JSON.
const BAD_JSON: &str = "bad_json";

/// A line that cannot be carried out: what an `error` line says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The field that it is about; none when it is about the whole line.
    pub field: Option<String>,
    /// A stable word for programs.
    pub code: &'static str,
    /// What is wrong and what to do, for people.
    pub message: String,
}

impl BadLine {
    /// About the whole line.
    pub fn whole(code: &'static str, message: impl Into<String>) -> Self {
        Self { field: None, code, message: message.into() }
    }

    /// About a line that is no JSON.
    pub(crate) fn no_json(message: impl Into<String>) -> Self {
        Self::whole(BAD_JSON, message)
    }

    /// Whether the line is no JSON: repaired it may be.
    pub(crate) fn is_no_json(&self) -> bool {
        self.code == BAD_JSON
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
