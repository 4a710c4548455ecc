//! The resources of this machine, or of the container that the process is in.

use std::thread::available_parallelism;

use rustix::process::{Resource, getrlimit};

/// The resources that bound the calls at once. `None` where the system sets no bound, or does not report one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// Bytes of memory that the process can have.
    pub(crate) memory: Option<u64>,
    /// Mappings that it may have.
    pub(crate) mappings: Option<u64>,
    /// Files that it may have open.
    pub(crate) descriptors: Option<u64>,
    /// Bytes of address space that it may still take.
    pub(crate) address_space: Option<u64>,
    /// Whether the kernel gives the process huge pages wherever it can.
    pub(crate) huge_pages: bool,
    /// Processors that it may use.
    pub(crate) processors: u32,
}

impl Machine {
    /// The resources now.
    pub(crate) fn found() -> Self {
        Self {
            memory: memory(),
            mappings: read("/proc/sys/vm/max_map_count").and_then(|text| text.trim().parse().ok()),
            descriptors: getrlimit(Resource::Nofile).current,
            address_space: getrlimit(Resource::As).current.map(|most| most.saturating_sub(address_space_in_use())),
            huge_pages: huge_pages(),
            processors: processors(),
        }
    }
}

/// Processors that the process may use.
pub(crate) fn processors() -> u32 {
    available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
}

/// Bytes of memory that the process can have: the machine's, or its control group's limit if that is less. `None` where the system
/// reports neither.
pub(crate) fn memory() -> Option<u64> {
    [of_machine(), of_control_group()].into_iter().flatten().min()
}

/// Whether the kernel makes pages huge that no program asked for.
fn huge_pages() -> bool {
    let always = read("/sys/kernel/mm/transparent_hugepage/enabled").is_some_and(|modes| modes.contains("[always]"));
    // An old kernel does not report whether the process has disabled them.
    always && read("/proc/self/status").is_none_or(|status| !has_disabled_huge_pages(&status))
}

fn has_disabled_huge_pages(status: &str) -> bool {
    status.lines().any(|line| line.strip_prefix("THP_enabled:").is_some_and(|value| value.trim() == "0"))
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn of_machine() -> Option<u64> {
    bytes_in("/proc/meminfo", "MemTotal:")
}

/// 0 where the system does not report it.
fn address_space_in_use() -> u64 {
    bytes_in("/proc/self/status", "VmSize:").unwrap_or(0)
}

/// The value in kB on the file's line with this name, in bytes.
fn bytes_in(path: &str, name: &str) -> Option<u64> {
    let text = read(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The control group's limit. In version 2 it is the least limit of the group and of the groups that contain it. Otherwise it is the
/// limit of version 1 as containers see it.
fn of_control_group() -> Option<u64> {
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let nested = std::path::Path::new(own).ancestors();
    let paths = nested.map(|group| format!("/sys/fs/cgroup{}/memory.max", group.display()));
    let paths = paths.chain(["/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned()]);
    paths.filter_map(|path| read(&path)?.trim().parse().ok()).min()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_machine_says_what_it_has() {
        let memory = memory().unwrap();
        assert!(memory <= of_machine().unwrap());
        assert!((1 << 24..1 << 50).contains(&memory), "{memory}");
        let found = Machine::found();
        assert!(found.mappings.unwrap() > 0 && found.descriptors.is_none_or(|files| files > 0), "{found:?}");
        assert!(address_space_in_use() > 1 << 20);
    }

    #[test]
    fn a_process_says_whether_it_has_disabled_huge_pages() {
        for (status, disabled) in
            [("CoreDumping:\t0\nTHP_enabled:\t0\n", true), ("THP_enabled:\t1\n", false), ("Threads:\t0\n", false)]
        {
            assert_eq!(has_disabled_huge_pages(status), disabled, "{status}");
        }
    }
}
