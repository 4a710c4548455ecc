//! A system that lets no memory become executable.

use super::{COMMANDS, assert_refused, command, twenty_ends};
use crate::support::{Home, Launch};

/// Forbids memory that is made executable, for itself and what it becomes: `PR_SET_MDWE`, `PR_MDWE_REFUSE_EXEC_GAIN`.
const MDWE: &str =
    "import ctypes, os, sys; assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0; os.execvp(sys.argv[1], sys.argv[1:])";

fn without_new_code(launch: Launch) -> Launch {
    launch.through(["python3", "-c", MDWE])
}

#[test]
fn where_code_cannot_be_made_executable_it_does_not_start_and_names_the_policy() {
    let ended = without_new_code(twenty_ends()).run();
    assert_refused(&ended, "MDWE", &["does not let the program run code", "MemoryDenyWriteExecute", "SELinux"]);
    // Not only the first time, when it is compiled.
    let home = Home::new();
    let warm = home.stdio().guest("prints").run();
    assert_eq!(warm.code(), 0, "{}", warm.stderr());
    let ended = without_new_code(home.stdio().guest("prints")).run();
    assert_refused(&ended, "MDWE, with the code in the cache", &["MemoryDenyWriteExecute"]);
}

#[test]
fn every_command_that_loads_a_plugin_says_so_and_does_not_blame_the_plugin() {
    for name in COMMANDS {
        let ended = without_new_code(command(name)).run();
        assert_eq!(ended.code(), 2, "{name}: {}", ended.stderr());
        assert!(ended.stderr().contains("MemoryDenyWriteExecute"), "{name}: {}", ended.stderr());
        assert!(!ended.stdout().contains("does not fit"), "{name}: {}", ended.stdout());
    }
}
