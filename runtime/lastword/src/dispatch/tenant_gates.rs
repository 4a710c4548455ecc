//! A gate for each tenant: all reasons for which nothing of a tenant may begin, whatever its queues hold.
//!
//! A tenant may have used up its calls or its fuel, its plugins may have stored more than the journal has written, or an observer has to be
//! notified first. A tenant whose gate is closed is out of the order of [`Fair`](super::fair_order::Fair) with all its queues, until one of
//! its calls ends, its fuel flows again, or the journal has written.
//!
//! What plugins have stored is in memory until it is written. So a tenant whose plugins store faster than the disk takes begins no calls
//! for a while. Requests of its owners are accepted all the same, and no other tenant waits. On a full disk the same happens for longer.
//! What has not begun for this reason at the end of a drain's budget is `deferred(journal)`.

use std::collections::BTreeSet;
use std::time::Instant;

use super::bucket::Bucket;
use super::ids::TenantNumber;
use crate::limits::{MAX_UNWRITTEN_BYTES, MAX_UNWRITTEN_BYTES_OF_TENANT};
use crate::quota::TenantQuota;

/// What one tenant may begin.
#[derive(Debug, Default)]
pub(super) struct Gate {
    max_calls: Option<u32>,
    fuel: Option<Bucket>,
    /// The tenant's fuel is used up, and its refill is waited for.
    waits_for_fuel: bool,
    /// How many deferrals of the tenant the observer is to be notified of. Nothing of the tenant begins meanwhile, so that nobody hears
    /// `delivered` before `deferred`.
    unnotified: usize,
    /// Bytes that the tenant's plugins have stored and the journal has not written.
    unwritten: u64,
    /// The tenant has as many unwritten bytes as it may have.
    waits_for_journal: bool,
}

/// Why a gate is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClosedBy {
    Fuel,
    Journal,
    Notification,
    Calls,
}

impl Gate {
    fn new(quota: &TenantQuota, now: Instant) -> Self {
        Self {
            max_calls: quota.concurrent_calls.map(|calls| calls.max(1)),
            fuel: quota.fuel_per_second.map(|fuel| Bucket::new(fuel, now)),
            ..Self::default()
        }
    }

    /// Why nothing of the tenant may begin, if nothing may. `calls`: how many calls of it are under way.
    pub(super) fn closed_by(&self, calls: u32) -> Option<ClosedBy> {
        if self.waits_for_fuel {
            Some(ClosedBy::Fuel)
        } else if self.waits_for_journal {
            Some(ClosedBy::Journal)
        } else if self.unnotified > 0 {
            Some(ClosedBy::Notification)
        } else if self.free_calls(calls) == 0 {
            Some(ClosedBy::Calls)
        } else {
            None
        }
    }

    /// How many calls the tenant may have at once.
    pub(super) fn max_calls(&self) -> Option<u32> {
        self.max_calls
    }

    fn free_calls(&self, calls: u32) -> u32 {
        self.max_calls.map_or(u32::MAX, |max| max.saturating_sub(calls))
    }

    /// How many calls a worker may take now, where `calls` are under way. One, where fuel counts: what a call uses must be known before the
    /// next begins. One as well where much is unwritten, because what the journal has to write of a call shows whether there is room for
    /// another.
    pub(super) fn room(&self, calls: u32, fuel_counts: bool) -> u32 {
        let one_by_one = self.unwritten > MAX_UNWRITTEN_BYTES_OF_TENANT / 2 || (fuel_counts && self.fuel.is_some());
        self.free_calls(calls).min(if one_by_one { 1 } else { u32::MAX })
    }

    /// Whether a quota of the tenant can close the gate.
    pub(super) fn is_limited(&self) -> bool {
        self.max_calls.is_some() || self.fuel.is_some()
    }

    pub(super) fn waits_for_fuel(&self) -> bool {
        self.waits_for_fuel
    }

