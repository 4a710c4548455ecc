//! The memory that each call has, the memory that it waits for, and its part of the account.

use std::collections::BTreeSet;
use std::task::Waker;

use crate::calls::{Call, CallState, Calls, youngest};
use crate::room::Room;
use crate::unflushed::Unflushed;

/// The data behind the lock of an account.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The room of all calls.
    process: Room,
    /// The parts by number.
    parts: Vec<Part>,
    /// Numbers of parts that are gone. New parts take them.
    spare_parts: Vec<usize>,
    calls: Calls,
    next_call: u64,
    /// Calls that wait to grow.
    growing: BTreeSet<u64>,
    /// Whether one of those does not fit into the whole.
    process_is_wanted: bool,
    unflushed: Unflushed,
}

/// The memory of one plugin's calls.
#[derive(Debug)]
struct Part {
    room: Room,
    /// Bytes that its calls may have together while there is no other part.
    alone: u64,
    /// The most bytes of one call.
    most: u64,
}

impl Part {
    /// The limit of the part now. With several plugins, the calls of one have at most half of all memory. Calls that grow go before calls
    /// that have not begun, and without this bound one plugin's would keep all others waiting.
    fn limit(&self, several: bool, process: u64) -> u64 {
        if several { self.alone.min((process / 2).max(self.most)) } else { self.alone }
    }
}

impl Ledger {
    pub(crate) fn new(limit: u64, max_unflushed: usize) -> Self {
        Self {
            process: Room::new(limit),
            parts: Vec::new(),
            spare_parts: Vec::new(),
            calls: Calls::new(),
            next_call: 0,
            growing: BTreeSet::new(),
            process_is_wanted: false,
            unflushed: Unflushed::new(max_unflushed),
        }
    }

    pub(crate) fn set_max_unflushed_bytes(&mut self, bytes: u64) {
        self.unflushed.set_max_bytes(bytes);
    }

    pub(crate) fn limit(&self) -> u64 {
        self.process.limit()
    }

    pub(crate) fn used(&self) -> u64 {
        self.process.used()
    }

    pub(crate) fn used_by_part(&self, part: usize) -> u64 {
        self.parts.get(part).map_or(0, |part| part.room.used())
    }

    /// Returns the number of the new part, and the most that one of its calls can have.
    pub(crate) fn add_part(&mut self, limit: u64, most: u64) -> (usize, u64) {
        let alone = limit.min(self.process.limit());
        let most = most.min(alone);
        let part = Part { room: Room::new(alone), alone, most };
        let spare = self.spare_parts.pop();
        let number = match spare.and_then(|number| Some((number, self.parts.get_mut(number)?))) {
            Some((number, spare)) => {
                *spare = part;
                number
            }
            None => {
                self.parts.push(part);
                self.parts.len() - 1
            }
        };
        self.limit_parts();
        (number, most)
    }

    pub(crate) fn remove_part(&mut self, part: usize) {
        self.spare_parts.push(part);
        self.limit_parts();
    }

    /// Sets the limit of each part, after the number of parts has changed.
    fn limit_parts(&mut self) {
        let several = self.parts.len().saturating_sub(self.spare_parts.len()) > 1;
        let process = self.process.limit();
        for part in &mut self.parts {
            part.room.set_limit(part.limit(several, process));
        }
    }

    fn room_of(&mut self, part: usize) -> Option<&mut Room> {
        self.parts.get_mut(part).map(|part| &mut part.room)
    }

    /// Whether a call of `part` that wants `bytes` can begin now. `is_next`: the call is next in turn.
    pub(crate) fn can_begin(&self, part: usize, bytes: u64, is_next: bool) -> bool {
        let Some(Part { room, .. }) = self.parts.get(part) else { return false };
        // A call that grows goes before a call that has not begun.
        let grows = |call: &u64| self.calls.get(call).is_some_and(|call| call.part == part);
        if self.process_is_wanted || self.growing.iter().any(grows) {
            return false;
        }
        if is_next {
            self.process.fits(bytes) && room.fits(bytes)
        } else {
            self.process.fits_beside(bytes) && room.fits_beside(bytes)
        }
    }

    /// Adds a call that has `bytes` from the start, if it can begin.
    pub(crate) fn begin(&mut self, part: usize, bytes: u64, is_next: bool) -> Option<u64> {
        if !self.can_begin(part, bytes, is_next) {
            return None;
        }
        if is_next {
            self.clear_next();
        }
        let call = self.add_call(part);
        self.give(call, bytes);
        Some(call)
    }

    pub(crate) fn reserve_for_next(&mut self, part: usize, bytes: u64) {
        self.clear_next();
        self.process.reserve_for_next(bytes);
        if let Some(room) = self.room_of(part) {
            room.reserve_for_next(bytes);
        }
    }

    pub(crate) fn clear_next(&mut self) {
        self.process.clear_next();
        self.parts.iter_mut().for_each(|part| part.room.clear_next());
    }

