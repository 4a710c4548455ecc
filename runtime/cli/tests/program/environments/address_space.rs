//! Little address space (`ulimit -v`): fewer calls at once, or no start.

use super::{COMMANDS, assert_refused, assert_served, command, twenty_ends};
use crate::support::{Ended, Home, Launch};

const MIB_PER_GIB: u64 = 1024;

/// Under a limit of so many MiB.
fn limited(launch: Launch, limit: char, mib: u64) -> Launch {
    launch.after(&format!("ulimit -{limit} {}", mib * 1024))
}

fn slots(ended: &Ended) -> u64 {
    ended.of("ready").next().unwrap()["slots"].as_u64().unwrap()
}

fn bound(ended: &Ended) -> String {
    ended.of("ready").next().unwrap()["slots_bound"].as_str().unwrap().to_owned()
}

/// As many calls at once as are asked for where there is room, whatever memory this machine has.
fn with_256_slots() -> Launch {
    twenty_ends().config("[calls]\nslots = 256\n")
}

#[test]
fn ready_says_how_many_calls_can_be_under_way_at_once() {
    let ended = with_256_slots().run();
    assert_served(&ended, "no limit");
    assert_eq!(slots(&ended), 256);
    assert_eq!(bound(&ended), "configured");
    assert!(!ended.stderr().contains("calls at once of"), "{}", ended.stderr());
}

#[test]
fn ready_says_what_bounds_the_calls_at_once() {
    let ended = twenty_ends().run();
    assert_served(&ended, "no limit");
    assert!((1..=4096).contains(&slots(&ended)) && !bound(&ended).is_empty(), "{:?}", ended.lines);
    // Some machines have no memory for so many as there is address space for.
    let many = twenty_ends().config("[calls]\nslots = 4096\n");
    let ended = limited(many, 'v', 64 * MIB_PER_GIB).run();
    assert_served(&ended, "ulimit -v of 64 GiB");
    assert!(slots(&ended) < 4096 && bound(&ended) == "address-space", "{:?}", ended.lines);
    // Most machines have memory for more.
    let ended = twenty_ends().after("ulimit -n 256").run();
    assert_served(&ended, "ulimit -n of 256");
    assert!(slots(&ended) == 144 && bound(&ended) == "descriptors", "{:?}", ended.lines);
}

#[test]
fn with_little_address_space_fewer_calls_go_at_once_and_every_end_arrives() {
    let mut fewer = 256;
    for mib in [64 * MIB_PER_GIB, 16 * MIB_PER_GIB, 5 * MIB_PER_GIB, 2 * MIB_PER_GIB, MIB_PER_GIB, 768] {
        let what = format!("ulimit -v of {mib} MiB");
        let ended = limited(with_256_slots(), 'v', mib).run();
        assert_served(&ended, &what);
        assert!((1..=fewer).contains(&slots(&ended)), "{what}: {} slots", slots(&ended));
        fewer = slots(&ended);
        let told: Vec<_> = ended.log.iter().filter(|line| line.contains("calls at once of 256")).collect();
        assert_eq!(told.len(), 1, "{what}: one line says so: {told:?}");
        assert!(told[0].contains(&format!(" {fewer} calls")) && told[0].contains("`ulimit -v`"), "{what}: {told:?}");
    }
    assert!(fewer < 16, "the last limit gave {fewer} slots");
}

#[test]
fn where_there_is_room_for_some_slots_of_full_size_they_are_taken() {
    let ended = limited(with_256_slots(), 'v', 1024 * MIB_PER_GIB).run();
    assert_served(&ended, "ulimit -v of 1 TiB");
    assert!((16..256).contains(&slots(&ended)), "{} slots", slots(&ended));
    assert!(!ended.stderr().contains("checks each access"), "{}", ended.stderr());
}

#[test]
fn where_memory_is_counted_guests_have_theirs_from_the_start() {
    for mib in [4 * MIB_PER_GIB, MIB_PER_GIB] {
        let what = format!("ulimit -d of {mib} MiB");
        let ended = limited(twenty_ends(), 'd', mib).run();
        assert_served(&ended, &what);
        assert!(slots(&ended) * 64 < mib, "{what}: {} slots of 64 MiB", slots(&ended));
    }
}

#[test]
fn with_too_little_address_space_it_works_or_does_not_start_and_says_so() {
    let mut refused = 0;
    for mib in (256..=768).step_by(64) {
        let what = format!("ulimit -v of {mib} MiB");
        let ended = limited(twenty_ends(), 'v', mib).run();
        if ended.code() == 0 {
            assert_served(&ended, &what);
        } else {
            assert_refused(&ended, &what, &["`ulimit -v`"]);
            refused += 1;
        }
    }
    assert!(refused > 0, "256 MiB are too little");
}

#[test]
fn every_command_works_in_little_address_space_or_says_that_it_is_too_little() {
    for name in COMMANDS {
        let ended = limited(command(name), 'v', 2 * MIB_PER_GIB).run();
        assert_eq!(ended.code(), 0, "{name}: {}", ended.stderr());
        let ended = limited(command(name), 'v', 300).run();
        assert_eq!(ended.code(), 2, "{name}: {}", ended.stderr());
        assert!(ended.stderr().contains("no room for a single call at a time"), "{name}: {}", ended.stderr());
    }
    let sessions = limited(Launch::command("sessions").arg("--journal").arg("j.db"), 'v', 300);
    let ended = sessions.run();
    assert_eq!(ended.code(), 5, "there is no journal, and nothing else is wrong: {}", ended.stderr());
}

#[test]
fn code_for_little_address_space_is_kept_beside_the_other_and_uses_the_same_fuel() {
    let home = Home::new();
    let mut fuel = Vec::new();
    let entries = || std::fs::read_dir(home.path().join("lastword/compiled")).unwrap().count();
    for (run, (mib, kept)) in
        [(None, 1), (Some(2 * MIB_PER_GIB), 2), (None, 2), (Some(3 * MIB_PER_GIB), 2)].into_iter().enumerate()
    {
        // Each with a name of its own: it is not a duplicate of the last one.
        let end = format!(r#"{{"op":"end","op_id":"{run}","session":{{"id":"s"}}}}"#);
        let launch = home.stdio().guest("prints").input(end);
        let launch = if let Some(mib) = mib { limited(launch, 'v', mib) } else { launch };
        let ended = launch.run();
        assert_eq!(ended.ends("prints", "delivered"), ["s"], "{mib:?}: {}", ended.stderr());
        assert_eq!(entries(), kept, "{mib:?}");
        fuel.push(ended.of("outcome").next().unwrap()["fuel"].as_u64().unwrap());
    }
    assert!(fuel.iter().all(|used| *used == fuel[0] && *used > 0), "{fuel:?}");
}
