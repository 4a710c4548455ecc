//! The set of hooks that a plugin has.

use std::fmt;

use lastword_events::Hook;

/// A set of hooks.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Hooks(u8);

impl Hooks {
    /// Whether the set has `hook`.
    #[must_use]
    pub fn contains(self, hook: Hook) -> bool {
        self.0 & bit(hook) != 0
    }

    /// The hooks in the order of a session's life.
    pub fn iter(self) -> impl Iterator<Item = Hook> {
        Hook::ALL.into_iter().filter(move |hook| self.contains(*hook))
    }
}

fn bit(hook: Hook) -> u8 {
    match hook {
        Hook::SessionStart => 1,
        Hook::SessionCompaction => 2,
        Hook::SessionEnd => 4,
    }
}

impl FromIterator<Hook> for Hooks {
    fn from_iter<I: IntoIterator<Item = Hook>>(hooks: I) -> Self {
        Self(hooks.into_iter().fold(0, |set, hook| set | bit(hook)))
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Hook::as_str)).finish()
    }
}
