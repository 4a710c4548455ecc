//! Which rows are open. What a call writes here is kept together with its `Ok`, and discarded otherwise.

use crate::HookError;
use crate::lastword::hooks::types::Session;
use crate::wasi::keyvalue::store::{self, Bucket, Error};
use crate::worker::Row;

/// Notes the session's row for its end. Facts of a session change while it runs (it is given a key, or another one): its row
/// must be closed under the name under which it was opened.
pub(crate) fn remember(session: &Session, row: &Row) -> Result<(), HookError> {
    let note = serde_json::to_vec(row).map_err(|error| HookError::Fatal(error.to_string()))?;
    bucket()?.set(&key(session), &note).map_err(retry)
}

/// The session's row, if its start got through. The note is gone when this call succeeds.
pub(crate) fn forget(session: &Session) -> Result<Option<Row>, HookError> {
    let (bucket, key) = (bucket()?, key(session));
    let note = bucket.get(&key).map_err(retry)?;
    bucket.delete(&key).map_err(retry)?;
    Ok(note.and_then(|note| serde_json::from_slice(&note).ok()))
}

/// Every tenant has a space of its own. Its name is "".
fn bucket() -> Result<Bucket, HookError> {
    store::open("").map_err(retry)
}

/// An id may start again after it ended; the generation tells its runs apart.
fn key(session: &Session) -> String {
    format!("row/{}#{}", session.id, session.generation)
}

fn retry(error: Error) -> HookError {
    HookError::Retry(match error {
        Error::NoSuchStore => "there is no key-value store".to_owned(),
        Error::AccessDenied => "the key-value store was denied".to_owned(),
        Error::Other(why) => why,
    })
}
