//! A single processor.

use super::{COMMANDS, assert_served, command, twenty_ends};

#[test]
fn one_processor_is_enough() {
    assert_served(&twenty_ends().through(["taskset", "-c", "0"]).run(), "one processor");
    for name in COMMANDS {
        let ended = command(name).through(["taskset", "-c", "0"]).run();
        assert_eq!(ended.code(), 0, "{name}: {}", ended.stderr());
    }
}
