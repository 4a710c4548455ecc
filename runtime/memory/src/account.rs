//! The handles on the ledger: the account of all calls, a plugin's part of it, and one call's reservation.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::calls::CallState;
use crate::ledger::Ledger;

/// The memory that all calls of a sandbox have together. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MemoryAccount(Arc<Mutex<Ledger>>);

/// The memory that the calls of one plugin have together.
#[derive(Debug)]
pub struct MemoryPart {
    account: MemoryAccount,
    number: usize,
    most: u64,
}

/// The memory that one call has; given back when this is dropped.
#[derive(Debug)]
pub struct Reservation {
    /// The part, which exists as long as any call has memory of it.
    part: Arc<MemoryPart>,
    call: u64,
    held: u64,
    /// Whether the call has waited. Only then it may be cut, and has to ask.
    has_waited: bool,
    /// Whether the call has had a slot, whose memory may have been written.
    has_run: bool,
}

/// The error of a call that gives way to an older one. The caller drops the call, and begins it again with a reservation of the bytes
/// that it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivesWay;

impl fmt::Display for GivesWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call gives its memory to an older one")
    }
}

impl Error for GivesWay {}

impl MemoryAccount {
    /// An account of `limit` bytes. The memory of the last `max_unflushed` calls that ran still counts after they have ended, until later
    /// calls have ended or no call has memory that could come back.
    #[must_use]
    pub fn new(limit: u64, max_unflushed: usize) -> Self {
        Self(Arc::new(Mutex::new(Ledger::new(limit, max_unflushed))))
    }

    /// Bounds the memory of ended calls that counts, in bytes together. Beyond that the oldest calls no longer count.
    #[must_use]
    pub fn with_max_unflushed_bytes(self, bytes: u64) -> Self {
        self.lock().set_max_unflushed_bytes(bytes);
        self
    }

    /// A part of the account, of `limit` bytes or all of it, which one call can have alone.
    #[must_use]
    pub fn part(&self, limit: u64) -> Arc<MemoryPart> {
        self.part_of_calls(limit, u64::MAX)
    }

    /// A part of `limit` bytes, of which one call can have `most`. As long as there are other parts, it is half of the account at most,
    /// but always enough for one call.
    #[must_use]
    pub fn part_of_calls(&self, limit: u64, most: u64) -> Arc<MemoryPart> {
        let (number, most) = self.lock().add_part(limit, most);
        Arc::new(MemoryPart { account: self.clone(), number, most })
    }

    /// Bytes that all calls may have together.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.lock().limit()
    }

    /// Bytes that all calls have.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.lock().used()
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the ledger, and then wakes the calls that can go on or have to give way.
    fn change<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledger = self.lock();
        let result = change(&mut ledger);
        let woken = ledger.resolve();
        drop(ledger);
        woken.into_iter().for_each(Waker::wake);
        result
    }
}

impl MemoryPart {
    /// The most bytes that one call can have.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Bytes that the calls of this part have.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.account.lock().used_by_part(self.number)
    }

    /// Bytes that the calls of all parts may have together.
    #[must_use]
    pub fn limit_of_all(&self) -> u64 {
        self.account.limit()
    }

    /// Whether a call that wants `bytes` can begin now. `is_next`: the call is next in turn.
    #[must_use]
    pub fn fits(&self, bytes: u64, is_next: bool) -> bool {
        self.account.lock().can_begin(self.number, bytes, is_next)
    }

    /// Takes `bytes` for a call that is about to begin. None when it has to wait. Once the call that is next in turn has begun, no memory
    /// is reserved for it any more.
    #[must_use]
    pub fn reserve(self: &Arc<Self>, bytes: u64, is_next: bool) -> Option<Reservation> {
        let call = self.account.lock().begin(self.number, bytes, is_next)?;
        Some(Reservation::new(self, call, bytes))
    }

    /// An empty reservation, for a call that grows.
    #[must_use]
    pub fn reserve_nothing(self: &Arc<Self>) -> Reservation {
        let call = self.account.lock().add_call(self.number);
        Reservation::new(self, call, 0)
    }

    /// Notes that the call that is next in turn wants `bytes`, and waits. Reserves for it all free memory, and half of the memory that
    /// comes back.
    pub fn reserve_for_next(&self, bytes: u64) {
        self.account.lock().reserve_for_next(self.number, bytes);
    }

    /// Notes that no call is next in turn any more.
    pub fn clear_next(&self) {
        self.account.lock().clear_next();
    }
}

impl Drop for MemoryPart {
    fn drop(&mut self) {
        self.account.change(|ledger| ledger.remove_part(self.number));
    }
}

impl Reservation {
    fn new(part: &Arc<MemoryPart>, call: u64, held: u64) -> Self {
        Self { part: Arc::clone(part), call, held, has_waited: false, has_run: false }
    }

    /// Bytes that the call has.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Notes that the call has to wait for a slot. If that takes long and other calls need its memory, it gives way.
    ///
    /// # Errors
    /// It has to give way now.
    pub fn queue(&mut self, cx: &Context<'_>) -> Result<(), GivesWay> {
        self.has_waited = true;
        let account = &self.part.account;
        account.change(|ledger| {
            if !ledger.is_cut(self.call) {
                ledger.set_state(self.call, CallState::Queued(cx.waker().clone()));
            }
        });
        if account.lock().is_cut(self.call) { Err(GivesWay) } else { Ok(()) }
    }

    /// Notes that the call has a slot.
    ///
    /// # Errors
    /// It has to give way.
    pub fn run(&mut self) -> Result<(), GivesWay> {
        if self.has_waited {
            let mut ledger = self.part.account.lock();
            if ledger.is_cut(self.call) {
                return Err(GivesWay);
            }
            ledger.set_state(self.call, CallState::Active);
        }
        self.has_run = true;
        Ok(())
    }

    /// Grows the call to `to` bytes in all, no more than [`MemoryPart::most`]. Pending while they are not free; the task is woken.
    /// `sent`: the call has sent a request, so calls that have sent none are cut first.
    ///
    /// # Errors
    /// It has to give way.
    pub fn poll_grow(&mut self, to: u64, sent: bool, cx: &Context<'_>) -> Poll<Result<(), GivesWay>> {
        self.has_run = true;
        let account = &self.part.account;
        let mut ledger = account.lock();
        if ledger.is_cut(self.call) {
            return Poll::Ready(Err(GivesWay));
        }
        if ledger.grow_now(self.call, to) {
            self.held = self.held.max(to);
            return Poll::Ready(Ok(()));
        }
        drop(ledger);
        self.has_waited = true;
        account.change(|ledger| {
            if !ledger.is_cut(self.call) {
                let waker = cx.waker().clone();
                ledger.set_state(self.call, CallState::Growing { to, sent, waker });
            }
        });
        let ledger = account.lock();
        if ledger.is_cut(self.call) {
            return Poll::Ready(Err(GivesWay));
        }
        if ledger.is_growing(self.call) {
            return Poll::Pending;
        }
        self.held = self.held.max(to);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.part.account.change(|ledger| ledger.remove_call(self.call, self.has_run));
    }
}
