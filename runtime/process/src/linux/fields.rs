//! Parses files of `/proc`: proc_pid_stat(5), proc_pid_status(5), proc_pid_fdinfo(5).

/// Reads field 22 of `stat`: the start time, in clock ticks since the boot.
pub(super) fn start_time(stat: &str) -> Option<u64> {
    field(stat, 22)?.parse().ok()
}

/// Reads field 4 of `stat`: the process's parent. 0 means that the parent is in another pid namespace, or that there is
/// none.
pub(super) fn parent(stat: &str) -> Option<u32> {
    field(stat, 4)?.parse().ok().filter(|parent| *parent != 0)
}

/// Returns a field of `stat` after the second, counted from 1. The second is the program's name, which may contain
/// blanks and brackets; no later field has a bracket.
fn field(stat: &str, number: usize) -> Option<&str> {
    const FIRST_BEHIND_THE_NAME: usize = 3;
    let (_, behind_the_name) = stat.rsplit_once(')')?;
    behind_the_name.split_ascii_whitespace().nth(number.checked_sub(FIRST_BEHIND_THE_NAME)?)
}

/// Reads the effective user: the second number of `status`'s line `Uid:`.
pub(super) fn effective_uid(status: &str) -> Option<u32> {
    line(status, "Uid:")?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Reads a process's pids in the pid namespace of `/proc` and in those below it, the process's own one last. For a
/// process that is gone, or that has no pid there, this is a single number below 1.
pub(super) fn numbers_in_namespaces(file: &str) -> Option<Vec<i32>> {
    line(file, "NSpid:")?.split_ascii_whitespace().map(|number| number.parse().ok()).collect()
}

/// Reads the pid of a pidfd's process: −1 if it is gone, 0 if it is in no namespace that `/proc` shows.
pub(super) fn pid_of_pidfd(fdinfo: &str) -> Option<i32> {
    line(fdinfo, "Pid:")?.trim().parse().ok()
}

/// Whether a `uid_map` maps every user onto itself, as in the first user namespace.
pub(super) fn maps_everybody(uid_map: &str) -> bool {
    uid_map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

fn line<'a>(file: &'a str, name: &str) -> Option<&'a str> {
    file.lines().find_map(|line| line.strip_prefix(name))
}

#[cfg(test)]
mod tests;