    pub(super) fn waits_for_journal(&self) -> bool {
        self.waits_for_journal
    }

    #[cfg(any(test, shuttle))]
    pub(super) fn unnotified(&self) -> usize {
        self.unnotified
    }

    /// Whether nothing would change if the gate were forgotten: a debt of fuel has to be remembered until it is paid.
    pub(super) fn can_be_forgotten(&self, now: Instant) -> bool {
        self.unnotified == 0 && self.unwritten == 0 && self.fuel.is_none_or(|fuel| fuel.is_full(now))
    }
}

/// The gates of all tenants. Whoever changes a gate applies it to the order, see
/// [`Scheduler::apply_limits`](super::scheduler::Scheduler::apply_limits).
#[derive(Debug, Default)]
pub(super) struct Gates {
    /// By number.
    gates: Vec<Gate>,
    /// The tenants that wait for fuel, by the moment at which each can go on.
    refills: BTreeSet<(Instant, TenantNumber)>,
    /// How many tenants have something unwritten.
    with_unwritten: u64,
    /// Bytes that are unwritten, of all tenants.
    unwritten: u64,
    /// Tenants that wait for the journal.
    waiting_for_journal: BTreeSet<TenantNumber>,
}

impl Gates {
    /// Sets the gate of a tenant that has this number from now on.
    pub(super) fn set(&mut self, number: TenantNumber, quota: &TenantQuota, now: Instant) {
        if self.gates.len() <= number {
            self.gates.resize_with(number + 1, Gate::default);
        }
        if let Some(gate) = self.gates.get_mut(number) {
            *gate = Gate::new(quota, now);
        }
    }

    /// Changes what the tenant may use. What it has used counts as before.
    pub(super) fn change(&mut self, number: TenantNumber, quota: &TenantQuota, now: Instant) {
        let Some(gate) = self.gates.get_mut(number) else { return };
        let Gate { max_calls, fuel, .. } = Gate::new(quota, now);
        gate.max_calls = max_calls;
        gate.fuel = match (gate.fuel, quota.fuel_per_second) {
            (Some(used), Some(per_second)) => Some(used.at_rate(per_second, now)),
            _ => fuel,
        };
        if !gate.waits_for_fuel {
            return;
        }
        self.refills.retain(|(_, waits)| *waits != number);
        match gate.fuel.and_then(|fuel| fuel.usable_at(now)) {
            Some(at) => {
                self.refills.insert((at, number));
            }
            None => gate.waits_for_fuel = false,
        }
    }

    pub(super) fn get(&self, number: TenantNumber) -> Option<&Gate> {
        self.gates.get(number)
    }

    /// Takes out of the tenant's fuel what calls have used. True when it waits for fuel from now on.
    pub(super) fn charge_fuel(&mut self, number: TenantNumber, used: impl Iterator<Item = u64>, now: Instant) -> bool {
        let Some(gate) = self.gates.get_mut(number) else { return false };
        let Some(fuel) = &mut gate.fuel else { return false };
        used.for_each(|used| fuel.take(used, now));
        if gate.waits_for_fuel {
            return false;
        }
        let Some(at) = fuel.usable_at(now) else { return false };
        gate.waits_for_fuel = true;
        self.refills.insert((at, number));
        true
    }

    /// When the first tenant that waits for fuel can go on.
    pub(super) fn next_refill(&self) -> Option<Instant> {
        self.refills.first().map(|(at, _)| *at)
    }

    /// A tenant whose fuel flows again by now. To be called until there is none.
    pub(super) fn refilled(&mut self, now: Instant) -> Option<TenantNumber> {
        while let Some(&(at, number)) = self.refills.first()
            && at <= now
        {
            self.refills.pop_first();
            let Some(gate) = self.gates.get_mut(number) else { continue };
            // Calls of the tenant may have used more meanwhile.
            match gate.fuel.and_then(|fuel| fuel.usable_at(now)) {
                Some(at) => {
                    self.refills.insert((at, number));
                }
                None => {
                    gate.waits_for_fuel = false;
                    return Some(number);
                }
            }
        }
        None
    }

