//! Everything that asserts a time. These run alone: the test runner's configuration says so of modules of this name.
//!
//! *In time* is the design's one slack: from the receipt of the signal to the end of the process at most the budget and
//! 100 ms. It is measured from before the signal is sent, and from outside.

use std::collections::HashSet;
use std::io::Write as _;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use lastword_test_guests::{BURN_ITERATIONS, World, from_wat};

#[cfg(target_os = "linux")]
use crate::support::cpu;
use crate::support::{Ended, Home, Launch, Program, Signal, end, ids, in_ci, sorted, start};

/// By default.
const BUDGET: Duration = Duration::from_secs(2);
/// Elsewhere than in CI those take half of it that do nothing but wait for its end.
const SHORT_BUDGET: Duration = Duration::from_secs(1);
const SLACK: Duration = Duration::from_millis(100);

/// "Leaves at once": before `ready` there is no budget to use up, and the slack is all that there is.
const AT_ONCE: Duration = SLACK;

#[track_caller]
fn assert_in_time(ended: &Ended, signalled: Instant, budget: Duration) {
    let took = ended.at.duration_since(signalled);
    assert!(took <= budget + SLACK, "left {took:?} after the signal, with a budget of {budget:?}");
}

fn budget() -> Duration {
    if in_ci() { BUDGET } else { SHORT_BUDGET }
}

/// With that budget.
fn stdio() -> Launch {
    Launch::stdio().arg("--drain-budget").arg(format!("{}ms", budget().as_millis()))
}

/// `prints` beside a hostile guest, both with their default limits.
fn beside(hostile: &str) -> Program {
    stdio().guest(hostile).guest("prints").start().ready()
}

/// The good plugin's ends are all made, the hostile one's are all accounted for, and it is named.
#[track_caller]
fn assert_only_the_hostile_lost(ended: &Ended, hostile: &str, sessions: &[String]) {
    assert_eq!(ended.printed_ends("prints"), sessions, "each once, as the guest counts it");
    assert_eq!(ended.ends("prints", "delivered"), sessions, "each once, as the program counts it");
    let mut told: Vec<_> = ended.outcomes(hostile, "session-end").map(|line| line["session"].to_string()).collect();
    told.sort();
    told.dedup();
    // A call that was cut at the very end may have no line any more; then that is counted.
    let accounted = told.len() as u64 + ended.drained("dropped_lines");
    assert_eq!(accounted, sessions.len() as u64, "each of its ends has one outcome: {told:?}");
    assert_eq!(ended.drained("failed") + ended.drained("deferred"), sessions.len() as u64);
    let warnings = ended.drain_warnings();
    assert!(matches!(warnings.as_slice(), [one] if one.contains(hostile)), "only {hostile} is named: {warnings:?}");
    assert_eq!(ended.code(), 3, "its ends are owed, safe in the journal");
}

#[test]
fn a_plugin_that_spins_costs_only_its_own_ends() {
    let program = beside("spin");
    program.open(ids(3));
    let signalled = program.signal(Signal::TERM);
    let ended = program.ended();
    assert_in_time(&ended, signalled, budget());
    assert_only_the_hostile_lost(&ended, "spin", &ids(3));
    let other = ended
        .outcomes("spin", "session-end")
        .find(|line| !["deadline", "budget"].contains(&line["cause"].as_str().unwrap()));
    assert_eq!(other, None, "who else has the CPU decides how many of them are cut before the budget ends");
}

#[test]
fn a_plugin_that_spins_before_its_hook_is_called_costs_only_its_own_ends() {
    let program = beside("spin-start");
    program.open(ids(3));
    let signalled = program.signal(Signal::TERM);
    let ended = program.ended();
    assert_in_time(&ended, signalled, budget());
    assert_only_the_hostile_lost(&ended, "spin-start", &ids(3));
}

#[test]
fn a_plugin_that_never_returns_costs_only_its_own_ends() {
    let program = beside("sleep");
    program.open(ids(3));
    let signalled = program.signal(Signal::TERM);
    let ended = program.ended();
    assert_in_time(&ended, signalled, budget());
    assert_only_the_hostile_lost(&ended, "sleep", &ids(3));
    assert_eq!(ended.ends("sleep", "failed(deadline)"), ids(3), "the outcome is recorded");
}

#[test]
fn a_plugin_cannot_end_the_process() {
    let program = beside("exit");
    program.open(ids(3));
    let signalled = program.signal(Signal::TERM);
    let ended = program.ended();
    assert_in_time(&ended, signalled, budget());
    assert_only_the_hostile_lost(&ended, "exit", &ids(3));
    assert_eq!(ended.ends("exit", "failed(trap: exit)"), ids(3));
}

