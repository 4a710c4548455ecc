//! How much of something a group of calls has of the most that it may have: the memory of one plugin's calls, or of all.

/// A sum with a bound, and what of the rest is reserved for the call that is next in turn.
#[derive(Debug)]
pub(crate) struct Room {
    limit: u64,
    used: u64,
    /// What the next in turn wants; 0 when none waits.
    wanted: u64,
    /// What is reserved for it until now. Never more than is free.
    reserved_for_next: u64,
    /// Calls that have something, or want something while they run.
    members: u32,
    /// Those of them that cannot go on until another one gives something back.
    stuck: u32,
}

impl Room {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: 0, wanted: 0, reserved_for_next: 0, members: 0, stuck: 0 }
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// A lower one takes nothing away from any call: a group that has more gets nothing further until it has less.
    pub(crate) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
        self.reserved_for_next = self.reserved_for_next.min(limit.saturating_sub(self.used));
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// Whether there is so much for a call that grows, or is next in turn: what is reserved for the next is for them.
    pub(crate) fn fits(&self, bytes: u64) -> bool {
        self.used.checked_add(bytes).is_some_and(|used| used <= self.limit)
    }

    /// Whether there is so much for any other call.
    pub(crate) fn fits_beside(&self, bytes: u64) -> bool {
        self.fits(self.reserved_for_next.saturating_add(bytes))
    }

    /// What fits is taken.
    pub(crate) fn take(&mut self, bytes: u64) {
        self.used = self.used.saturating_add(bytes);
        debug_assert!(self.used <= self.limit, "{} of {}", self.used, self.limit);
        self.reserved_for_next = self.reserved_for_next.min(self.limit.saturating_sub(self.used));
    }

    /// Half of it goes to the next in turn: a large call has its turn in the end, and until then small ones go on.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        debug_assert!(bytes <= self.used, "{bytes} of {}", self.used);
        self.used = self.used.saturating_sub(bytes);
        self.reserved_for_next = self.reserved_for_next.saturating_add(bytes.div_ceil(2)).min(self.wanted);
    }

    /// From now on the next in turn wants so much. All that is free, up to that, is reserved for it.
    pub(crate) fn reserve_for_next(&mut self, bytes: u64) {
        self.wanted = bytes;
        self.reserved_for_next = bytes.min(self.limit.saturating_sub(self.used));
    }

    /// No call is next in turn any more.
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

    /// Whether no call is going to give anything back.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck == self.members
    }
}
