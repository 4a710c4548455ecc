//! How the slots for adopted journals are divided: some are kept for each journal that there may be, and the others are for those that have
//! calls to make.
//!
//! What one journal gives up another has only when no call is in it any more. So at no moment are there more calls under way than slots, and
//! a journal that comes has its least number at once, however long the calls of others take.

/// The slots for adopted journals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Division {
    /// All of them.
    pub(super) slots: u32,
    /// Those that are kept for each journal, whether or not it is there.
    pub(super) least: u32,
    /// The journals that there may be at once.
    pub(super) journals: u32,
}

/// What a journal has to do now, in the order in which it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// Nothing, or only an operator can do anything.
    Nothing,
    /// Sessions whose owners may come back, or deliveries that wait for their retry.
    Later,
    /// Calls are under way, or could begin.
    Now,
}

/// What a journal has of the slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    /// How many calls may be under way.
    pub(super) slots: u32,
    /// How many are. Where the number was lowered they may be more.
    pub(super) taken: u32,
    pub(super) work: Work,
    /// How many calls are under way or could begin: it needs no more slots now.
    pub(super) wanted: u32,
}

impl Holder {
    /// What nobody else can have.
    fn held(&self) -> u32 {
        self.slots.max(self.taken)
    }
}

impl Division {
    /// Says how many slots each of these journals has from now on. What is kept for none is divided equally among those that have calls to
    /// make, and what one does not need is for those that need more. When nobody has any, it is divided among those that will have some. A
    /// number is lowered at once. It is raised as far as what all of them hold, before this, and what is kept for those that are not there,
    /// leaves slots. So the rest follows with a later division.
    pub(super) fn divide(self, holders: &[Holder]) -> Vec<u32> {
        let there = u32::try_from(holders.len()).unwrap_or(u32::MAX);
        let due = self.due(holders);
        let mut divided: Vec<u32> = holders.iter().zip(&due).map(|(holder, due)| holder.slots.min(*due)).collect();
        let held: u64 = holders.iter().map(|holder| u64::from(holder.held())).sum();
        let absent = u64::from(self.least) * u64::from(self.journals.saturating_sub(there));
        let free = u64::from(self.slots).saturating_sub(held + absent);
        let mut free = u32::try_from(free).unwrap_or(u32::MAX);

        let all = holders.iter().zip(due).zip(&mut divided);
        let mut raised: Vec<_> = all.filter(|((holder, due), _)| *due > holder.slots).collect();
        // What one leaves that misses little is for those that miss more.
        raised.sort_by_key(|((holder, due), _)| due.saturating_sub(holder.held()));
        for (left, ((holder, due), divided)) in counting_down(&mut raised) {
            **divided = (*due).min(holder.held().saturating_add(free / left));
            free -= divided.saturating_sub(holder.held());
        }
        divided
    }

    /// How many slots each has once calls that hold more have ended.
    fn due(self, holders: &[Holder]) -> Vec<u32> {
        let mut due = vec![self.least; holders.len()];
        let most = holders.iter().map(|holder| holder.work).max().unwrap_or(Work::Nothing);
        let has_part = |holder: &Holder| holder.work == most && most > Work::Nothing;
        let mut beyond = self.slots.saturating_sub(self.least.saturating_mul(self.journals));
        let mut sharing: Vec<_> = holders.iter().zip(&mut due).filter(|(holder, _)| has_part(holder)).collect();
        // What one leaves that needs little is for those that need more.
        sharing.sort_by_key(|(holder, _)| holder.wanted);
        for (left, (holder, due)) in counting_down(&mut sharing) {
            let part = (beyond / left).min(holder.wanted.saturating_sub(self.least));
            **due += part;
            beyond -= part;
        }
        // Nobody needs what is left now. It is there for calls that come before the next division.
        for (left, (_, due)) in counting_down(&mut sharing) {
            let part = beyond / left;
            **due += part;
            beyond -= part;
        }
        due
    }
}

