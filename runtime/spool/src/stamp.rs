//! Stamps: the time of an event, and a unique id.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use lastword_process::Process;
use rustix::time::{ClockId, clock_gettime};

/// The name of an unknown boot.
pub(crate) const NO_BOOT: &str = "0";

/// The longest name of a boot, in characters: it is a UUID.
const MAX_BOOT_CHARS: usize = 64;

/// The time of an event, in an order that a change of the wall clock does not affect. Its text is the event's `op_id`,
/// which is unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stamp {
    pub(crate) boot: String,
    /// Nanoseconds since the boot, including sleep of the machine.
    pub(crate) nanos: u64,
    pub(crate) pid: u32,
    pub(crate) counter: u32,
    pub(crate) random: u32,
}

impl Stamp {
    /// Makes the stamp of an event that comes now.
    #[must_use]
    pub fn now() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
        // Without randomness the other parts distinguish the events of one machine.
        let random = getrandom::u32().unwrap_or(0);
        Self { boot: this_boot().to_owned(), nanos: nanos_since_boot(), pid: std::process::id(), counter, random }
    }

    /// Parses a stamp.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let boot = parts.next().filter(|boot| is_boot(boot))?.to_owned();
        let nanos = number(parts.next()?, 20)?;
        let pid = u32::try_from(number(parts.next()?, 10)?).ok()?;
        let counter = u32::try_from(number(parts.next()?, 10)?).ok()?;
        let random = parts.next().filter(|text| text.len() == 8)?;
        let random = u32::from_str_radix(random, 16).ok()?;
        parts.next().is_none().then_some(Self { boot, nanos, pid, counter, random })
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { boot, nanos, pid, counter, random } = self;
        write!(f, "{boot}.{nanos:020}.{pid:010}.{counter:010}.{random:08x}")
    }
}

/// Parses a number of exactly so many digits.
pub(crate) fn number(text: &str, digits: usize) -> Option<u64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn is_boot(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    !text.is_empty() && text.len() <= MAX_BOOT_CHARS && is_plain
}

/// Returns the id of this boot.
pub(crate) fn this_boot() -> &'static str {
    static THIS: OnceLock<String> = OnceLock::new();
    THIS.get_or_init(|| {
        let boot = Process::current().map(|process| process.boot_id).unwrap_or_default();
        if is_boot(&boot) { boot } else { NO_BOOT.to_owned() }
    })
}

fn nanos_since_boot() -> u64 {
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    let now = clock_gettime(clock);
    let (seconds, nanos) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Returns milliseconds since 1970, by the wall clock.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn stamps_of_a_process_sort_in_order_and_none_comes_twice() {
        let stamps: Vec<Stamp> = (0..1_000).map(|_| Stamp::now()).collect();
        let texts: Vec<String> = stamps.iter().map(ToString::to_string).collect();
        assert!(texts.is_sorted() && stamps.is_sorted());
        assert_eq!(texts.iter().collect::<HashSet<_>>().len(), texts.len());
        for (stamp, text) in stamps.iter().zip(&texts) {
            assert_eq!(Stamp::parse(text).as_ref(), Some(stamp));
            assert!(text.len() <= 256, "it is an op_id");
        }
    }

    #[test]
    fn what_is_no_stamp_is_none() {
        let good = Stamp::now().to_string();
        let (slashed, longer) = (good.replace('.', "/"), format!("{good}.1"));
        for bad in ["", "a.b.c.d.e", "../x.1.2.3.4", &slashed, &longer] {
            assert_eq!(Stamp::parse(bad), None, "{bad}");
        }
    }
}