/// The hostile plugin is in the middle of an ordinary end, with all the time in the world, when the signal comes.
fn hung_in_an_ordinary_reset(hostile: &str) {
    let config = format!(
        r#"
        [[plugin]]
        name = "{hostile}"
        component = "{hostile}.wasm"
        limits = {{ deadline = "10m", fuel = 9_000_000_000_000_000_000 }}
        [[plugin]]
        name = "prints"
        component = "prints.wasm"
        "#
    );
    let program = stdio().with_guest(hostile).with_guest("prints").config(&config).start().ready();
    let sessions = ids(6);
    program.open(&sessions);
    // More hung calls than there are cores.
    program.send(sessions[..3].iter().map(|id| end(id, "reset")));
    program.count("outcome", 6 + 3);
    let signalled = program.signal(Signal::TERM);
    let ended = program.ended();
    assert_in_time(&ended, signalled, budget());
    assert_only_the_hostile_lost(&ended, hostile, &sessions);
    assert_eq!([ended.drained("sessions"), ended.drained("deferred")], [3, 6], "ordinary ends are part of the drain");
    for line in ended.outcomes(hostile, "session-end") {
        let ordinary = sessions[..3].iter().any(|id| line["session"] == **id);
        assert_eq!(
            (&line["reason"], &line["cause"]),
            (&if ordinary { "reset" } else { "shutdown" }.into(), &"budget".into())
        );
    }
}

#[test]
fn a_plugin_that_hangs_in_an_ordinary_reset_does_not_delay_the_drain() {
    hung_in_an_ordinary_reset("sleep");
}

#[test]
fn a_plugin_that_spins_in_an_ordinary_reset_does_not_delay_the_drain() {
    hung_in_an_ordinary_reset("spin");
}

/// Uses a processor for each end, and then prints a line, so that what it did can be counted.
#[cfg(target_os = "linux")]
fn burns_and_prints(iterations: u64) -> Vec<u8> {
    let wat = format!(
        r#"
(module
;; include: stdout
;; include: memory
;; include: print
;; include: print-event
  (func (export "session-end") (param $event i32) (result i32)
    (local $left i64)
    (local.set $left (i64.const {iterations}))
    (loop $again
      (br_if $again (i64.ne (local.tee $left (i64.sub (local.get $left) (i64.const 1))) (i64.const 0))))
    (call $print-event (local.get $event) (i32.const 1038) (i32.const 12) (i32.const 0))
    i32.const 0))
"#
    );
    from_wat(&wat, World::SessionEnd).unwrap()
}

/// Iterations that take about `cost` of a processor's time, whatever machine that is today, and whoever else uses it.
#[cfg(target_os = "linux")]
fn iterations_of(cost: Duration) -> u64 {
    const SAMPLE: u64 = BURN_ITERATIONS / 10;
    const CALLS: u8 = 5;
    let program = Launch::stdio().component("sample", &burns_and_prints(SAMPLE)).start().ready();
    let before = cpu::used_by(program.pid());
    for id in ids(CALLS.into()) {
        program.send([end(&id, "reset")]);
        program.line("its outcome", |line| line["event"] == "outcome" && line["session"] == *id);
    }
    let used = cpu::used_by(program.pid()) - before;
    program.kill();
    SAMPLE * u64::from(CALLS) * u64::try_from(cost.as_micros()).unwrap()
        / u64::try_from(used.as_micros()).unwrap().max(1)
}

