use std::process::{Command, Stdio};

use super::*;

/// The content of `/proc/self/fdinfo` for a pidfd, as of Linux 6.18.
fn fdinfo(numbers: &str) -> String {
    format!("pos:\t0\nflags:\t02000002\nmnt_id:\t16\nino:\t4242\n{numbers}")
}

#[test]
fn only_who_has_one_number_here_is_in_this_namespace() {
    let of = |numbers| namespace_in(&fdinfo(numbers), 4242);
    assert_eq!(of("Pid:\t4242\nNSpid:\t4242\n"), PidNamespace::Ours { pid: 4242 });
    assert_eq!(of("Pid:\t4242\nNSpid:\t4242\t1\n"), PidNamespace::Other);
    assert_eq!(of("Pid:\t4242\nNSpid:\t4242\t77\t1\n"), PidNamespace::Other);
    assert_eq!(of("Pid:\t0\nNSpid:\t0\n"), PidNamespace::Other);
    assert_eq!(of("Pid:\t-1\nNSpid:\t-1\n"), PidNamespace::Unknown);
    assert_eq!(of("Pid:\t-1\n"), PidNamespace::Unknown);
    // Another process has the socket's pid.
    assert_eq!(of("Pid:\t4243\nNSpid:\t4243\n"), PidNamespace::Other);
}

#[test]
fn a_kernel_that_does_not_say_the_namespace_is_taken_for_none_of_ours() {
    assert_eq!(namespace_in(&fdinfo("Pid:\t4242\n"), 4242), PidNamespace::Other);
    assert_eq!(namespace_in(&fdinfo(""), 4242), PidNamespace::Unknown);
}

#[test]
fn a_kernel_that_knows_a_peer_by_its_number_finds_it_by_that() {
    let found = |pid| {
        let pidfd = pidfd_of_number(pid).unwrap()?;
        let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
        Some(namespace_in(&proc_files::read_always(&path).unwrap(), pid))
    };
    let own = std::process::id();
    assert_eq!(found(own), Some(PidNamespace::Ours { pid: own }));
    let mut gone = Command::new("cat").stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    gone.wait().unwrap();
    assert_eq!(found(gone.id()), None);
}
