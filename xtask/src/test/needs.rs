//! What some tests need of a machine, besides what the demo needs. A test whose need is not met is left out, and that is
//! said with its reason; a need is tried as the tests use it, because a program that is there may not be allowed to work.

use std::path::Path;
use std::process::{Command, Stdio};

/// Something that a machine may lack.
#[derive(Clone, Copy)]
pub(super) struct Need {
    /// What it is, and who has it.
    what: &'static str,
    /// Tests of the program that need it: modules, or a test alone.
    tests: &'static [&'static str],
    is_met: fn() -> bool,
}

/// What tests need that only Linux has.
const NEEDS: [Need; 7] = [
    Need {
        what: "a terminal can be made (/dev/ptmx)",
        tests: &["terminal", "inherited::a_scripts_background_job_outlives_ctrl_c_on_the_script"],
        is_met: terminals,
    },
    Need {
        what: "a user's processes can be limited (setpriv for root, unshare and user namespaces for others, prlimit)",
        tests: &["environments::threads"],
        is_met: limited_users,
    },
    Need {
        what: "files' modes count (setpriv for root)",
        tests: &["journal::files::a_journal_that_can_only_be_read_is_refused_and_left_as_it_is"],
        is_met: modes_count,
    },
    Need { what: "taskset, of util-linux", tests: &["environments::processors"], is_met: one_processor },
    Need {
        what: "python3 with ctypes, and Linux 6.3, for memory that cannot be made executable",
        tests: &["environments::executable"],
        is_met: no_new_code,
    },
    Need {
        what: "address space without a limit (ulimit -v)",
        tests: &["environments::address_space"],
        is_met: address_space,
    },
    Need {
        what: "glibc's dynamic loader, of x86-64 or ARM64",
        tests: &["environments::itself::a_program_that_was_started_through_the_dynamic_loader_compiles"],
        is_met: dynamic_loader,
    },
];

/// What tests need that other systems have as well.
const NEEDS_ANYWHERE: [Need; 1] = [Need {
    what: "python3, in which the plugin of Hermes Agent runs",
    tests: &["install::hermes", "install::hermes_killed"],
    is_met: python,
}];

/// The needs that this machine does not meet.
pub(super) fn lacking() -> Vec<Need> {
    let of_linux = NEEDS.into_iter().filter(|_| cfg!(target_os = "linux"));
    of_linux.chain(NEEDS_ANYWHERE).filter(|need| !(need.is_met)()).collect()
}

/// Everything but the tests of these needs, as nextest's filter.
pub(super) fn filter(lacking: &[Need]) -> Option<String> {
    let tests: Vec<_> = lacking.iter().flat_map(|need| need.tests).copied().collect();
    // A module's tests, or the test of that name.
    (!tests.is_empty()).then(|| format!("not (binary(program) & test(/^({})(::|$)/))", tests.join("|")))
}

/// One line: what is left out, and why.
pub(super) fn summary(lacking: &[Need]) -> Option<String> {
    let each = lacking.iter().map(|need| format!("{} (it takes: {})", need.tests.join(", "), need.what));
    let each: Vec<_> = each.collect();
    (!each.is_empty()).then(|| format!("left out, for what this machine lacks: {}", each.join("; ")))
}

fn works(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

pub(super) fn terminals() -> bool {
    std::fs::OpenOptions::new().read(true).write(true).open("/dev/ptmx").is_ok()
}

/// Hosts that are network namespaces, as `tests/cluster` makes them.
pub(super) fn hosts() -> bool {
    let host = "ip link add lan type bridge && ip link add host type veth peer name eth0";
    cfg!(target_os = "linux") && works("unshare", &["--net", "sh", "-c", host])
}

/// As `environments::threads` does it.
fn limited_users() -> bool {
    let limited = ["prlimit", "--nproc=16", "true"];
    let all = "+dac_override";
    let as_root = ["--reuid=100000", "--regid=100000", "--clear-groups", "--inh-caps", all, "--ambient-caps", all];
    let as_others = ["--user", "--map-root-user"];
    if rustix::process::geteuid().is_root() {
        works("setpriv", &[as_root.as_slice(), &limited].concat())
    } else {
        works("unshare", &[as_others.as_slice(), &limited].concat())
    }
}

/// As `journal::files` does it.
fn modes_count() -> bool {
    !rustix::process::geteuid().is_root() || works("setpriv", &["--bounding-set=-dac_override", "true"])
}

fn one_processor() -> bool {
    works("taskset", &["-c", "0", "true"])
}

/// As `environments::executable` does it.
fn no_new_code() -> bool {
    works("python3", &["-c", "import ctypes; assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0"])
}

fn python() -> bool {
    works("python3", &["--version"])
}

fn address_space() -> bool {
    works("sh", &["-c", "test \"$(ulimit -v)\" = unlimited"])
}

fn dynamic_loader() -> bool {
    let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib64/ld-linux-aarch64.so.1"];
    loaders.into_iter().any(|loader| Path::new(loader).exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository;

    #[test]
    fn a_need_names_tests_that_are_there() {
        let folder = repository::root().join("runtime/cli/tests/program");
        for test in NEEDS.iter().chain(&NEEDS_ANYWHERE).flat_map(|need| need.tests) {
            let is_module = folder.join(test.replace("::", "/")).with_extension("rs").is_file();
            let is_test = test.rsplit_once("::").is_some_and(|(module, name)| {
                let file = folder.join(module.replace("::", "/")).with_extension("rs");
                std::fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("fn {name}()")))
            });
            assert!(is_module || is_test, "runtime/cli/tests/program has no {test}");
        }
    }

    #[test]
    fn what_a_machine_lacks_is_left_out_and_said_in_one_line() {
        assert_eq!((filter(&[]), summary(&[])), (None, None));
        let need = |what, tests| Need { what, tests, is_met: || false };
        let lacking = [need("a bell", &["rings", "doors::open"]), need("a moon", &["tides"])];
        assert_eq!(filter(&lacking).unwrap(), "not (binary(program) & test(/^(rings|doors::open|tides)(::|$)/))");
        let said = summary(&lacking).unwrap();
        assert!(said.contains("rings, doors::open (it takes: a bell); tides (it takes: a moon)"), "{said}");
        assert!(!said.contains('\n'), "{said}");
    }
}
