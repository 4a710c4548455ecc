//! An answer that is awaited even if its client is gone.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::answered::Answered;

/// The answer to an event, and the note that is due when the answer comes. A request is carried out even when its
/// client is gone, so the note is due then as well: otherwise the server would keep, or forget, a session whose request
/// it does not know the end of.
pub(crate) struct Answering(Option<BoxFuture<'static, Answered>>);

impl Answering {
    pub(super) fn new(answer: impl Future<Output = Answered> + Send + 'static) -> Self {
        Self(Some(Box::pin(answer)))
    }
}

impl Future for Answering {
    type Output = Answered;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answered> {
        let Some(answer) = &mut self.0 else { return Poll::Pending };
        let answered = ready!(answer.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(answered)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // Without a tokio runtime owners are not watched any more.
        if let (Some(answer), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use lastword::Refusal;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_an_answer_says_is_noted_also_when_nobody_waits_for_it() {
        let (comes, answer) = oneshot::channel();
        let (note, noted) = oneshot::channel();
        let answering = Answering::new(async move {
            answer.await.unwrap();
            note.send(()).unwrap();
            Answered { op: "start", op_id: None, dropped: Vec::new(), result: Err(Refusal::Draining) }
        });
        drop(answering);
        comes.send(()).unwrap();
        noted.await.unwrap();
    }
}