    /// Ends all waits for fuel. Gives the tenants that waited.
    pub(super) fn stop_counting_fuel(&mut self) -> Vec<TenantNumber> {
        let waited: Vec<TenantNumber> =
            std::mem::take(&mut self.refills).into_iter().map(|(_, number)| number).collect();
        for &number in &waited {
            if let Some(gate) = self.gates.get_mut(number) {
                gate.waits_for_fuel = false;
            }
        }
        waited
    }

    /// Counts deferrals of the tenant that the observer is to be notified of.
    pub(super) fn add_unnotified(&mut self, number: TenantNumber, deferrals: usize) {
        if let Some(gate) = self.gates.get_mut(number) {
            gate.unnotified += deferrals;
        }
    }

    /// Counts a deferral no more: the observer was notified of it, or is not going to be.
    pub(super) fn notified(&mut self, number: TenantNumber) {
        if let Some(gate) = self.gates.get_mut(number) {
            gate.unnotified -= 1;
        }
    }

    /// Changes how many bytes of the tenant are unwritten.
    pub(super) fn change_unwritten(&mut self, number: TenantNumber, change: impl FnOnce(u64) -> u64) {
        let Some(gate) = self.gates.get_mut(number) else { return };
        let before = gate.unwritten;
        gate.unwritten = change(before);
        self.unwritten = (self.unwritten + gate.unwritten).saturating_sub(before);
        match (before, gate.unwritten) {
            (0, 1..) => self.with_unwritten += 1,
            (1.., 0) => self.with_unwritten -= 1,
            _ => (),
        }
        let share = MAX_UNWRITTEN_BYTES_OF_TENANT.min(MAX_UNWRITTEN_BYTES / self.with_unwritten.max(1));
        // A tenant goes on at its own next change, so it waits only while something of it is unwritten.
        gate.waits_for_journal = gate.unwritten > 0 && gate.unwritten >= share;
        if gate.waits_for_journal {
            self.waiting_for_journal.insert(number);
        } else {
            self.waiting_for_journal.remove(&number);
        }
    }

    /// Bytes that plugins have stored and the journal has not written yet.
    pub(super) fn unwritten(&self) -> u64 {
        self.unwritten
    }

    /// Tenants that wait for the journal.
    pub(super) fn waiting_for_journal(&self) -> impl Iterator<Item = TenantNumber> {
        self.waiting_for_journal.iter().copied()
    }

