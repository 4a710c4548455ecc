//! The slots of the adopted journals, as they are divided now: whenever one comes or goes, and at each look after one of them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use lastword::{Runtime, Stats};
use parking_lot::Mutex;

use super::Parts;
use super::division::{Division, Holder, Work};
use crate::limits::ADOPTED_LOOK;

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
    /// When the slots were divided last.
    divided: Option<Instant>,
}

/// Names a [`Place`].
#[derive(Clone, Copy)]
pub(super) struct PlaceNumber(u64);

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

    /// Takes a place for a journal that is about to be taken over. None if there are as many as may be, with those whose last calls are
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

    /// The runtime with this place begins, and takes part from now on.
    pub(super) fn begins(&self, number: PlaceNumber, runtime: &Runtime) {
        let mut places = self.places.lock();
        // Meanwhile it may have been let go of.
        if let Some(taken) = places.taken.get_mut(&number.0) {
            *taken = Some(runtime.clone());
            self.divide_among(&mut places);
        }
    }

    /// Divides the slots anew, by what each journal has to do now, if that is long ago: each journal that is looked after asks for it.
    pub(super) fn look(&self) {
        let mut places = self.places.lock();
        if places.divided.is_none_or(|divided| divided.elapsed() >= ADOPTED_LOOK) {
            self.divide_among(&mut places);
        }
    }

    fn divide_among(&self, places: &mut Places) {
        places.divided = Some(Instant::now());
        // What the first division takes from one, the second can give to another.
        for _ in 0..2 {
            self.divide_once(places);
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
        let Some(runtime) = runtime else {
            return Holder { slots: self.least.get(), taken: 0, work: Work::Nothing, wanted: 0 };
        };
        let stats = runtime.stats();
        // One that is let go of begins no call any more, whatever it is owed.
        let work = if runtime.is_draining() { Work::Nothing } else { work(&stats) };
        let wanted = u32::try_from(calls(&stats)).unwrap_or(u32::MAX);
        Holder { slots: stats.slots, taken: stats.slots_taken, work, wanted }
    }
}

impl Place {
    pub(super) fn number(&self) -> PlaceNumber {
        PlaceNumber(self.number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.slots.places.lock();
        let runtime = places.taken.remove(&self.number);
        self.slots.divide_among(&mut places);
        drop(places);
        // It may be the last handle, which is not dropped within the lock.
        drop(runtime);
    }
}

/// What is left to do in a journal. A decision of an operator is none of it.
pub(super) fn work(stats: &Stats) -> Work {
    let later = stats.plugins.iter().map(|plugin| plugin.waiting).sum::<u64>();
    match (calls(stats), later + stats.sessions + stats.unwritten_bytes) {
        (0, 0) => Work::Nothing,
        (0, _) => Work::Later,
        _ => Work::Now,
    }
}

/// The calls that are under way or could begin.
fn calls(stats: &Stats) -> u64 {
    let of_plugins = stats.plugins.iter().map(|plugin| plugin.ready + plugin.running).sum::<u64>();
    // Slots are also taken for calls that are about to begin, and by plugins that are being uninstalled.
    of_plugins.max(stats.slots_taken.into())
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
    async fn slots_are_divided_whenever_a_journal_comes_and_goes() {
        // A quarter is 64, of which one is kept for each of 32 journals.
        let slots = AdoptedSlots::new(Parts::of(256).unwrap());
        let (first, second) = (runtime(&slots).await, runtime(&slots).await);
        let has = || [first.stats().slots, second.stats().slots];
        assert_eq!(has(), [1, 1]);
        let of_first = slots.enter().unwrap();
        slots.begins(of_first.number(), &first);
        assert_eq!(has(), [33, 1]);
        let of_second = slots.enter().unwrap();
        slots.begins(of_second.number(), &second);
        assert_eq!(has(), [17, 17]);
        first.shutdown(lastword::events::DrainReason::Shutdown).await;
        assert_eq!(has(), [17, 17]);
        slots.look();
        assert_eq!(has(), [17, 17], "they were divided a moment ago");
        slots.divide_among(&mut slots.places.lock());
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
