//! An answer that comes to its end, whether or not anybody waits for it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::answered::Answered;

/// The answer to an event, and what has to be noted when it comes. A request is carried out when its client is gone, so it is noted then as
/// well: a session would be kept, or forgotten, for a request that nobody knows the end of.
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
        // Without a runtime of tokio's nothing is looked after any more.
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
