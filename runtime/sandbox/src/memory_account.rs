//! Who has how much of the memory that calls share: bytes that a plugin's calls have together, and bytes of all calls.
//!
//! A call *reserves* before it begins what it will probably take, and whoever cannot reserve waits for its turn holding
//! nothing; in which order is the business of whoever begins calls. A call that takes more than it has reserved *grows*: it
//! takes what is free, before anybody who has not begun. Where nothing is free it waits. When all that have memory wait,
//! nobody is going to give any back: then the youngest is *cut*, and is to be begun again with what it had asked for as its
//! reservation. The oldest is never cut, and so always comes to its end.
//!
//! ```
//! use lastword_sandbox::MemoryAccount;
//!
//! let account = MemoryAccount::new(100, 0);
//! let plugin = account.part(80);
//! let first = plugin.reserve(60, false).expect("it is free");
//! assert!(plugin.reserve(60, false).is_none(), "it has to wait");
//! drop(first);
//! assert_eq!(account.used(), 0);
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::room::Room;

/// What all calls of a sandbox have together. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MemoryAccount(Arc<Mutex<Sums>>);

/// What the calls of one plugin have together.
#[derive(Debug)]
pub struct MemoryPart {
    account: MemoryAccount,
    number: usize,
    most: u64,
}

/// What one call has; given back when this is dropped.
#[derive(Debug)]
pub struct Reservation {
    /// Kept as long as any call has something of it.
    part: Arc<MemoryPart>,
    call: u64,
    held: u64,
}

/// A call gives way to an older one. It is to be dropped, and begun again with what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivesWay;

impl fmt::Display for GivesWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call gives its memory to an older one")
    }
}

impl Error for GivesWay {}

#[derive(Debug)]
struct Sums {
    process: Room,
    /// By number.
    parts: Vec<Part>,
    spare_parts: Vec<usize>,
    /// The oldest first.
    calls: BTreeMap<u64, Holder>,
    next_call: u64,
    /// Those that grow and wait.
    growing: BTreeSet<u64>,
    /// One of them does not fit into the whole.
    process_is_wanted: bool,
    /// What ended calls had, the newest last: the pool resets its slots in batches, and has the memory until then.
    unflushed: VecDeque<u64>,
    max_unflushed: usize,
    unflushed_bytes: u64,
    max_unflushed_bytes: u64,
}

/// What the calls of one plugin have.
#[derive(Debug)]
struct Part {
    room: Room,
    /// Bytes that they may have together where no other plugin is.
    alone: u64,
    /// The most that one of them can have.
    most: u64,
}

impl Part {
    /// Where there are several plugins, the calls of one have at most half of all: as they grow they go before whoever has not
    /// begun, and would otherwise keep all others waiting for as long as there are some of them.
    fn limit(&self, several: bool, process: u64) -> u64 {
        if several { self.alone.min((process / 2).max(self.most)) } else { self.alone }
    }
}

#[derive(Debug)]
struct Holder {
    part: usize,
    held: u64,
    /// It has had a slot, whose memory may have been written.
    ran: bool,
    standing: Standing,
}

#[derive(Debug)]
enum Standing {
    Moves,
    /// It waits for a slot, or for memories of the pool: those have memory that it may wait for.
    Queued(Waker),
    /// It waits until it can have so much.
    Grows {
        to: u64,
        sent: bool,
        waker: Waker,
    },
    /// It has to give way, and does not know yet.
    Cut,
}

impl Standing {
    fn is_stuck(&self) -> bool {
        matches!(self, Self::Queued(_) | Self::Grows { .. })
    }
}

impl MemoryAccount {
    /// One of `limit` bytes. What the last `max_unflushed` calls had that ran counts until the next ones have ended, or nobody
    /// has anything that could come back.
    #[must_use]
    pub fn new(limit: u64, max_unflushed: usize) -> Self {
        Self(Arc::new(Mutex::new(Sums {
            process: Room::new(limit),
            parts: Vec::new(),
            spare_parts: Vec::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            growing: BTreeSet::new(),
            process_is_wanted: false,
            unflushed: VecDeque::new(),
            max_unflushed,
            unflushed_bytes: 0,
            max_unflushed_bytes: u64::MAX,
        })))
    }

