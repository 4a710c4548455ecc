//! The names of events' files. They sort in order, and contain each file's size, so that a full spool is detected
//! without reading every file's metadata.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;

use crate::event::SpooledEvent;
use crate::stamp::{NO_BOOT, Stamp, number};

/// The ending of every event's file.
pub(crate) const ENDING: &str = ".event";

/// The name of an event's file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventName {
    pub(crate) stamp: String,
    pub(crate) boot: String,
    /// Milliseconds since 1970 by the wall clock, which orders boots.
    pub(crate) wall_ms: u64,
    /// The file's size.
    pub(crate) bytes: u64,
}

impl EventName {
    /// Makes the name of an event's file of this size. An `op_id` that is no stamp, because the user set it, gets a
    /// stamp of now.
    pub(crate) fn of(event: &SpooledEvent, bytes: usize) -> Self {
        let stamp = Stamp::parse(&event.op_id).unwrap_or_else(Stamp::now);
        Self::new(&stamp, event.wall_ms, bytes)
    }

    fn new(stamp: &Stamp, wall_ms: u64, bytes: usize) -> Self {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Self { stamp: stamp.to_string(), boot: stamp.boot.clone(), wall_ms, bytes }
    }

    /// Parses a name. `None` if it is not an event's.
    pub(crate) fn parse(name: &OsStr) -> Option<Self> {
        let name = name.to_str()?.strip_suffix(ENDING)?;
        let (name, bytes) = name.rsplit_once('.')?;
        let (stamp, wall_ms) = name.rsplit_once('.')?;
        let (wall_ms, bytes) = (number(wall_ms, 15)?, number(bytes, 8)?);
        let boot = Stamp::parse(stamp)?.boot;
        Some(Self { stamp: stamp.to_owned(), boot, wall_ms, bytes })
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stamp, wall_ms, bytes, .. } = self;
        write!(f, "{stamp}.{wall_ms:015}.{bytes:08}{ENDING}")
    }
}

/// Sorts names in the order in which their events came. Events of other boots come before those of this one, and boots
/// are ordered by the wall clock. If boots have no names, all of them look like one, and the wall clock comes first.
pub(crate) fn sort(names: &mut [EventName], this_boot: &str) {
    let mut first = HashMap::<String, u64>::new();
    for name in names.iter() {
        let wall = first.entry(name.boot.clone()).or_insert(name.wall_ms);
        *wall = name.wall_ms.min(*wall);
    }
    let of_boot = |name: &EventName| (name.boot == this_boot, first.get(&name.boot).copied().unwrap_or_default());
    let in_boot = |name: &EventName| if name.boot == NO_BOOT { name.wall_ms } else { 0 };
    names.sort_by(|a, b| {
        let by_boot = of_boot(a).cmp(&of_boot(b)).then_with(|| a.boot.cmp(&b.boot));
        by_boot.then_with(|| in_boot(a).cmp(&in_boot(b))).then_with(|| a.stamp.cmp(&b.stamp))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(boot: &str, nanos: u64, wall_ms: u64) -> EventName {
        let stamp = Stamp { boot: boot.into(), nanos, pid: 7, counter: 0, random: 1 };
        EventName::new(&stamp, wall_ms, 10)
    }

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let name = name("b-1", 5, 9);
        let text = name.to_string();
        assert_eq!(EventName::parse(OsStr::new(&text)), Some(name));
        for bad in ["x.event", ".event", "reader.lock", &text.replace(ENDING, ".tmp"), &format!(".{text}")] {
            assert_eq!(EventName::parse(OsStr::new(bad)), None, "{bad}");
        }
    }

    #[test]
    fn events_of_earlier_boots_come_first_and_boots_in_the_order_of_the_wall_clock() {
        // The wall clock went back during this boot, which must not affect the order.
        let mut names = vec![
            name("this", 2, 10),
            name("this", 1, 5_000),
            name("a-later", 90, 2_000),
            name("z-earlier", 70, 1_000),
            name("z-earlier", 60, 1_500),
        ];
        sort(&mut names, "this");
        let expected = [("z-earlier", 60), ("z-earlier", 70), ("a-later", 90), ("this", 1), ("this", 2)];
        for (name, (boot, nanos)) in names.iter().zip(expected) {
            assert!(name.stamp.starts_with(&format!("{boot}.{nanos:020}.")), "{name}");
        }
    }

    #[test]
    fn where_a_boot_has_no_name_events_come_in_the_order_of_the_wall_clock() {
        // Those of 2 000 ms came after a restart, which reset the clock of the boot.
        let mut names = vec![name(NO_BOOT, 5, 2_000), name(NO_BOOT, 90, 1_000), name(NO_BOOT, 6, 2_000)];
        sort(&mut names, NO_BOOT);
        let walls: Vec<(u64, bool)> =
            names.iter().map(|name| (name.wall_ms, name.stamp.starts_with("0.00000000000000000006."))).collect();
        assert_eq!(walls, [(1_000, false), (2_000, false), (2_000, true)]);
    }
}
