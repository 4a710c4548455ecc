//! What the sessions of a tenant have before it is removed: their ends, and a while for its plugins to hear of them.

use std::time::Duration;

use lastword::events::{EndReason, Session};
use lastword::{EndRequest, MAX_PAGE_ROWS, Refusal, Runtime};

/// How long plugins may take to hear of the ends: ten deadlines of a call. What is not delivered then is owed.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Ends every session of a tenant, and waits until their ends are delivered or dead, or [`LAST_WORDS`] are over. Says how many they were.
pub(crate) async fn end_sessions(runtime: &Runtime, tenant: &str) -> Result<usize, Refusal> {
    let (mut ended, mut deliveries, mut after) = (0, Vec::new(), None);
    loop {
        let page = runtime.sessions_of(tenant, after, MAX_PAGE_ROWS);
        // All of a page are asked for before the first is waited for, and so they are written down together.
        let identities = page.sessions.iter().map(|session| session.identity.clone());
        let requests = identities.map(|identity| EndRequest::new(Session::of(identity), EndReason::Deleted));
        let ends: Vec<_> = requests.map(|request| runtime.end_session(request)).collect();
        for end in ends {
            deliveries.extend(end.await?.deliveries);
            ended += 1;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let heard = async {
        for delivery in &deliveries {
            // Whatever became of it: what is still owed is told by whoever uninstalls the plugin.
            runtime.settled_of(delivery).await.ok();
        }
    };
    if tokio::time::timeout(LAST_WORDS, heard).await.is_err() {
        tracing::warn!(tenant, "not every end of the tenant's sessions is delivered after {LAST_WORDS:?}");
    }
    Ok(ended)
}