    #[cfg(shuttle)]
    pub(super) fn unnotified(&self) -> usize {
        self.gates.iter().map(Gate::unnotified).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn gates(quota: TenantQuota) -> (Gates, Instant) {
        let (mut gates, now) = (Gates::default(), Instant::now());
        gates.set(0, &quota, now);
        (gates, now)
    }

    #[test]
    fn a_gate_says_what_it_is_closed_by() {
        let quota = TenantQuota { concurrent_calls: Some(2), fuel_per_second: Some(1_000), ..TenantQuota::default() };
        let (mut gates, now) = gates(quota);
        let closed_by = |gates: &Gates, calls| gates.get(0).unwrap().closed_by(calls);
        assert_eq!((closed_by(&gates, 1), closed_by(&gates, 2)), (None, Some(ClosedBy::Calls)));
        gates.add_unnotified(0, 1);
        assert_eq!(closed_by(&gates, 2), Some(ClosedBy::Notification));
        gates.change_unwritten(0, |_| MAX_UNWRITTEN_BYTES_OF_TENANT);
        assert_eq!(closed_by(&gates, 0), Some(ClosedBy::Journal));
        assert!(gates.charge_fuel(0, [2_000].into_iter(), now), "it begins to wait");
        assert!(!gates.charge_fuel(0, [1_000].into_iter(), now), "and begins once");
        assert_eq!(closed_by(&gates, 0), Some(ClosedBy::Fuel));
        gates.change_unwritten(0, |_| 0);
        gates.notified(0);
        assert_eq!(gates.refilled(now), None);
        let later = now + Duration::from_secs(3);
        assert_eq!((gates.refilled(later), gates.refilled(later)), (Some(0), None));
        assert_eq!(closed_by(&gates, 0), None);
    }

    #[test]
    fn a_quota_that_is_raised_lets_who_waits_go_on_and_one_that_is_lowered_counts_what_was_used() {
        let quota =
            |calls, fuel| TenantQuota { concurrent_calls: calls, fuel_per_second: fuel, ..TenantQuota::default() };
        let (mut gates, now) = gates(quota(Some(1), Some(1_000)));
        gates.add_unnotified(0, 1);
        assert!(gates.charge_fuel(0, [5_000].into_iter(), now));
        gates.change(0, &quota(Some(3), Some(2_000)), now);
        assert_eq!(
            gates.get(0).unwrap().closed_by(2),
            Some(ClosedBy::Fuel),
            "5 000 are missing, of which it may miss 2 000"
        );
        assert_eq!((gates.refilled(now + Duration::from_millis(1_400)), gates.get(0).unwrap().unnotified()), (None, 1));
        gates.change(0, &quota(Some(3), Some(10_000)), now);
        gates.notified(0);
        assert_eq!((gates.next_refill(), gates.get(0).unwrap().closed_by(2)), (None, None));
        gates.change(0, &quota(Some(2), None), now);
        assert_eq!(gates.get(0).unwrap().closed_by(2), Some(ClosedBy::Calls));
        gates.change(0, &quota(None, Some(1)), now);
        assert!(gates.get(0).unwrap().closed_by(2).is_none() && gates.charge_fuel(0, [2].into_iter(), now));
    }

    #[test]
    fn who_has_much_unwritten_begins_one_call_at_a_time_and_nobody_waits_for_others_bytes() {
        let (mut gates, now) = gates(TenantQuota::default());
        gates.set(1, &TenantQuota::default(), now);
        assert_eq!(gates.get(0).unwrap().room(7, true), u32::MAX);
        gates.change_unwritten(0, |_| MAX_UNWRITTEN_BYTES_OF_TENANT / 2 + 1);
        assert_eq!(gates.get(0).unwrap().room(7, true), 1);
        gates.change_unwritten(0, |_| MAX_UNWRITTEN_BYTES_OF_TENANT);
        assert_eq!(gates.waiting_for_journal().collect::<Vec<_>>(), [0]);
        assert_eq!(gates.get(1).unwrap().closed_by(9), None);
        gates.change_unwritten(0, |_| 0);
        assert_eq!(gates.waiting_for_journal().count(), 0);
        assert!(gates.get(0).unwrap().can_be_forgotten(now));
    }

    #[test]
    fn where_many_tenants_have_something_unwritten_each_has_an_equal_part() {
        let (mut gates, now) = gates(TenantQuota::default());
        (1..64).for_each(|number| gates.set(number, &TenantQuota::default(), now));
        let (share, closed_by) = (MAX_UNWRITTEN_BYTES / 64, |gates: &Gates| gates.get(0).unwrap().closed_by(0));
        (1..64).for_each(|number| gates.change_unwritten(number, |_| 1));
        gates.change_unwritten(0, |_| share - 1);
        assert_eq!(closed_by(&gates), None);
        gates.change_unwritten(0, |_| share);
        assert_eq!((closed_by(&gates), gates.unwritten()), (Some(ClosedBy::Journal), share + 63));
        (1..64).for_each(|number| gates.change_unwritten(number, |_| 0));
        gates.change_unwritten(0, |unwritten| unwritten);
        assert_eq!((closed_by(&gates), gates.unwritten()), (None, share));
    }
}