#[cfg(target_os = "linux")]
#[test]
fn what_fits_into_the_budget_is_delivered_and_the_rest_is_deferred_and_reported() {
    const COST: Duration = Duration::from_millis(300);
    let processors = u32::try_from(std::thread::available_parallelism().unwrap().get()).unwrap();
    let launch = Launch::stdio();
    launch.write("burns.wasm", burns_and_prints(iterations_of(COST)));
    // The budget cuts, and not the plugin's deadline where others have the processors.
    let config = "[[plugin]]\nname = \"burns\"\ncomponent = \"burns.wasm\"\nlimits = { deadline = \"10s\" }\n";
    let program = launch.config(config).start().ready();
    // The row has 20 for two processors. A machine that does the work faster would be done in time, and nothing be deferred.
    let sessions = sorted(ids(20 * processors as usize));
    program.open(&sessions);
    let (used_before, ended_before, idle_before) = (cpu::used_by(program.pid()), cpu::used_by_the_ended(), cpu::idle());
    let signalled = program.signal(Signal::TERM);
    let ended = program.ended();
    let used = cpu::used_by_the_ended() - ended_before - used_before;
    let idle = cpu::idle() - idle_before;
    assert_in_time(&ended, signalled, BUDGET);
    let delivered = ended.ends("burns", "delivered");
    assert_eq!(ended.printed_ends("burns"), delivered, "each once, and as the guest counts them");
    let deferred = ended.ends("burns", "deferred(budget)");
    assert_eq!(sorted(delivered.iter().chain(&deferred).cloned()), sessions, "the rest is deferred, each once");
    let counts = ["delivered", "failed", "deferred"].map(|count| ended.drained(count));
    assert_eq!(counts, [delivered.len() as u64, 0, deferred.len() as u64]);
    assert_eq!(ended.drain()["timed_out"], true);
    assert!(ended.drain_warnings()[0].contains("burns"));
    assert_eq!(ended.code(), 3);
    // What the machine had for us went into calls that came to their end: but for the last ones, and a third, which is what
    // two processors that are one lose to each other.
    assert!(idle < BUDGET.mul_f64(0.2) * processors, "processors had nothing to do for {idle:?}");
    let worked = (u32::try_from(delivered.len()).unwrap() + processors) * COST;
    assert!(worked >= used.mul_f64(0.66), "{used:?} of CPU for {} of {COST:?}", delivered.len());
}

/// The design gives the signal 100 ms after the end of the input; here it takes 20.
#[test]
fn a_signal_soon_after_the_end_of_the_input_is_a_shutdown_and_no_crash() {
    for _ in 0..5 {
        let mut program = Launch::stdio().guest("prints").start().ready();
        program.open(ids(3));
        program.close_stdin();
        // Nothing to wait for: this is the distance between the two events.
        std::thread::park_timeout(Duration::from_millis(20));
        let ended = program.stop();
        assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"shutdown".into()));
        assert_eq!(ended.printed_ends("prints"), ids(3));
    }
}

#[test]
fn a_thousand_sessions_beside_a_spinner_all_have_their_end_within_2_1_s() {
    let program = Launch::stdio().guest("spin").guest("prints").start().ready();
    program.open(ids(1000));
    let signalled = program.signal(Signal::TERM);
    let ended = program.ended();
    assert_in_time(&ended, signalled, BUDGET);
    assert_eq!(ended.printed_ends("prints"), sorted(ids(1000)), "each once, as the guest counts it");
    assert_eq!(ended.drained("delivered"), 1000);
    assert_eq!(ended.drained("failed") + ended.drained("deferred"), 1000, "the spinner's");
    let told = ended.outcomes("spin", "session-end").count() as u64;
    assert_eq!(told + ended.drained("dropped_lines"), 1000, "each of the spinner's has an outcome");
    assert!(ended.drain_warnings().iter().any(|warning| warning.contains("spin")));
    assert_eq!(ended.code(), 3);
}

#[test]
fn the_budget_that_was_asked_for_is_kept() {
    let budget = Duration::from_millis(400);
    let launch = Launch::stdio().guest("spin").guest("sleep").guest("prints").arg("--drain-budget").arg("400ms");
    let program = launch.start().ready();
    program.open(ids(10));
    let signalled = program.signal(Signal::TERM);
    let ended = program.ended();
    assert_in_time(&ended, signalled, budget);
    assert_eq!(ended.printed_ends("prints"), ids(10));
}

#[test]
fn a_drain_does_not_use_up_a_budget_that_it_does_not_need() {
    let program = Launch::stdio().guest("prints").start().ready();
    program.open(ids(100));
    let signalled = program.signal(Signal::TERM);
    let ended = program.ended();
    let took = ended.at.duration_since(signalled);
    assert!(took < BUDGET / 4, "{took:?} for 100 ends of 20 µs");
    assert_eq!((ended.code(), ended.printed_ends("prints")), (0, ids(100)));
}

/// More lines than are kept for a reader, and nobody reads one: neither the drain nor the leaving waits.
#[test]
fn a_reader_of_stdout_that_stalls_does_not_delay_the_end() {
    let program = stdio().guest("prints").stalled_stdout().start();
    // Of each 500 bytes of id the owner would get 600 back; starting a session again calls nobody.
    let padding = "x".repeat(490);
    program.send((0..30_000).map(|n| start(&format!("{:04}-{padding}", n % 500))));
    program.send([start("last")]);
    program.log("session-start last ");
    program.log("the reader of stdout is more than 1024 answers behind");
    let signalled = program.signal(Signal::TERM);
    let ended = program.ended();
    assert_in_time(&ended, signalled, budget());
    assert_eq!((ended.code(), ended.printed_ends("prints").len()), (0, 501), "every end was made");
}