    /// What calls had that ended counts no further when it is more than so many bytes together: the oldest no longer do.
    #[must_use]
    pub fn with_max_unflushed_bytes(self, bytes: u64) -> Self {
        self.lock().max_unflushed_bytes = bytes;
        self
    }

    /// A part of it, of `limit` bytes or all, which one call can have alone.
    #[must_use]
    pub fn part(&self, limit: u64) -> Arc<MemoryPart> {
        self.part_of_calls(limit, u64::MAX)
    }

    /// A part of `limit` bytes, of which one call can have `most`. As long as there are other parts, it is half of the account at
    /// most, but always what one call can have.
    #[must_use]
    pub fn part_of_calls(&self, limit: u64, most: u64) -> Arc<MemoryPart> {
        let mut sums = self.lock();
        let alone = limit.min(sums.process.limit());
        let most = most.min(alone);
        let part = Part { room: Room::new(alone), alone, most };
        let spare = sums.spare_parts.pop();
        let number = match spare.and_then(|number| Some((number, sums.parts.get_mut(number)?))) {
            Some((number, spare)) => {
                *spare = part;
                number
            }
            None => {
                sums.parts.push(part);
                sums.parts.len() - 1
            }
        };
        sums.share();
        drop(sums);
        Arc::new(MemoryPart { account: self.clone(), number, most })
    }

    /// Bytes that all calls may have together.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.lock().process.limit()
    }

    /// Bytes that they have.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.lock().process.used()
    }

    fn lock(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and then wakes whoever can go on or has to give way.
    fn change<T>(&self, change: impl FnOnce(&mut Sums) -> T) -> T {
        let mut sums = self.lock();
        let result = change(&mut sums);
        let woken = sums.resolve();
        drop(sums);
        woken.into_iter().for_each(Waker::wake);
        result
    }
}

impl MemoryPart {
    /// The most that one call can have.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Bytes that its calls have.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.account.lock().parts.get(self.number).map_or(0, |part| part.room.used())
    }

    /// Bytes that the calls of all parts may have together.
    #[must_use]
    pub fn limit_of_all(&self) -> u64 {
        self.account.limit()
    }

    /// Whether a call that wants `bytes` can begin now. `first`: it is the one for which something is set aside.
    #[must_use]
    pub fn fits(&self, bytes: u64, first: bool) -> bool {
        self.account.lock().can_begin(self.number, bytes, first)
    }

    /// Takes `bytes` for a call that is about to begin; nothing when it has to wait. What was set aside is not any more when
    /// the `first` one has begun.
    #[must_use]
    pub fn reserve(self: &Arc<Self>, bytes: u64, first: bool) -> Option<Reservation> {
        let mut sums = self.account.lock();
        if !sums.can_begin(self.number, bytes, first) {
            return None;
        }
        if first {
            sums.end_aside();
        }
        let call = sums.add(self.number);
        sums.give(call, bytes);
        drop(sums);
        Some(Reservation { part: Arc::clone(self), call, held: bytes })
    }

    /// For a call that has reserved nothing, and grows.
    #[must_use]
    pub fn reserve_nothing(self: &Arc<Self>) -> Reservation {
        let call = self.account.lock().add(self.number);
        Reservation { part: Arc::clone(self), call, held: 0 }
    }

    /// The first in turn wants `bytes`, and waits. What is free, and half of what comes back, is set aside for it.
    pub fn set_aside(&self, bytes: u64) {
        let mut sums = self.account.lock();
        sums.end_aside();
        sums.process.set_aside(bytes);
        if let Some(room) = sums.room_of(self.number) {
            room.set_aside(bytes);
        }
    }

    /// Nobody is first in turn any more.
    pub fn end_aside(&self) {
        self.account.lock().end_aside();
    }
}

impl Drop for MemoryPart {
    fn drop(&mut self) {
        self.account.change(|sums| {
            sums.spare_parts.push(self.number);
            sums.share();
        });
    }
}

