//! Which process has a number.

use std::{fs, thread};

use lastword_process::{Gone, Proc, Process, ProcessError, agent_of, ancestors};

use crate::support::{Running, again, is_the_other};

#[track_caller]
fn assert_gone(process: &Result<Process, ProcessError>, expected: Gone) {
    assert!(matches!(process, Err(ProcessError::Gone { gone, .. }) if *gone == expected), "{process:?}");
}

#[test]
fn a_process_is_its_number_its_start_and_its_boot() {
    let (one, other) = (Running::cat(), Running::cat());
    let process = one.process();
    assert_eq!(process, one.process());
    assert_ne!(process, other.process());
    assert_eq!(process.pid, one.pid());
    assert_eq!(process.boot_id, fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim());
    let stat = fs::read_to_string(format!("/proc/{}/stat", one.pid())).unwrap();
    assert_eq!(process.start_time.to_string(), stat.split(' ').nth(21).unwrap());
    assert!(process.is_alive().unwrap());
    assert_eq!(Process::current().unwrap().pid, std::process::id());
}

#[test]
fn a_process_is_the_same_from_json() {
    let process = Process::current().unwrap();
    let json = serde_json::to_value(&process).unwrap();
    assert_eq!(json["pid"], process.pid);
    assert_eq!(json["start_time"], process.start_time);
    assert_eq!(json["boot_id"], process.boot_id);
    assert_eq!(serde_json::from_value::<Process>(json).unwrap(), process);
}

#[test]
fn a_dead_process_is_gone() {
    let running = Running::cat();
    let process = running.process();
    let number = running.reap();
    assert_gone(&Process::of(number), Gone::NoProcess);
    assert!(!process.is_alive().unwrap());
}

#[test]
fn a_zombie_is_gone_though_it_has_its_number() {
    let running = Running::cat();
    let process = running.process();
    let zombie = running.into_zombie();
    assert_gone(&Process::of(zombie.pid()), Gone::Zombie);
    assert!(!process.is_alive().unwrap());
}

#[test]
fn who_has_the_number_now_is_not_who_had_it() {
    let running = Running::cat();
    let before = Process { start_time: running.process().start_time - 1, ..running.process() };
    assert!(!before.is_alive().unwrap());
    let other_boot = Process { boot_id: "another".into(), ..running.process() };
    assert!(!other_boot.is_alive().unwrap());
    assert!(running.process().is_alive().unwrap());
}

#[test]
fn a_number_that_no_process_can_have_is_no_death() {
    for pid in [0, 1 << 31, u32::MAX] {
        assert!(matches!(Process::of(pid), Err(ProcessError::NotAPid { pid: said }) if said == pid));
        let process = Process { pid, ..Process::current().unwrap() };
        assert!(matches!(process.is_alive(), Err(ProcessError::NotAPid { .. })));
    }
}

#[test]
fn a_thread_is_no_process() {
    let thread = thread::spawn(|| {
        let own = fs::read_link("/proc/thread-self").unwrap();
        let number: u32 = own.file_name().unwrap().to_str().unwrap().parse().unwrap();
        Process::of(number)
    });
    let process = thread.join().unwrap();
    assert!(matches!(process, Err(ProcessError::Thread { .. })), "{process:?}");
}

#[test]
fn an_agent_is_found_through_the_shells_of_its_hook() {
    if is_the_other() {
        println!("agent {}", agent_of(&Proc, std::process::id(), None).unwrap());
        return;
    }
    let test = "identity::an_agent_is_found_through_the_shells_of_its_hook";
    // The second command keeps a shell from executing the first in its place.
    let script = "sh -c '\"$0\" \"$@\"; true' \"$0\" \"$@\"; true";
    let mut hook = Running::start(&mut again(test, &["sh", "-c", script]));
    assert_eq!(hook.heard("agent "), std::process::id().to_string());
    hook.passed();
}

#[test]
fn ancestors_begin_with_the_parent() {
    let running = Running::cat();
    assert_eq!(ancestors(&Proc, running.pid()).first(), Some(&std::process::id()));
    let number = running.reap();
    assert_eq!(ancestors(&Proc, number), [0; 0]);
}