#[test]
fn a_reader_of_stderr_that_stalls_does_not_delay_the_end() {
    // A thousand lines for each session.
    let program = Launch::stdio().guest("prints-much").guest("spin").stalled_stderr().start().ready();
    program.open(ids(20));
    let signalled = program.signal(Signal::TERM);
    let ended = program.ended();
    assert_in_time(&ended, signalled, BUDGET);
    assert_eq!(ended.ends("prints-much", "delivered"), ids(20));
}

#[test]
fn an_owner_that_goes_on_writing_does_not_delay_the_end() {
    let program = Launch::stdio().guest("spin").guest("prints").start().ready();
    program.open(ids(3));
    program.send((0..200_000).map(|n| start(&format!("flood-{n}"))));
    program.line("the flood", |line| line["session"] == "flood-100");
    let signalled = program.signal(Signal::TERM);
    let ended = program.ended();
    assert_in_time(&ended, signalled, BUDGET);
    let accepted = ended.answers().iter().filter(|(_, accepted)| *accepted).count() as u64;
    assert_eq!(ended.drained("sessions"), accepted, "what was accepted is drained");
    assert_eq!(ended.drained("delivered") + ended.drained("failed") + ended.drained("deferred"), 2 * accepted);
}

/// Sessions of a dead run, four plugins, and a signal before most of it is made. One of the plugins keeps its calls.
#[test]
fn a_backlog_of_a_dead_run_leaves_in_time_with_its_line() {
    const SESSIONS: usize = 20_000;
    const GUESTS: [&str; 4] = ["sleep", "good", "retry", "good-all"];
    let home = Home::new();
    let launch = || {
        let launch = home.launch();
        GUESTS.iter().fold(launch, |launch, guest| launch.guest(guest))
    };
    let before = launch().start().ready();
    before.send((0..SESSIONS).map(|n| start(&format!("s{n}"))));
    before.count("accepted", SESSIONS);
    before.kill();
    let program = launch().start().ready();
    let signalled = program.signal(Signal::TERM);
    let ended = program.ended();
    assert_in_time(&ended, signalled, BUDGET);
    assert_eq!(ended.code(), 3);
    let [delivered, failed, deferred, dropped] =
        ["delivered", "failed", "deferred", "dropped_lines"].map(|count| ended.drained(count));
    assert!(deferred > 0, "there was no time for all of it");
    // Some are delivered between `ready` and the signal.
    let all = (GUESTS.len() * SESSIONS) as u64;
    let stderr = ended.stderr();
    let owed = stderr.split_once(" session-end deliveries are owed").and_then(|(before, _)| before.rsplit(' ').next());
    let owed: u64 = owed.expect("the log says what is owed").parse().unwrap();
    assert_eq!(failed + deferred, owed, "each that is not made counts once");
    assert!(delivered <= all - owed, "{delivered} of {all}, of which {owed} are owed");
    let told: HashSet<_> = GUESTS
        .iter()
        .flat_map(|guest| ended.outcomes(guest, "session-end").map(move |line| (*guest, line["session"].to_string())))
        .collect();
    assert!(told.len() as u64 + dropped >= all, "each has a line, or counts as one that was dropped: {}", told.len());
    assert!(!ended.stderr().contains("did not return"), "{}", ended.stderr());
}

#[track_caller]
fn assert_left_at_once(program: Program, signalled: Instant) {
    let ended = program.ended();
    let took = ended.at.duration_since(signalled);
    assert!(took <= AT_ONCE, "left {took:?} after the signal");
    assert_eq!(ended.code(), 0, "nothing was accepted, so nothing is owed");
    assert!(ended.lines.is_empty(), "{:?}", ended.lines);
}

/// The configuration comes through a pipe, and is being read when more was written than a pipe holds.
#[test]
fn a_signal_before_ready_leaves_at_once_while_the_configuration_is_read() {
    let (theirs, mut ours) = std::io::pipe().unwrap();
    let program = Launch::stdio().arg("--config").arg("-").input_stdio(theirs).start();
    ours.write_all("# A comment.\n".repeat(16_000).as_bytes()).unwrap();
    let signalled = program.signal(Signal::TERM);
    assert_left_at_once(program, signalled);
}

