//! The room of a group of calls: the memory of one plugin's calls, or of all calls, with its limit.

/// A sum with a bound, and the part of the rest that is reserved for the call that is next in turn.
#[derive(Debug)]
pub(crate) struct Room {
    limit: u64,
    used: u64,
    /// Bytes that the call next in turn wants; 0 when none waits.
    wanted: u64,
    /// Bytes that are reserved for it until now. Never more than are free.
    reserved_for_next: u64,
    /// Calls that have memory, or want some while they run.
    members: u32,
    /// Members that cannot go on until another call gives memory back.
    stuck: u32,
}

impl Room {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: 0, wanted: 0, reserved_for_next: 0, members: 0, stuck: 0 }
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Sets the limit. A lower one takes no memory from any call: a group above it grows no further until it has less.
    pub(crate) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
        self.reserved_for_next = self.reserved_for_next.min(limit.saturating_sub(self.used));
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// Whether `bytes` are free for a call that grows, or is next in turn. Both may use the reserved bytes.
    pub(crate) fn fits(&self, bytes: u64) -> bool {
        self.used.checked_add(bytes).is_some_and(|used| used <= self.limit)
    }

    /// Whether `bytes` are free for any other call.
    pub(crate) fn fits_beside(&self, bytes: u64) -> bool {
        self.fits(self.reserved_for_next.saturating_add(bytes))
    }

    /// Takes `bytes`, which must fit.
    pub(crate) fn take(&mut self, bytes: u64) {
        self.used = self.used.saturating_add(bytes);
        debug_assert!(self.used <= self.limit, "{} of {}", self.used, self.limit);
        self.reserved_for_next = self.reserved_for_next.min(self.limit.saturating_sub(self.used));
    }

    /// Gives bytes back. Half of them goes to the call next in turn, so that a large call begins in the end, and small ones go on until
    /// then.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        debug_assert!(bytes <= self.used, "{bytes} of {}", self.used);
        self.used = self.used.saturating_sub(bytes);
        self.reserved_for_next = self.reserved_for_next.saturating_add(bytes.div_ceil(2)).min(self.wanted);
    }

    /// Sets the bytes that the call next in turn wants, and reserves all free bytes up to that.
    pub(crate) fn reserve_for_next(&mut self, bytes: u64) {
        self.wanted = bytes;
        self.reserved_for_next = bytes.min(self.limit.saturating_sub(self.used));
    }

    /// Notes that no call is next in turn any more.
    pub(crate) fn clear_next(&mut self) {
        (self.wanted, self.reserved_for_next) = (0, 0);
    }

    pub(crate) fn join(&mut self) {
        self.members += 1;
    }

    pub(crate) fn leave(&mut self) {
        self.members -= 1;
    }

    pub(crate) fn get_stuck(&mut self) {
        self.stuck += 1;
    }

    pub(crate) fn get_unstuck(&mut self) {
        self.stuck -= 1;
    }

    /// Whether no call is going to give memory back.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck == self.members
    }
}
