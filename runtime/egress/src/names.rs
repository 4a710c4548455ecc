//! Answers to look-ups, which are reused for a while.
//!
//! Each tenant has its own, so that one tenant's look-ups do not make another one's faster. An expired answer is not
//! returned any more, and is dropped when another one is added.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    lack::is_lack,
    limits::{ADDRESSES_STAY, LOOKUP_FAILURES_STAY, MAX_KEPT_ADDRESSES, MAX_KEPT_NAMES, MAX_KEPT_NAMES_OF_TENANT},
    timeouts::after,
};

/// The result of a look-up.
pub(crate) type Answer = Result<Arc<[IpAddr]>, Arc<io::Error>>;

/// The bounds of kept names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameBounds {
    pub(crate) of_tenant: usize,
    pub(crate) in_all: usize,
}

/// The bounds of kept names.
pub(crate) const BOUNDS: NameBounds = NameBounds { of_tenant: MAX_KEPT_NAMES_OF_TENANT, in_all: MAX_KEPT_NAMES };

/// The expiry of an answer, and a unique number.
type End = (Instant, u64);

/// The answers of all tenants.
#[derive(Debug)]
pub(crate) struct Names {
    bounds: NameBounds,
    tenants: HashMap<Arc<str>, Tenant>,
    ends: BTreeMap<End, (Arc<str>, Arc<str>)>,
    /// The number of the next answer.
    next: u64,
}

#[derive(Debug, Default)]
struct Tenant {
    answers: HashMap<Arc<str>, (Answer, End)>,
    ends: BTreeMap<End, Arc<str>>,
}

impl Names {
    pub(crate) fn new(bounds: NameBounds) -> Self {
        Self { bounds, tenants: HashMap::new(), ends: BTreeMap::new(), next: 0 }
    }

    /// Returns the answer that `tenant` has got for `host`, if it is still valid.
    pub(crate) fn get(&self, tenant: &str, host: &str, now: Instant) -> Option<Answer> {
        let (answer, (until, _)) = self.tenants.get(tenant)?.answers.get(host)?;
        (*until > now).then(|| answer.clone())
    }

    /// Keeps an answer. If there are too many, drops those that expire next.
    pub(crate) fn put(&mut self, tenant: &Arc<str>, host: &str, answer: &Answer, now: Instant) {
        let known = self.tenants.get(tenant).and_then(|tenant| tenant.answers.get(host)).map(|(_, end)| *end);
        if let Some(end) = known {
            self.forget(end);
        }
        while let Some((end, _)) = self.ends.first_key_value()
            && end.0 <= now
        {
            let end = *end;
            self.forget(end);
        }
        let Some(stays) = stays(answer) else { return };
        let (end, host): (End, Arc<str>) = ((after(now, stays), self.next), host.into());
        self.next += 1;
        self.ends.insert(end, (Arc::clone(tenant), Arc::clone(&host)));
        let of_tenant = self.tenants.entry(Arc::clone(tenant)).or_default();
        of_tenant.ends.insert(end, Arc::clone(&host));
        of_tenant.answers.insert(host, (answer.clone(), end));
        let beyond = if of_tenant.ends.len() > self.bounds.of_tenant { of_tenant.ends.first_key_value() } else { None };
        if let Some(end) = beyond.map(|(end, _)| *end) {
            self.forget(end);
        }
        if self.ends.len() > self.bounds.in_all
            && let Some(end) = self.ends.first_key_value().map(|(end, _)| *end)
        {
            self.forget(end);
        }
    }

    fn forget(&mut self, end: End) {
        let Some((name, host)) = self.ends.remove(&end) else { return };
        let Some(tenant) = self.tenants.get_mut(&name) else { return };
        tenant.ends.remove(&end);
        tenant.answers.remove(&host);
        if tenant.answers.is_empty() {
            self.tenants.remove(&name);
        }
    }
}

/// Returns how long an answer is kept. `None` for one that would take too much memory, and for a failure that says
/// nothing about the name.
fn stays(answer: &Answer) -> Option<Duration> {
    match answer {
        Ok(addresses) if addresses.len() > MAX_KEPT_ADDRESSES => None,
        Ok(addresses) if !addresses.is_empty() => Some(ADDRESSES_STAY),
        Err(error) if is_lack(error) => None,
        _ => Some(LOOKUP_FAILURES_STAY),
    }
}

#[cfg(test)]
mod tests;