impl Reservation {
    /// Bytes that the call has.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held
    }

    /// The call has to wait for a slot: should that take long, and the memory be needed, it gives way.
    ///
    /// # Errors
    /// It has to give way now.
    pub fn queue(&self, cx: &Context<'_>) -> Result<(), GivesWay> {
        let account = &self.part.account;
        account.change(|sums| {
            if !sums.is_cut(self.call) {
                sums.stand(self.call, Standing::Queued(cx.waker().clone()));
            }
        });
        if account.lock().is_cut(self.call) { Err(GivesWay) } else { Ok(()) }
    }

    /// The call has a slot.
    ///
    /// # Errors
    /// It has to give way.
    pub fn run(&self) -> Result<(), GivesWay> {
        let mut sums = self.part.account.lock();
        if sums.is_cut(self.call) {
            return Err(GivesWay);
        }
        sums.stand(self.call, Standing::Moves);
        if let Some(holder) = sums.calls.get_mut(&self.call) {
            holder.ran = true;
        }
        Ok(())
    }

    /// Has the call `to` bytes in all, no more than [`MemoryPart::most`]. Pending while they are not free; the task is woken.
    /// `sent`: it has sent something to the world, and is cut after those that have not.
    pub fn poll_grow(&mut self, to: u64, sent: bool, cx: &Context<'_>) -> Poll<Result<(), GivesWay>> {
        let account = &self.part.account;
        let mut sums = account.lock();
        if sums.is_cut(self.call) {
            return Poll::Ready(Err(GivesWay));
        }
        if sums.grow_now(self.call, to) {
            self.held = self.held.max(to);
            return Poll::Ready(Ok(()));
        }
        drop(sums);
        account.change(|sums| {
            if !sums.is_cut(self.call) {
                let waker = cx.waker().clone();
                sums.stand(self.call, Standing::Grows { to, sent, waker });
            }
        });
        let sums = account.lock();
        if sums.is_cut(self.call) {
            return Poll::Ready(Err(GivesWay));
        }
        if sums.growing.contains(&self.call) {
            return Poll::Pending;
        }
        self.held = self.held.max(to);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.part.account.change(|sums| sums.remove(self.call));
    }
}

impl Sums {
    /// Says what each part may have, when there are more or fewer of them.
    fn share(&mut self) {
        let several = self.parts.len().saturating_sub(self.spare_parts.len()) > 1;
        let process = self.process.limit();
        for part in &mut self.parts {
            part.room.set_limit(part.limit(several, process));
        }
    }

    fn room_of(&mut self, part: usize) -> Option<&mut Room> {
        self.parts.get_mut(part).map(|part| &mut part.room)
    }

    fn can_begin(&self, part: usize, bytes: u64, first: bool) -> bool {
        let Some(Part { room, .. }) = self.parts.get(part) else { return false };
        // Whoever grows is before whoever has not begun.
        let grows = |call: &u64| self.calls.get(call).is_some_and(|holder| holder.part == part);
        if self.process_is_wanted || self.growing.iter().any(grows) {
            return false;
        }
        if first {
            self.process.fits(bytes) && room.fits(bytes)
        } else {
            self.process.fits_beside(bytes) && room.fits_beside(bytes)
        }
    }

    fn end_aside(&mut self) {
        self.process.end_aside();
        self.parts.iter_mut().for_each(|part| part.room.end_aside());
    }

    fn add(&mut self, part: usize) -> u64 {
        let call = self.next_call;
        self.next_call += 1;
        self.calls.insert(call, Holder { part, held: 0, ran: false, standing: Standing::Moves });
        self.process.join();
        if let Some(room) = self.room_of(part) {
            room.join();
        }
        call
    }

    fn is_cut(&self, call: u64) -> bool {
        self.calls.get(&call).is_none_or(|holder| matches!(holder.standing, Standing::Cut))
    }

    fn stand(&mut self, call: u64, standing: Standing) {
        let Some(holder) = self.calls.get_mut(&call) else { return };
        if matches!(standing, Standing::Grows { .. }) {
            holder.ran = true;
            self.growing.insert(call);
        } else {
            self.growing.remove(&call);
        }
        let (was, is) = (holder.standing.is_stuck(), standing.is_stuck());
        holder.standing = standing;
        let rooms = [Some(&mut self.process), self.parts.get_mut(holder.part).map(|part| &mut part.room)];
        for room in rooms.into_iter().flatten() {
            match (was, is) {
                (false, true) => room.get_stuck(),
                (true, false) => room.get_unstuck(),
                _ => {}
            }
        }
    }

    /// Gives a call what it lacks of `to`, if that is free or it has it already.
    fn grow_now(&mut self, call: u64, to: u64) -> bool {
        let Some(holder) = self.calls.get_mut(&call) else { return false };
        let more = to.saturating_sub(holder.held);
        let fits = self.process.fits(more) && self.parts.get(holder.part).is_some_and(|part| part.room.fits(more));
        if fits {
            holder.ran = true;
            self.give(call, more);
            self.stand(call, Standing::Moves);
        }
        fits
    }

