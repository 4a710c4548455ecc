//! The messages of a stream, read by a client of nothing else.

use anyhow::{Context as _, anyhow};
use async_nats::jetstream::consumer::push::OrderedConfig;
use async_nats::jetstream::{Context, Message};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::servers::ANSWERS_WITHIN;

/// Reads all that a stream has by now, as fast as it comes, and gives each message to `take`.
///
/// # Errors
/// When the servers do not give it.
pub(super) async fn read(client: &Context, stream: &str, mut take: impl FnMut(&Message)) -> anyhow::Result<()> {
    let mut stream = client.get_stream(stream).await?;
    let last = stream.info().await?.state.last_sequence;
    let deliver_subject = client.client().new_inbox();
    let consumer = stream.create_consumer(OrderedConfig { deliver_subject, ..OrderedConfig::default() }).await?;
    let mut messages = consumer.messages().await?;
    loop {
        let message = timeout(ANSWERS_WITHIN, messages.next()).await?.context("the stream has ended")??;
        let sequence = message.info().map_err(|error| anyhow!("{error}"))?.stream_sequence;
        take(&message);
        if sequence >= last {
            return Ok(());
        }
    }
}