/// A component with so much code that it takes seconds to compile.
#[cfg(target_os = "linux")]
fn large_component() -> Vec<u8> {
    let mut wat = String::from("(module\n;; include: memory\n");
    for n in 0..4_000 {
        wat.push_str(&format!("(func $f{n} (param i32 i32) (result i32) (local i32 i32)\n"));
        for step in 0..12 {
            wat.push_str(&format!(
                "(local.set 2 (i32.xor (i32.mul (local.get 0) (i32.const {n})) (i32.rotl (local.get 1) (local.get 2))))
                 (if (i32.lt_s (local.get 2) (local.get 3)) (then (local.set 3 (i32.load offset={step} (local.get 1)))))"
            ));
        }
        wat.push_str("(i32.add (local.get 2) (local.get 3)))\n");
    }
    wat.push_str("(func (export \"session-end\") (param i32) (result i32) i32.const 0))\n");
    from_wat(&wat, World::SessionEnd).unwrap()
}

/// The compiler is a process of its own, and leaves with the program.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_before_ready_leaves_at_once_while_a_plugin_is_compiled() {
    let program = Launch::stdio().arg("--no-cache").component("large", &large_component()).start();
    program.send([start("never-accepted")]);
    // Compiling takes ten times as much.
    let compiler = program.child_that_used_cpu(Duration::from_millis(200));
    // Terminals send a signal to both. It is no reason for the compiler to fail, and with it the program.
    compiler.signal(Signal::INT);
    let compiler = program.child_that_used_cpu(Duration::from_millis(300));
    let signalled = program.signal(Signal::TERM);
    assert_left_at_once(program, signalled);
    compiler.ended();
}

/// A supervisor that reads the exit code must know that somebody waits.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_before_ready_says_that_an_earlier_run_owes_something() {
    let home = Home::new();
    let launch = || home.launch();
    let before = launch().guest("prints").start().ready();
    before.open(ids(2));
    before.kill();
    let program = launch().arg("--no-cache").component("large", &large_component()).start();
    let compiler = program.child_that_used_cpu(Duration::from_millis(200));
    let ended = program.stop();
    assert_eq!((ended.code(), ended.lines.len()), (3, 0), "{}", ended.stderr());
    compiler.ended();
    let next = launch().guest("prints").start().ready();
    next.count("outcome", 2);
    assert_eq!(next.stop().code(), 0, "and then nothing is owed");
}

fn let_pass(time: Duration) {
    let over = Instant::now() + time;
    while let Some(left) = over.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

/// As a supervisor does that has less patience than our budget.
#[test]
fn a_supervisor_that_kills_1600_ms_after_its_interrupt_finds_the_drain_done_or_loses_nothing() {
    const PATIENCE: Duration = Duration::from_millis(1600);
    for hostile in [false, true] {
        let home = Home::new();
        let launch = home.stdio().guest("prints");
        // One that never comes back, with a deadline beyond the budget: the drain is not over when it is killed.
        let config = "[[plugin]]\nname = \"sleeper\"\ncomponent = \"sleep.wasm\"\nlimits = { deadline = \"10m\" }\n";
        let launch = launch.arg("--journal").arg(home.path().join("journal.db"));
        let program = if hostile { launch.with_guest("sleep").config(config) } else { launch }.start().ready();
        program.open(ids(3));
        let signalled = program.signal(Signal::INT);
        let_pass(PATIENCE);
        program.signal_if_alive(Signal::KILL);
        let ended = program.ended();
        assert_eq!(ended.was_killed(), hostile);
        assert_eq!(ended.printed_ends("prints"), ids(3), "whatever the other one does");
        if !hostile {
            assert!(ended.at.duration_since(signalled) < PATIENCE);
            assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"shutdown".into()));
            continue;
        }
        let launch = home.launch().guest("prints");
        launch.write("sleep.wasm", lastword_test_guests::component("good"));
        let next = launch.config(config).start().ready();
        let owed = |line: &serde_json::Value| line["plugin"] == "sleeper" && line["hook"] == "session-end";
        let mut told = 0;
        next.line("the third of its ends", |line| {
            told += usize::from(owed(line));
            told == 3
        });
        let next = next.stop();
        assert_eq!((next.code(), next.ends("sleeper", "delivered")), (0, ids(3)));
        assert!(next.outcomes("sleeper", "session-end").all(|line| line["reason"] == "shutdown"));
    }
}
