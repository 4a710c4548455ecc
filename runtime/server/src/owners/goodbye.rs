//! Ends one session of an owner that has said goodbye.

use lastword::EndRequest;
use lastword::events::{DeliveryId, DrainReason, Identity, Session, Timestamp};

use super::owned_session::{Ending, Mark};
use super::{Owners, is_active};
use crate::runtimes::Runtimes;

/// An owner's goodbye.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) at: Timestamp,
    pub(super) reason: DrainReason,
}

/// The outcome for one session.
pub(super) enum Goodbye {
    /// The session had ended by itself, or has another owner now.
    Gone,
    /// The end could not be written down. It is retried.
    Later,
    /// The end is on record, and these deliveries are owed.
    Ended(Vec<DeliveryId>),
}

/// The next step for one session.
enum Step<F> {
    Nothing,
    Later,
    Wait(F),
}

impl Owners {
    /// Ends a session whose owner has said goodbye.
    pub(super) async fn say_goodbye(&self, runtime: &Runtimes, identity: &Identity, mark: Mark, said: Said) -> Goodbye {
        let answer = match self.goodbye_step(runtime, identity, mark, said) {
            Step::Nothing => return Goodbye::Gone,
            Step::Later => return Goodbye::Later,
            Step::Wait(answer) => answer.await,
        };
        let goodbye = match answer {
            Ok(accepted) => {
                self.observer.accepted("end", &accepted);
                Goodbye::Ended(accepted.deliveries)
            }
            Err(refusal) => {
                tracing::debug!(session = &*identity.id, %refusal, "the end of a session waits");
                let ending = Ending::Goodbye { at: said.at, reason: said.reason };
                self.registry.lock().end_later(identity, mark, ending, self.clock.now());
                self.wake.notify_one();
                Goodbye::Later
            }
        };
        self.end_answered(runtime, identity, None);
        goodbye
    }

    /// Decides the next step. The check and the request are one step, so a later start of the session comes after its
    /// end.
    fn goodbye_step(
        &self,
        runtime: &Runtimes,
        identity: &Identity,
        mark: Mark,
        Said { at, reason }: Said,
    ) -> Step<impl Future<Output = super::Answer> + use<>> {
        let mut registry = self.registry.lock();
        if !registry.is_left(identity, mark) {
            return Step::Nothing;
        }
        let ending = Ending::Goodbye { at, reason };
        if is_active(runtime)(identity) {
            registry.end_begins(identity);
            return Step::Wait(runtime.end_session(EndRequest::of(Session::of(identity.clone()), ending.event())));
        }
        registry.settle(identity, is_active(runtime));
        if !registry.is_left(identity, mark) {
            return Step::Nothing;
        }
        // Its start is being written. The session ends when the start is answered.
        registry.end_later(identity, mark, ending, self.clock.now());
        Step::Later
    }
}
