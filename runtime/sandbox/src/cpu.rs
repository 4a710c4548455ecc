//! The CPU time of a period on this thread. Time in which the operating system ran other threads does not count.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// A shorter period is charged by the wall clock. A read of a thread's CPU time is a system call, too expensive for calls of a few
/// microseconds, and the error is at most this much for one period.
const EXACT_FROM: Duration = Duration::from_millis(1);

/// A shorter wait in the host costs only its CPU time, because the system call would cost more than most look-ups.
pub(crate) const WAIT_COUNTED_FROM: Duration = Duration::from_micros(100);

thread_local! {
    /// The last reading of this thread's CPU time, and the time of the reading.
    static READING: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
}

/// The beginning of a period on the CPU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Period {
    began: Instant,
    /// This thread's CPU time at the beginning, or at most [`EXACT_FROM`] before it. A worker calls many guests one after the other, and
    /// they share a reading.
    cpu: Option<Duration>,
    /// Time off the CPU, in a host function that kept the thread.
    waited: Duration,
}

impl Period {
    /// Begins a period at `now` on this thread.
    pub(crate) fn begin(now: Instant) -> Self {
        let fresh = READING.get().filter(|(at, _)| now.saturating_duration_since(*at) < EXACT_FROM);
        let cpu = fresh.map_or_else(|| read(now), |(_, cpu)| Some(cpu));
        Self { began: now, cpu, waited: Duration::ZERO }
    }

    /// The cost of the period until `now`. Call it on the thread on which the period began.
    pub(crate) fn cost(&self, now: Instant) -> Duration {
        let wall = now.saturating_duration_since(self.began);
        if wall < EXACT_FROM {
            return wall;
        }
        match (self.cpu, read(now)) {
            (Some(before), Some(after)) => wall.min(after.saturating_sub(before).saturating_add(self.waited)),
            _ => wall,
        }
    }

    /// Notes that a host function has kept the thread from `from` until `now`. Call it on the thread on which the period began.
    ///
    /// The thread may have used CPU time before `from` that no reading has counted yet. Then the wait counts as shorter than it was, and
    /// the next wait is exact.
    pub(crate) fn wait(&mut self, from: Instant, now: Instant) {
        let before = READING.get();
        if let (Some((_, before)), Some(after)) = (before, read(now)) {
            let on_cpu = after.saturating_sub(before);
            self.waited += now.saturating_duration_since(from).saturating_sub(on_cpu);
        }
    }
}

fn read(now: Instant) -> Option<Duration> {
    let cpu = thread_time()?;
    READING.set(Some((now, cpu)));
    Some(cpu)
}

#[cfg(unix)]
fn thread_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

/// The CPU time of this thread. None where the system has no such clock: the wall clock has to do.
#[cfg(not(unix))]
fn thread_time() -> Option<Duration> {
    None
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn burn(cpu: Duration) {
        let until = thread_time().unwrap() + cpu;
        while thread_time().unwrap() < until {}
    }

    #[test]
    fn time_on_the_cpu_is_charged_and_time_off_it_is_not() {
        let period = Period::begin(Instant::now());
        burn(Duration::from_millis(5));
        assert!(period.cost(Instant::now()) >= Duration::from_millis(5));

        // Time off the CPU, as when the system runs another thread.
        let period = Period::begin(Instant::now());
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let waited = never.recv_timeout(Duration::from_millis(50));
        assert!(waited.is_err());
        let cost = period.cost(Instant::now());
        assert!(cost < Duration::from_millis(25), "{cost:?} charged for 50 ms off the CPU");
    }

    #[test]
    fn time_off_the_cpu_is_charged_where_a_host_function_has_waited() {
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let wait = || never.recv_timeout(Duration::from_millis(20)).unwrap_err();
        let mut period = Period::begin(Instant::now());
        for _ in 0..3 {
            // The system runs another thread, and then the guest waits for the host.
            wait();
            let from = Instant::now();
            wait();
            period.wait(from, Instant::now());
        }
        burn(Duration::from_millis(5));
        let now = Instant::now();
        let (cost, wall) = (period.cost(now), now - period.began);
        assert!(cost >= Duration::from_millis(60), "{cost:?} charged for 60 ms of waiting, and 5 ms on the CPU");
        assert!(cost <= wall - Duration::from_millis(55), "{cost:?} of {wall:?}");
    }
}
