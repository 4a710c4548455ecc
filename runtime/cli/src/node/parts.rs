//! The parts of a sandbox's slots: one for the own runtime, and one for all adopted journals, so that all of them
//! together never have more calls under way than the pool has room for.

use std::num::NonZeroU32;

use anyhow::anyhow;

use crate::exit::Failure;
use crate::limits::{ADOPTED_SLOTS_DIVISOR, KEPT_SLOTS_DIVISOR, MAX_ADOPTED_JOURNALS};

/// How the slots are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "jetstream"), allow(dead_code, reason = "only a node of a cluster reads it"))]
pub(crate) struct Parts {
    /// Calls of the own runtime at once.
    pub(crate) own: NonZeroU32,
    /// Calls of all adopted journals' runtimes at once.
    pub(crate) adopted: NonZeroU32,
    /// Those of them that are kept for each journal that there may be. A journal has as many from the moment at which it is adopted.
    pub(crate) least: NonZeroU32,
    /// Most adopted journals at once.
    pub(crate) most_adopted: NonZeroU32,
    /// Most further ones, in which only an operator can do anything. He may, so there are slots for them too.
    pub(crate) most_set_aside: u32,
}

impl Parts {
    /// Divides so many slots.
    ///
    /// # Errors
    /// When there is only one.
    pub(crate) fn of(slots: u32) -> Result<Self, Failure> {
        let adopted = (slots / ADOPTED_SLOTS_DIVISOR).max(1);
        // Where there are few slots fewer journals may come, so that a half is left for those that are there.
        let journals = (adopted / 2).max(2).min(adopted).min(2 * MAX_ADOPTED_JOURNALS);
        let (most_adopted, most_set_aside) = (journals.div_ceil(2), journals / 2);
        let least = (adopted / KEPT_SLOTS_DIVISOR / journals).max(1);
        let parts = || {
            Some(Self {
                own: NonZeroU32::new(slots.checked_sub(adopted)?)?,
                adopted: NonZeroU32::new(adopted)?,
                least: NonZeroU32::new(least)?,
                most_adopted: NonZeroU32::new(most_adopted)?,
                most_set_aside,
            })
        };
        parts().ok_or_else(|| {
            let wanted = "a node of a cluster needs one for itself and one for journals that it takes over";
            Failure::usage(anyhow!("[calls] slots: there is room for {slots} call at once: {wanted}; write at least 2"))
        })
    }

    /// Most journals at once, of both kinds.
    #[cfg(any(test, feature = "jetstream"))]
    pub(crate) fn journals(self) -> u32 {
        self.most_adopted.get() + self.most_set_aside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_together_are_never_more_than_there_is() {
        for slots in (2..200).chain([4_096, 1_000_000, u32::MAX]) {
            let parts = Parts::of(slots).unwrap();
            let Parts { own, adopted, least, most_adopted, most_set_aside } = parts;
            assert_eq!(own.get() + adopted.get(), slots);
            assert!(least.get() * parts.journals() <= adopted.get(), "{slots}");
            assert!(own.get() >= slots / 2 && most_adopted.get() <= MAX_ADOPTED_JOURNALS, "{slots}");
            assert!(most_set_aside <= most_adopted.get(), "{slots}");
            assert!(adopted.get() < 4 || least.get() * parts.journals() <= adopted.get() / 2, "{slots}");
        }
        assert!(Parts::of(1).is_err() && Parts::of(0).is_err());
        let Parts { own, adopted, least, .. } = Parts::of(4_096).unwrap();
        assert_eq!((own.get(), adopted.get(), least.get()), (3_072, 1_024, 4));
    }
}