    fn give(&mut self, call: u64, bytes: u64) {
        let Some(holder) = self.calls.get_mut(&call) else { return };
        holder.held += bytes;
        self.process.take(bytes);
        if let Some(part) = self.parts.get_mut(holder.part) {
            part.room.take(bytes);
        }
    }

    fn remove(&mut self, call: u64) {
        self.stand(call, Standing::Moves);
        let Some(Holder { part, held, ran, .. }) = self.calls.remove(&call) else { return };
        self.process.leave();
        if let Some(room) = self.room_of(part) {
            room.leave();
            room.give_back(held);
        }
        if ran && held > 0 {
            self.unflushed.push_back(held);
            self.unflushed_bytes += held;
        } else {
            self.process.give_back(held);
        }
        while self.unflushed.len() > self.max_unflushed || self.unflushed_bytes > self.max_unflushed_bytes {
            self.flush_oldest();
        }
        if self.process.is_stuck() {
            self.flush();
        }
    }

    fn flush_oldest(&mut self) -> bool {
        let Some(oldest) = self.unflushed.pop_front() else { return false };
        self.unflushed_bytes -= oldest;
        self.process.give_back(oldest);
        true
    }

    /// Nobody is going to end whose slot would have the pool reset the others: what is needed then is taken for free, and
    /// reset before it is used again.
    fn flush(&mut self) -> bool {
        let some = !self.unflushed.is_empty();
        while self.flush_oldest() {}
        some
    }

    /// Lets everybody grow who can, the oldest first, and cuts one when otherwise nobody could ever go on. Gives whom to wake.
    fn resolve(&mut self) -> Vec<Waker> {
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
            let Some(call) = self.victim() else { return woken };
            let waker = self.calls.get(&call).and_then(|holder| match &holder.standing {
                Standing::Queued(waker) | Standing::Grows { waker, .. } => Some(waker.clone()),
                _ => None,
            });
            woken.extend(waker);
            self.stand(call, Standing::Cut);
        }
    }

    fn grow(&mut self, woken: &mut Vec<Waker>) {
        self.process_is_wanted = false;
        for call in self.growing.iter().copied().collect::<Vec<_>>() {
            let Some(holder) = self.calls.get(&call) else { continue };
            let Standing::Grows { to, waker, .. } = &holder.standing else { continue };
            let (to, waker) = (*to, waker.clone());
            if !self.process.fits(to.saturating_sub(holder.held)) {
                self.process_is_wanted = true;
            } else if self.grow_now(call, to) {
                woken.push(waker);
            }
        }
    }

    /// Whom to cut, if nobody can go on of all, or of those with a part in which somebody waits.
    fn victim(&self) -> Option<u64> {
        if self.process.is_stuck() {
            return self.youngest(|_| true);
        }
        let part_of = |call: &u64| self.calls.get(call).map(|holder| holder.part);
        let stuck = |part: &usize| self.parts.get(*part).is_some_and(|part| part.room.is_stuck());
        let part = self.growing.iter().filter_map(part_of).find(stuck)?;
        self.youngest(|holder| holder.part == part)
    }

    /// The youngest that has not begun; else the youngest that grows and has sent nothing; else the youngest that grows. Not
    /// the oldest of them.
    fn youngest(&self, of: impl Fn(&Holder) -> bool) -> Option<u64> {
        let stuck = || self.calls.iter().rev().filter(|(_, holder)| holder.standing.is_stuck() && of(holder));
        let queued = |(_, holder): &(&u64, &Holder)| holder.held > 0 && matches!(holder.standing, Standing::Queued(_));
        if let Some((call, _)) = stuck().find(queued) {
            return Some(*call);
        }
        let grow = || {
            stuck().filter_map(|(call, holder)| match holder.standing {
                Standing::Grows { sent, .. } => Some((*call, sent)),
                _ => None,
            })
        };
        let oldest = grow().last().map(|(call, _)| call);
        let others = || grow().filter(|(call, _)| Some(*call) != oldest);
        others().find(|(_, sent)| !sent).or_else(|| others().next()).map(|(call, _)| call)
    }
}
