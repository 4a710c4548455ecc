//! The end of one session whose owner has said goodbye.

use lastword::events::{DeliveryId, DrainReason, Identity, Session, Timestamp};
use lastword::{EndRequest, Runtime};

use super::owned_session::{Ending, Mark};
use super::{Owners, is_active};

/// An owner's last word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) at: Timestamp,
    pub(super) reason: DrainReason,
}

/// What became of one of its sessions.
pub(super) enum Goodbye {
    /// It had ended by itself, or somebody else has it now.
    Gone,
    /// Its end could not be written down: it is tried again.
    Later,
    /// Its end is on record, and these are owed.
    Ended(Vec<DeliveryId>),
}

/// What is to be done about one of its sessions.
enum Step<F> {
    Nothing,
    Later,
    Wait(F),
}

impl Owners {
    /// Ends a session whose owner has said goodbye.
    pub(super) async fn say_goodbye(&self, runtime: &Runtime, identity: &Identity, mark: Mark, said: Said) -> Goodbye {
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

    /// Nothing comes between the look and the request: who starts the session now starts it after its end.
    fn goodbye_step(
        &self,
        runtime: &Runtime,
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
        // Its start is being written. It ends when that is answered.
        registry.end_later(identity, mark, ending, self.clock.now());
        Step::Later
    }
}
