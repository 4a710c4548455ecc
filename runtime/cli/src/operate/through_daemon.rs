//! Changes deliveries through a running daemon.

use lastword_events::DeliveryId;
use lastword_server::limits::MAX_CHANGED_AT_ONCE;
use lastword_sqlite::Changed;
use serde::Deserialize;

use crate::client::Daemon;
use crate::exit::Failure;

/// The results for all deliveries, in order.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    deliveries: Vec<ChangedDelivery>,
}

/// The result for one delivery.
#[derive(Deserialize)]
struct ChangedDelivery {
    how: String,
}

/// Makes the daemon change these deliveries, and returns the results in order.
///
/// # Errors
/// When the daemon refuses, or does not answer. Deliveries that were changed by then stay changed.
pub(super) fn change_through(daemon: &Daemon, path: &str, ids: &[DeliveryId]) -> Result<Vec<Changed>, Failure> {
    let mut changed = Vec::with_capacity(ids.len());
    for some in ids.chunks(MAX_CHANGED_AT_ONCE) {
        let named: Vec<String> = some.iter().map(DeliveryId::to_string).collect();
        let answer: Answer = daemon.post(path, &serde_json::json!({ "deliveries": named }))?;
        changed.extend(answer.deliveries.iter().map(|delivery| of_word(&delivery.how)));
    }
    Ok(changed)
}

/// Converts an answer's word.
fn of_word(word: &str) -> Changed {
    let known = [Changed::Done, Changed::AlreadyOwed, Changed::Unknown, Changed::UnderWay];
    let is_it = |changed: &Changed| serde_json::to_value(changed).is_ok_and(|said| said == word);
    known.into_iter().find(is_it).unwrap_or(Changed::Unwritable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_journal() {
        assert_eq!(of_word("already_owed"), Changed::AlreadyOwed);
        assert_eq!(of_word("under_way"), Changed::UnderWay);
        assert_eq!(of_word("of a later version"), Changed::Unwritable);
    }
}
