use super::*;

/// The content of `stat`, as of Linux 6.18, for a program with this name.
fn stat(name: &str) -> String {
    format!(
        "4242 ({name}) S 4200 4242 4242 34816 4242 4194304 1101 0 0 0 1 2 0 0 20 0 1 0 81234 5734400 921 18446744073709551615 \
         1 1 0 0 0 0 65536 3686404 1266761467 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    )
}

#[test]
fn a_program_cannot_write_into_the_fields_behind_its_name() {
    for name in ["bash", "", "a b", "((", ")", "x) Z 1 1 1 1 1 1 1 1", "\n", "\u{fffd}"] {
        assert_eq!(start_time(&stat(name)), Some(81234), "{name:?}");
        assert_eq!(parent(&stat(name)), Some(4200), "{name:?}");
    }
}

#[test]
fn a_stat_that_is_cut_off_says_nothing() {
    let whole = stat("bash");
    assert_eq!(start_time(whole.split_once(" 81234").unwrap().0), None);
    for nonsense in ["", "4242", "4242 (bash", "4242 (bash)", "4242 (bash) S"] {
        assert_eq!((start_time(nonsense), parent(nonsense)), (None, None), "{nonsense:?}");
    }
}

#[test]
fn who_has_no_parent_here_has_none() {
    assert_eq!(parent("1 (init) S 0 1 1 0 -1 4194560"), None);
}

const STATUS: &str = "Name:\tbash\nTgid:\t4242\nPid:\t4242\nUid:\t1000\t1001\t1002\t1003\nNSpid:\t4242\t7\n";

#[test]
fn the_user_is_the_effective_one() {
    assert_eq!(effective_uid(STATUS), Some(1001));
    assert_eq!(effective_uid("Name:\tbash\n"), None);
    assert_eq!(effective_uid("Uid:\t1000\n"), None);
}

#[test]
fn numbers_stand_in_the_order_of_namespaces() {
    assert_eq!(numbers_in_namespaces(STATUS), Some(vec![4242, 7]));
    assert_eq!(numbers_in_namespaces("NSpid:\t0\n"), Some(vec![0]));
    assert_eq!(numbers_in_namespaces("NSpid:\tx\n"), None);
    assert_eq!(numbers_in_namespaces("pos:\t0\nPid:\t-1\n"), None);
}

#[test]
fn a_pidfd_whose_process_is_gone_says_so() {
    assert_eq!(pid_of_pidfd("pos:\t0\nflags:\t02000002\nmnt_id:\t15\nPid:\t-1\n"), Some(-1));
    assert_eq!(pid_of_pidfd("pos:\t0\nPid:\t4242\nNSpid:\t4242\n"), Some(4242));
    assert_eq!(pid_of_pidfd("pos:\t0\n"), None);
}

#[test]
fn only_the_first_user_namespace_maps_everybody() {
    assert!(maps_everybody("         0          0 4294967295\n"));
    assert!(!maps_everybody("         0       1000          1\n"));
    assert!(!maps_everybody("         0     100000      65536\n"));
    assert!(!maps_everybody("0 1000 1\n1 100000 65536\n"));
    assert!(!maps_everybody(""));
}