/// Each one, with how many are left including it.
fn counting_down<T>(all: &mut [T]) -> impl Iterator<Item = (u32, &mut T)> {
    (1..=u32::try_from(all.len()).unwrap_or(u32::MAX)).rev().zip(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Parts;
    use super::*;

    fn division(slots: u32) -> Division {
        let parts = Parts::of(slots).unwrap();
        Division { slots: parts.adopted.get(), least: parts.least.get(), journals: parts.journals() }
    }

    /// With more to do than there are slots, if it has anything to do.
    fn journal(work: Work) -> Holder {
        Holder { slots: 4, taken: 0, work, wanted: if work == Work::Now { 10_000 } else { 0 } }
    }

    /// The numbers that are reached when no call is under way.
    fn settled(division: Division, mut holders: Vec<Holder>) -> Vec<u32> {
        for _ in 0..2 {
            let divided = division.divide(&holders);
            holders.iter_mut().zip(divided).for_each(|(holder, slots)| holder.slots = slots);
        }
        holders.iter().map(|holder| holder.slots).collect()
    }

    #[test]
    fn a_journal_that_is_alone_has_all_but_what_is_kept_for_those_that_may_come() {
        // A quarter is 1 024, and 4 are kept for each of 31 others.
        for work in [Work::Later, Work::Now] {
            assert_eq!(settled(division(4_096), vec![journal(work)]), [900]);
        }
        assert_eq!(settled(division(4_096), vec![journal(Work::Nothing)]), [4]);
        assert_eq!(settled(division(4_096), vec![journal(Work::Now); 32]), [32; 32]);
    }

    #[test]
    fn who_has_calls_to_make_comes_before_who_will_have_some_and_who_has_none_keeps_the_least() {
        let [none, later, now] = [Work::Nothing, Work::Later, Work::Now].map(journal);
        assert_eq!(settled(division(4_096), vec![none, later, now, now]), [4, 4, 452, 452]);
        assert_eq!(settled(division(4_096), vec![none, later, none, later]), [4, 452, 4, 452]);
    }

    #[test]
    fn what_one_journal_does_not_need_is_for_those_that_need_more() {
        let one = Holder { wanted: 1, ..journal(Work::Now) };
        // A sixteenth of what is beyond the least would be 56 each.
        let mut holders = vec![one; 15];
        holders.push(journal(Work::Now));
        let mut expected = vec![4; 15];
        expected.push(900);
        assert_eq!(settled(division(4_096), holders), expected);
        let some = Holder { wanted: 104, ..journal(Work::Now) };
        assert_eq!(settled(division(4_096), vec![journal(Work::Now), some]), [800, 104]);
        // What nobody needs is there for what comes.
        assert_eq!(settled(division(4_096), vec![one, one]), [452, 452]);
    }

    #[test]
    fn what_calls_hold_is_nobody_elses_until_they_have_ended() {
        let mut holders = vec![Holder { slots: 900, taken: 900, ..journal(Work::Now) }, journal(Work::Now)];
        let divide = |holders: &mut Vec<Holder>| {
            let divided = division(4_096).divide(holders);
            holders.iter_mut().zip(&divided).for_each(|(holder, slots)| holder.slots = *slots);
            divided
        };
        assert_eq!(divide(&mut holders), [452, 4], "another one has come, for which 4 were kept");
        holders[0].taken = 800;
        assert_eq!(divide(&mut holders), [452, 104]);
        holders[0].taken = 10;
        assert_eq!(divide(&mut holders), [452, 452]);
        // It is lowered at once, and was not there to be given at that moment.
        holders[0].work = Work::Nothing;
        assert_eq!(divide(&mut holders), [4, 452]);
        assert_eq!(divide(&mut holders), [4, 894], "10 calls are under way");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Comes,
        /// Its calls have ended.
        Goes(prop::sample::Index),
        Works(prop::sample::Index, Work, u32),
        /// As many calls begin as may, of so many that are wanted.
        Begin(prop::sample::Index, u32),
        End(prop::sample::Index, u32),
        /// Calls of one end and begin between the moment at which it is looked at and the one at which its number changes.
        Divide(prop::sample::Index, u32, u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        let work = prop::sample::select(vec![Work::Nothing, Work::Later, Work::Now]);
        let calls = prop_oneof![0..10_u32, 0..2_000_u32];
        prop_oneof![
            Just(Step::Comes),
            any::<prop::sample::Index>().prop_map(Step::Goes),
            (any::<prop::sample::Index>(), work, calls.clone())
                .prop_map(|(whose, work, wanted)| Step::Works(whose, work, wanted)),
            (any::<prop::sample::Index>(), calls.clone()).prop_map(|(whose, calls)| Step::Begin(whose, calls)),
            (any::<prop::sample::Index>(), calls.clone()).prop_map(|(whose, calls)| Step::End(whose, calls)),
            (any::<prop::sample::Index>(), calls.clone(), calls)
                .prop_map(|(whose, ended, begun)| Step::Divide(whose, ended, begun)),
        ]
    }

    /// Carries a step out, on what the holders are at that moment.
    fn take(step: &Step, division: Division, holders: &mut Vec<Holder>) {
        let one = |holders: &mut Vec<Holder>, whose: prop::sample::Index, change: &dyn Fn(&mut Holder)| {
            if !holders.is_empty() {
                change(whose.get_mut(holders));
            }
        };
        match *step {
            Step::Comes if u32::try_from(holders.len()).unwrap() < division.journals => {
                holders.push(Holder { slots: division.least, taken: 0, work: Work::Later, wanted: 0 });
            }
            Step::Comes => {}
            Step::Goes(whose) => {
                if !holders.is_empty() {
                    holders.swap_remove(whose.index(holders.len()));
                }
            }
            Step::Works(whose, work, wanted) => {
                one(holders, whose, &|holder| (holder.work, holder.wanted) = (work, wanted));
            }
            Step::Begin(whose, calls) => one(holders, whose, &|holder| {
                holder.taken += calls.min(holder.slots.saturating_sub(holder.taken));
            }),
            Step::End(whose, calls) => one(holders, whose, &|holder| holder.taken -= calls.min(holder.taken)),
            Step::Divide(whose, ended, begun) => {
                let divided = division.divide(holders);
                take(&Step::End(whose, ended), division, holders);
                take(&Step::Begin(whose, begun), division, holders);
                holders.iter_mut().zip(divided).for_each(|(holder, slots)| holder.slots = slots);
            }
        }
    }

    proptest! {
        #[test]
        fn calls_and_what_may_begin_are_never_more_than_there_is_and_nobody_has_less_than_the_least(
            slots in prop_oneof![2..300_u32, Just(4_096), Just(1_000_000)],
            steps in prop::collection::vec(step(), 0..200),
        ) {
            let division = division(slots);
            let mut holders = Vec::new();
            for step in steps {
                take(&step, division, &mut holders);
                let held: u32 = holders.iter().map(Holder::held).sum();
                let kept = division.least * (division.journals - u32::try_from(holders.len()).unwrap());
                prop_assert!(held + kept <= division.slots, "{held} are held and {kept} kept of {division:?}: {holders:?}");
                prop_assert!(holders.iter().all(|holder| holder.slots >= division.least), "{holders:?}");
            }
            // Whatever there was: when the calls of the others have ended, one that has calls to make has everything.
            holders.iter_mut().for_each(|holder| (holder.taken, holder.work) = (0, Work::Nothing));
            if let Some(first) = holders.first_mut() {
                first.work = Work::Now;
                let all = division.slots - division.least * (division.journals - 1);
                prop_assert_eq!(settled(division, holders)[0], all);
            }
        }
    }
}
