//! The calls that have or want memory: the state of each, and the choice of the call to cut when none can go on.

use std::collections::BTreeMap;
use std::task::Waker;

/// Calls by number. Numbers count up, so the oldest call is the first.
pub(crate) type Calls = BTreeMap<u64, Call>;

#[derive(Debug)]
pub(crate) struct Call {
    /// The number of its plugin's part.
    pub(crate) part: usize,
    pub(crate) held: u64,
    pub(crate) state: CallState,
}

#[derive(Debug)]
pub(crate) enum CallState {
    /// The call waits neither for memory nor for a slot.
    Active,
    /// The call waits for a slot, or for memories of the pool. Other calls have those, and may wait for its memory.
    Queued(Waker),
    /// The call waits until it can have `to` bytes.
    Growing { to: u64, sent: bool, waker: Waker },
    /// The call has to give way, and does not know yet.
    Cut,
}

impl CallState {
    /// Whether the call cannot go on until another one gives something back.
    pub(crate) fn is_stuck(&self) -> bool {
        matches!(self, Self::Queued(_) | Self::Growing { .. })
    }
}

/// The call to cut among the stuck ones for which `of` is true: the youngest that has not begun; otherwise the youngest that grows and
/// has sent no request; otherwise the youngest that grows. Never the oldest of those that grow.
pub(crate) fn youngest(calls: &Calls, of: impl Fn(&Call) -> bool) -> Option<u64> {
    let stuck = || calls.iter().rev().filter(|(_, call)| call.state.is_stuck() && of(call));
    let queued = |(_, call): &(&u64, &Call)| call.held > 0 && matches!(call.state, CallState::Queued(_));
    if let Some((number, _)) = stuck().find(queued) {
        return Some(*number);
    }
    let growing = || {
        stuck().filter_map(|(number, call)| match call.state {
            CallState::Growing { sent, .. } => Some((*number, sent)),
            _ => None,
        })
    };
    let oldest = growing().last().map(|(number, _)| number);
    let others = || growing().filter(|(number, _)| Some(*number) != oldest);
    others().find(|(_, sent)| !sent).or_else(|| others().next()).map(|(number, _)| number)
}
