//! Fields of an event that cannot be taken as they are.

use thiserror::Error;

/// A field of an event that cannot be taken as it is. The message contains the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct FieldError {
    /// The field as the stdio protocol writes it, e.g. `session.id`.
    pub field: String,
    /// A stable word for programs, e.g. `empty_id`.
    pub code: &'static str,
    /// The mistake and the remedy, for people.
    pub message: String,
}

impl FieldError {
    /// Makes an error about `field`.
    #[must_use]
    pub fn new(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }

    pub(crate) fn too_long(field: &str, code: &'static str, len: usize, max: usize) -> Self {
        Self::new(field, code, format!("{field} has {len} bytes; at most {max} are allowed"))
    }
}

/// Refuses `text` when it is longer than `max` bytes.
pub(crate) fn check_len(field: &str, text: Option<&str>, max: usize) -> Result<(), FieldError> {
    match text {
        Some(text) if text.len() > max => Err(FieldError::too_long(field, "too_long", text.len(), max)),
        _ => Ok(()),
    }
}

/// Empties `text` if it is longer than `max` bytes, and adds its name to `dropped`.
pub(crate) fn drop_if_long(field: &str, text: &mut Option<String>, max: usize, dropped: &mut Vec<String>) {
    if text.as_ref().is_some_and(|t| t.len() > max) {
        *text = None;
        dropped.push(field.to_owned());
    }
}
