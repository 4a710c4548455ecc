//! Many requests at once, and waiting for what comes of them.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Client;

/// Clients that ask at the same time.
const CLIENTS: usize = 8;
/// Whatever is waited for takes a second at most; ten times that on a machine that is busy.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Does something for each number, with several clients at once.
pub(crate) fn for_each(numbers: Range<u32>, client: &Client, ask: impl Fn(&Client, u32) + Sync) {
    let next = AtomicU32::new(numbers.start);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let client = client.another();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        return;
                    }
                    ask(&client, number);
                }
            });
        }
    });
}

/// Looks until it is so. Otherwise says what was seen last.
#[track_caller]
pub(crate) fn until<S: std::fmt::Display>(what: &str, look: impl Fn() -> Result<(), S>) {
    let began = Instant::now();
    while let Err(seen) = look() {
        assert!(began.elapsed() < LONGEST_WAIT, "{what} is not so after {LONGEST_WAIT:?}: {seen}");
        thread::park_timeout(PAUSE);
    }
}