    /// Adds a call without memory.
    pub(crate) fn add_call(&mut self, part: usize) -> u64 {
        let call = self.next_call;
        self.next_call += 1;
        self.calls.insert(call, Call { part, held: 0, state: CallState::Active });
        self.process.join();
        if let Some(room) = self.room_of(part) {
            room.join();
        }
        call
    }

    pub(crate) fn is_cut(&self, call: u64) -> bool {
        self.calls.get(&call).is_none_or(|call| matches!(call.state, CallState::Cut))
    }

    pub(crate) fn is_growing(&self, call: u64) -> bool {
        self.growing.contains(&call)
    }

    pub(crate) fn set_state(&mut self, number: u64, state: CallState) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        if matches!(state, CallState::Growing { .. }) {
            self.growing.insert(number);
        } else {
            self.growing.remove(&number);
        }
        let (was, is) = (call.state.is_stuck(), state.is_stuck());
        call.state = state;
        let rooms = [Some(&mut self.process), self.parts.get_mut(call.part).map(|part| &mut part.room)];
        for room in rooms.into_iter().flatten() {
            match (was, is) {
                (false, true) => room.get_stuck(),
                (true, false) => room.get_unstuck(),
                _ => {}
            }
        }
    }

    /// Gives a call the rest of `to` bytes, if the rest is free or zero.
    pub(crate) fn grow_now(&mut self, number: u64, to: u64) -> bool {
        let Some(call) = self.calls.get_mut(&number) else { return false };
        let more = to.saturating_sub(call.held);
        let fits = self.process.fits(more) && self.parts.get(call.part).is_some_and(|part| part.room.fits(more));
        if fits {
            self.give(number, more);
            self.set_state(number, CallState::Active);
        }
        fits
    }

    fn give(&mut self, call: u64, bytes: u64) {
        let Some(call) = self.calls.get_mut(&call) else { return };
        call.held += bytes;
        self.process.take(bytes);
        if let Some(part) = self.parts.get_mut(call.part) {
            part.room.take(bytes);
        }
    }

    pub(crate) fn remove_call(&mut self, number: u64, has_run: bool) {
        if self.calls.get(&number).is_some_and(|call| !matches!(call.state, CallState::Active)) {
            self.set_state(number, CallState::Active);
        }
        let Some(Call { part, held, .. }) = self.calls.remove(&number) else { return };
        self.process.leave();
        if let Some(room) = self.room_of(part) {
            room.leave();
            room.give_back(held);
        }
        let free = if has_run && held > 0 { self.unflushed.push(held) } else { held };
        self.process.give_back(free);
        if self.process.is_stuck() {
            self.flush();
        }
    }

    /// Frees the memory of ended calls, when no call will end whose slot would make the pool reset theirs. A call that needs the memory
    /// takes it, and the pool resets the slots before it uses them again.
    fn flush(&mut self) -> bool {
        let flushed = self.unflushed.flush();
        self.process.give_back(flushed.unwrap_or(0));
        flushed.is_some()
    }

    /// Lets all calls grow that can, the oldest first, and cuts one when otherwise none could ever go on. Returns the wakers of these
    /// calls.
    pub(crate) fn resolve(&mut self) -> Vec<Waker> {
        let mut woken = Vec::new();
        if self.growing.is_empty() {
            self.process_is_wanted = false;
            return woken;
        }
        loop {
            self.grow(&mut woken);
            if self.growing.is_empty() {
                return woken;
            }
            if self.process.is_stuck() && self.flush() {
                continue;
            }
            let Some(number) = self.call_to_cut() else { return woken };
            let waker = self.calls.get(&number).and_then(|call| match &call.state {
                CallState::Queued(waker) | CallState::Growing { waker, .. } => Some(waker.clone()),
                _ => None,
            });
            woken.extend(waker);
            self.set_state(number, CallState::Cut);
        }
    }

    fn grow(&mut self, woken: &mut Vec<Waker>) {
        self.process_is_wanted = false;
        for number in self.growing.iter().copied().collect::<Vec<_>>() {
            let Some(call) = self.calls.get(&number) else { continue };
            let CallState::Growing { to, waker, .. } = &call.state else { continue };
            let (to, waker) = (*to, waker.clone());
            if !self.process.fits(to.saturating_sub(call.held)) {
                self.process_is_wanted = true;
            } else if self.grow_now(number, to) {
                woken.push(waker);
            }
        }
    }

    /// The call to cut, if no call can go on, or none of a part in which one waits.
    fn call_to_cut(&self) -> Option<u64> {
        if self.process.is_stuck() {
            return youngest(&self.calls, |_| true);
        }
        let part_of = |call: &u64| self.calls.get(call).map(|call| call.part);
        let stuck = |part: &usize| self.parts.get(*part).is_some_and(|part| part.room.is_stuck());
        let part = self.growing.iter().filter_map(part_of).find(stuck)?;
        youngest(&self.calls, |call| call.part == part)
    }
}
