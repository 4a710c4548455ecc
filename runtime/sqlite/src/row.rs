//! Values of rows: writes some as text, and checks those that it reads.

use lastword_events::DrainReason;
use lastword_journal::state::MAX_COUNT;
use rusqlite::Row;
use rusqlite::types::{Type, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sqlite_error::Impossible;

/// The highest number of a session. SQLite's numbers have 63 bits, and half of that leaves room for the numbers that a salvage skips.
pub(crate) const MAX_SEQUENCE: u64 = u64::MAX >> 2;

/// The JSON of a value. It cannot fail: our types have no map with keys other than text, and no `Serialize` that fails. So the default is
/// never used.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Whether there is a value.
pub(crate) fn has(row: &Row<'_>, column: usize) -> rusqlite::Result<bool> {
    Ok(row.get_ref(column)? != ValueRef::Null)
}

/// A number that was counted.
pub(crate) fn count(row: &Row<'_>, column: usize, what: &str) -> rusqlite::Result<u32> {
    let value: i64 = row.get(column)?;
    u32::try_from(value).ok().filter(|count| *count <= MAX_COUNT).ok_or_else(|| {
        let impossible = Impossible { what: what.to_owned(), value, most: MAX_COUNT };
        rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, Box::new(impossible))
    })
}

/// A text that stands for a value.
pub(crate) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: T::Err| not_ours(column, error.to_string()))
}

/// A text that is JSON.
pub(crate) fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| not_ours(column, error.to_string()))
}

/// Why a run drained.
pub(crate) fn drain_reason(row: &Row<'_>, column: usize) -> rusqlite::Result<DrainReason> {
    let text: String = row.get(column)?;
    let mut reasons = [DrainReason::Shutdown, DrainReason::Restart, DrainReason::Crashed].into_iter();
    reasons
        .find(|reason| reason.to_string() == text)
        .ok_or_else(|| not_ours(column, format!("{text:?} is no drain reason")))
}

/// The error for a value that no version of the program writes.
fn not_ours(column: usize, why: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}
