//! The slots of the adopted journals, as they are divided now: whenever one comes or goes, and at each look after one of them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use lastword::{Runtime, Stats};
use parking_lot::Mutex;

use super::Parts;
use super::division::{Division, Holder, Work};

/// Who has which of the slots for adopted journals.
pub(super) struct AdoptedSlots {
    division: Division,
    least: NonZeroU32,
    /// Held while slots are divided.
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    /// None while the runtime is being built.
    taken: BTreeMap<u64, Option<Runtime>>,
    next: u64,
}

/// A journal's place among those that the slots are divided among. Drop it when no call of its runtime is under way any more.
pub(super) struct Place {
    number: u64,
    slots: Arc<AdoptedSlots>,
}

impl AdoptedSlots {
    pub(super) fn new(parts: Parts) -> Arc<Self> {
        let Parts { adopted, least, .. } = parts;
        let division = Division { slots: adopted.get(), least: least.get(), journals: parts.journals() };
        Arc::new(Self { division, least, places: Mutex::default() })
    }

    /// The slots that a runtime has to begin with.
    pub(super) fn least(&self) -> NonZeroU32 {
        self.least
    }

    /// Takes a place for a runtime that is about to be built. None if there are as many journals as may be, with those whose last calls are
    /// ending.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut places = self.places.lock();
        if u32::try_from(places.taken.len()).is_ok_and(|taken| taken < self.division.journals) {
            let number = places.next;
            places.next += 1;
            places.taken.insert(number, None);
            return Some(Place { number, slots: self.clone() });
        }
        None
    }

    /// Divides the slots anew, by what each journal has to do now.
    pub(super) fn divide(&self) {
        let places = self.places.lock();
        // What the first division takes from one, the second can give to another.
        for _ in 0..2 {
            self.divide_once(&places);
        }
    }

    fn divide_once(&self, places: &Places) {
        let runtimes: Vec<Option<&Runtime>> = places.taken.values().map(Option::as_ref).collect();
        let holders: Vec<Holder> = runtimes.iter().map(|runtime| self.holder(*runtime)).collect();
        let divided = self.division.divide(&holders);
        for ((runtime, holder), slots) in runtimes.into_iter().zip(holders).zip(divided) {
            let changed = NonZeroU32::new(slots).filter(|slots| slots.get() != holder.slots);
            if let (Some(runtime), Some(slots)) = (runtime, changed) {
                runtime.set_slots(slots);
            }
        }
    }

    /// Nobody else changes how many slots a runtime has, and no more calls begin than that. So what a runtime holds only becomes less from
    /// here on.
    fn holder(&self, runtime: Option<&Runtime>) -> Holder {
        match runtime.map(Runtime::stats) {
            Some(stats) => Holder { slots: stats.slots, taken: stats.slots_taken, work: work(&stats) },
            None => Holder { slots: self.least.get(), taken: 0, work: Work::Nothing },
        }
    }
}

impl Place {
    /// The runtime is built, and takes part.
    pub(super) fn is_of(&self, runtime: &Runtime) {
        self.slots.places.lock().taken.insert(self.number, Some(runtime.clone()));
        self.slots.divide();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It may be the last handle, which is not dropped within the lock.
        let runtime = self.slots.places.lock().taken.remove(&self.number);
        drop(runtime);
        self.slots.divide();
    }
}

/// What is left to do in a journal. A decision of an operator is none of it.
pub(super) fn work(stats: &Stats) -> Work {
    let (mut now, mut later) = (u64::from(stats.slots_taken), stats.sessions + stats.unwritten_bytes);
    for plugin in &stats.plugins {
        now += plugin.ready + plugin.running;
        later += plugin.waiting;
    }
    match (now, later) {
        (0, 0) => Work::Nothing,
        (0, _) => Work::Later,
        _ => Work::Now,
    }
}

#[cfg(test)]
mod tests {
    use lastword::StartRequest;
    use lastword::events::Session;

    use super::*;

    /// A runtime with a session whose owner may come back.
    async fn runtime(slots: &AdoptedSlots) -> Runtime {
        let runtime = Runtime::builder().slots(slots.least()).build().unwrap();
        runtime.start_session(StartRequest::new(Session::new("acme", "a"))).await.unwrap();
        runtime
    }

    #[tokio::test]
    async fn slots_are_divided_whenever_a_journal_comes_and_goes_and_at_each_look() {
        // A quarter is 64, of which one is kept for each of 32 journals.
        let slots = AdoptedSlots::new(Parts::of(256).unwrap());
        let (first, second) = (runtime(&slots).await, runtime(&slots).await);
        let has = || [first.stats().slots, second.stats().slots];
        assert_eq!(has(), [1, 1]);
        let of_first = slots.enter().unwrap();
        of_first.is_of(&first);
        assert_eq!(has(), [33, 1]);
        let of_second = slots.enter().unwrap();
        of_second.is_of(&second);
        assert_eq!(has(), [17, 17]);
        first.shutdown(lastword::events::DrainReason::Shutdown).await;
        assert_eq!(has(), [17, 17]);
        slots.divide();
        assert_eq!(has(), [1, 33], "nothing is left to do in the first one");
        drop(of_second);
        drop(of_first);
        // Whoever comes finds room, as long as there is a place.
        let places: Vec<Place> = std::iter::from_fn(|| slots.enter()).collect();
        assert_eq!(places.len(), 32);
        drop(places);
        assert!(slots.enter().is_some());
    }
}
