//! What the program has of the machine's memory, as the system counts it.

use std::time::{Duration, Instant};

use lastword_faults::{Fault, Kind};
use lastword_test_guests::{World, from_wat};

use crate::support::{Home, Launch, Program, Signal, end, ids};

const MIB: u64 = 1 << 20;
/// A plugin that was granted HTTP, and no destination: it can make headers.
const PILES: &str = "[[plugin]]\nname = \"piles\"\ncomponent = \"piles.wasm\"\nhttp = []\n";

/// A plugin whose every call stores almost a mebibyte.
const STORES: &str =
    "[[plugin]]\nname = \"stores\"\ncomponent = \"kv-mebibyte.wasm\"\nkeyvalue = { quota = \"2MiB\" }\n";

/// A line of the process's status, in bytes; `None` when the process is gone.
pub(crate) fn status(program: &Program, line: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.pid().as_raw_nonzero())).ok()?;
    let value = status.lines().find_map(|text| text.strip_prefix(line))?;
    value.trim_start_matches(':').trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib << 10)
}

/// How often the system is asked.
#[expect(clippy::disallowed_methods, reason = "nothing tells of another process's memory: it is asked again and again")]
fn a_moment() {
    std::thread::sleep(Duration::from_millis(10));
}

#[test]
fn what_serves_is_given_no_huge_pages() {
    let enabled = |program: &Program| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", program.pid().as_raw_nonzero())).unwrap();
        status.lines().find_map(|line| line.strip_prefix("THP_enabled:").map(|value| value.trim().to_owned()))
    };
    let home = Home::new();
    for launch in [Launch::stdio().guest("prints"), home.serve().guest("prints")] {
        let program = launch.start().ready();
        // Not every kernel has the line.
        assert!(enabled(&program).is_none_or(|enabled| enabled == "0"));
        program.stop();
    }
}

#[test]
fn what_a_burst_of_calls_took_goes_back_to_the_system() {
    let wat = include_str!("../../../../tests/guests/wat/http/http-piles-and-waits.wat");
    let waits = "(call $block (call $after (i64.const 3600000000000)))\n    unreachable";
    assert!(wat.contains(waits), "the guest was changed");
    let piles_and_answers = from_wat(&wat.replace(waits, "i32.const 0"), World::SessionEnd).unwrap();
    let launch = Launch::stdio().file_beside("piles.wasm", piles_and_answers).config(PILES);
    let program = launch.start().ready();
    let before = status(&program, "VmRSS").unwrap();
    program.open(ids(20));
    program.send(ids(20).iter().map(|id| end(id, "reset")));
    program.count("outcome", 20);
    let peak = status(&program, "VmHWM").unwrap();
    assert!(peak > before + 20 * MIB, "each piles up some 50 MiB: {before} and {peak}");
    let began = Instant::now();
    loop {
        let now = status(&program, "VmRSS").unwrap();
        if now < before + (peak - before) / 2 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "before {before}, peak {peak}, a minute later {now}");
        a_moment();
    }
    assert_eq!(program.stop().ends("piles", "delivered").len(), 20);
}

/// The most that was resident until the process was gone.
fn most_until_gone(program: &Program) -> u64 {
    let mut most = 0;
    while let Some(peak) = status(program, "VmHWM") {
        most = most.max(peak);
        a_moment();
    }
    most
}

/// What cannot be written waits in memory, in a bounded part of it: the calls beyond that are put off, and come in the next run.
#[test]
fn what_plugins_store_while_the_disk_is_full_does_not_pile_up() {
    const SESSIONS: usize = 400;
    let home = Home::new();
    let space = home.join("space");
    std::fs::write(&space, "").unwrap();
    let full = Fault::at(1, Kind::FullFrom, "journal.db").until(space.clone());
    let program = home.launch().fault(&full).with_guest("kv-mebibyte").config(STORES).start().ready();
    program.open(ids(SESSIONS));
    std::fs::remove_file(&space).unwrap();
    let before = status(&program, "VmRSS").unwrap();
    program.signal(Signal::TERM);
    let most = most_until_gone(&program);
    let ended = program.ended();
    let delivered = ended.ends("stores", "delivered").len();
    assert!((4..SESSIONS / 4).contains(&delivered), "{}", ended.drain());
    assert_eq!(ended.drained("deferred"), u64::try_from(SESSIONS - delivered).unwrap());
    let more = most.saturating_sub(before) / MIB;
    assert!(more < 160, "{more} MiB more were resident while nothing could be written");
}

mod timed {
    use super::*;

    const BUDGET: Duration = Duration::from_secs(2);
    const SLACK: Duration = Duration::from_millis(100);
    /// What the kernel frees in 50 ms, and the program itself.
    const MOST: u64 = (512 + 192) * MIB;

    #[test]
    fn what_a_plugin_piles_up_in_the_host_is_bounded_and_does_not_delay_the_exit() {
        let launch = Launch::stdio()
            .file_beside("piles.wasm", lastword_test_guests::component("http-piles-and-waits"))
            .with_guest("prints")
            .config(&format!("{PILES}[[plugin]]\nname = \"prints\"\ncomponent = \"prints.wasm\"\n"));
        let program = launch.start().ready();
        program.open(ids(64));
        let signalled = program.signal(Signal::TERM);
        let most = most_until_gone(&program);
        let ended = program.ended();
        let took = ended.at.duration_since(signalled);
        assert!(took <= BUDGET + SLACK, "left {took:?} after the signal");
        assert!(most > 50 * MIB, "it was never seen: {most}");
        assert!(most <= MOST, "{most} bytes were resident");
        assert_eq!(ended.ends("prints", "delivered").len(), 64);
        assert_eq!(ended.drained("failed") + ended.drained("deferred"), 64);
    }
}
