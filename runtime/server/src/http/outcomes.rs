//! `?wait=delivered`: an answer with the outcomes of its deliveries.

use std::time::Duration;

use axum::http::StatusCode;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use lastword::Settled;
use lastword::events::DeliveryId;
use lastword::journal::Settlement;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};

use super::owner_query::read_duration;
use super::problem::Problem;
use crate::limits::WAITS_AT_ONCE;
use crate::shared::Shared;

/// Whether the answer waits for the deliveries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitQuery {
    /// `delivered`: the answer comes when every delivery is delivered or dead. By default the answer comes when the
    /// event is on record.
    pub(crate) wait: Option<String>,
    /// The longest wait, e.g. `10s`; 55 s by default and at most. After it the answer is `202`.
    pub(crate) timeout: Option<String>,
}

/// The outcome of one delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DeliveryOutcome {
    /// The delivery's id.
    pub(crate) delivery: String,
    /// `delivered`, `dead` or `forgotten`. `owed` if the wait was over first, or the daemon exits. `unknown` if the
    /// journal does not have the delivery any more and its outcome is forgotten.
    pub(crate) state: &'static str,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    /// The plugin's message of that failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
}

impl WaitQuery {
    /// Returns the end of the wait. `None`: the answer does not wait.
    pub(crate) fn until(&self, most: Duration) -> Result<Option<Instant>, Problem> {
        match self.wait.as_deref() {
            None => Ok(None),
            Some("delivered") => {
                let time = match self.timeout.as_deref() {
                    Some(text) => read_duration("timeout", text)?.min(most),
                    None => most,
                };
                Ok(Some(Instant::now() + time))
            }
            Some(_) => Err(Problem::bad_field("wait", "bad_wait", "wait must be `delivered`, or be left out")),
        }
    }
}

/// Returns the outcomes of the deliveries, in order, as they are at `until`.
pub(crate) async fn outcomes(shared: &Shared, deliveries: &[DeliveryId], until: Instant) -> Vec<DeliveryOutcome> {
    let (mut rest, mut waited_for) = (deliveries.iter(), FuturesOrdered::new());
    let mut settled = Vec::with_capacity(deliveries.len());
    loop {
        for delivery in rest.by_ref().take(WAITS_AT_ONCE.saturating_sub(waited_for.len())) {
            waited_for.push_back(outcome(shared, delivery, until));
        }
        match waited_for.next().await {
            Some(outcome) => settled.push(outcome),
            None => return settled,
        }
    }
}

async fn outcome(shared: &Shared, delivery: &DeliveryId, until: Instant) -> DeliveryOutcome {
    let settled = timeout_at(until, shared.runtimes.settled_of(delivery)).await;
    let (state, cause, message) = match settled {
        Err(_) | Ok(Ok(Settled::Deferred)) => ("owed", None, None),
        Ok(Ok(Settled::NotOwed)) => words(Settled::NotOwed, shared.observer.settled(delivery).await),
        Ok(Ok(settled)) => words(settled, None),
        Ok(Err(error)) => ("owed", Some("journal".to_owned()), Some(error.to_string())),
    };
    DeliveryOutcome { delivery: delivery.to_string(), state, cause, message }
}

type Words = (&'static str, Option<String>, Option<String>);

fn words(settled: Settled, remembered: Option<Settlement>) -> Words {
    match (settled, remembered) {
        (Settled::Delivered, _) | (Settled::NotOwed, Some(Settlement::Delivered)) => ("delivered", None, None),
        (Settled::Dead { cause, message, .. }, _) => ("dead", Some(cause), Some(message)),
        (Settled::NotOwed, Some(Settlement::Dead { cause, message, .. })) => {
            ("dead", Some(cause.to_string()), Some(message))
        }
        (Settled::Forgotten, _) => ("forgotten", None, None),
        _ => ("unknown", None, None),
    }
}

/// Returns `202` if a delivery is still owed.
pub(crate) fn status(outcomes: Option<&[DeliveryOutcome]>) -> StatusCode {
    let is_owed = outcomes.is_some_and(|outcomes| outcomes.iter().any(|outcome| outcome.state == "owed"));
    if is_owed { StatusCode::ACCEPTED } else { StatusCode::OK }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_made_before_it_was_asked_for_is_delivered() {
        assert_eq!(words(Settled::NotOwed, Some(Settlement::Delivered)).0, "delivered");
        assert_eq!(words(Settled::NotOwed, None).0, "unknown");
        assert_eq!(words(Settled::Delivered, None).0, "delivered");
        assert_eq!(words(Settled::Forgotten, None).0, "forgotten");
    }

    #[test]
    fn a_wait_has_its_word_and_its_bound() {
        let query = |wait: Option<&str>, timeout: Option<&str>| WaitQuery {
            wait: wait.map(str::to_owned),
            timeout: timeout.map(str::to_owned),
        };
        let most = Duration::from_secs(5);
        assert_eq!(query(None, Some("1s")).until(most).unwrap(), None);
        assert!(query(Some("forever"), None).until(most).is_err());
        assert!(query(Some("delivered"), Some("x")).until(most).is_err());
        let until = query(Some("delivered"), Some("1h")).until(most).unwrap().unwrap();
        assert!(until <= Instant::now() + most);
    }
}
