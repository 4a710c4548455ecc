//! The request rate of each token.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Most names that are remembered. There are more only after reloads with other names.
const MAX_NAMES: usize = 10_000;

/// Requests of each token: so many a second. A token can save up one second's requests.
#[derive(Debug)]
pub(crate) struct RateLimit {
    per_second: u32,
    saved: Mutex<HashMap<Arc<str>, Saved>>,
}

#[derive(Clone, Copy, Debug)]
struct Saved {
    requests: f64,
    at: Instant,
}

impl RateLimit {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second: per_second.max(1), saved: Mutex::default() }
    }

    /// Takes one request from this token's account. If there is none, returns the time until there is one.
    pub(crate) fn take(&self, name: &Arc<str>, now: Instant) -> Result<(), Duration> {
        self.take_from(1.0, 1.0, name, now)
    }

    /// Takes `many` requests at once, even if there are fewer; the token then owes the rest, and its next requests
    /// wait. If the token already owes requests, returns the time until it owes none.
    pub(crate) fn take_many(&self, many: usize, name: &Arc<str>, now: Instant) -> Result<(), Duration> {
        let many = u32::try_from(many).unwrap_or(u32::MAX);
        self.take_from(0.0, f64::from(many), name, now)
    }

    /// Charges requests that were made already.
    pub(crate) fn owe(&self, many: usize, name: &Arc<str>, now: Instant) {
        let many = u32::try_from(many).unwrap_or(u32::MAX);
        // The lower bound is minus infinity, so this is never refused.
        self.take_from(f64::NEG_INFINITY, f64::from(many), name, now).ok();
    }

    /// Takes `many` requests if there are at least `there`.
    fn take_from(&self, there: f64, many: f64, name: &Arc<str>, now: Instant) -> Result<(), Duration> {
        let per_second = f64::from(self.per_second);
        let mut saved = self.saved.lock();
        if saved.len() > MAX_NAMES {
            // After so long without a request, a token's account is full again.
            saved.retain(|_, saved| {
                let lacks = per_second - saved.requests;
                now.saturating_duration_since(saved.at).as_secs_f64() * per_second < lacks
            });
        }
        let saved = saved.entry(name.clone()).or_insert(Saved { requests: per_second, at: now });
        let passed = now.saturating_duration_since(saved.at).as_secs_f64();
        saved.requests = (saved.requests + passed * per_second).min(per_second);
        saved.at = now;
        if saved.requests >= there {
            saved.requests -= many;
            return Ok(());
        }
        Err(Duration::from_secs_f64((there - saved.requests) / per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_seconds_worth_and_then_as_many_as_time_allows() {
        let (limit, now) = (RateLimit::new(10), Instant::now());
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        for _ in 0..10 {
            limit.take(&a, now).unwrap();
        }
        let wait = limit.take(&a, now).unwrap_err();
        assert!(wait <= Duration::from_millis(100) && wait > Duration::from_millis(90), "{wait:?}");
        limit.take(&b, now).unwrap();
        assert!(limit.take(&a, now + Duration::from_millis(101)).is_ok());
        assert!(limit.take(&a, now + Duration::from_millis(102)).is_err());
    }

    #[test]
    fn what_comes_in_one_body_is_owed_and_nobody_can_owe_twice() {
        let (limit, now, a) = (RateLimit::new(10), Instant::now(), Arc::from("a"));
        limit.take(&a, now).unwrap();
        limit.take_many(29, &a, now).unwrap();
        let wait = limit.take_many(29, &a, now).unwrap_err();
        assert!(wait <= Duration::from_secs(2) && wait > Duration::from_millis(1900), "{wait:?}");
        assert!(limit.take(&a, now + Duration::from_millis(2050)).is_err());
        assert!(limit.take(&a, now + Duration::from_millis(2150)).is_ok());
        limit.owe(10, &a, now + Duration::from_millis(2150));
        assert!(limit.take(&a, now + Duration::from_secs(3)).is_err());
    }
}
