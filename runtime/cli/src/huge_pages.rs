//! Huge pages, of which a program with thousands of slots must have none.
//!
//! Where the kernel makes each page a huge one that it can (`always` in `/sys/kernel/mm/transparent_hugepage/enabled`), the first entry of
//! a guest's table takes 2 MiB, because the tables of all slots are one mapping: 4 096 small guests would have 8 GiB.

/// Has the kernel give this process ordinary pages, whatever the machine is set to. Processes that it starts have them too. Where
/// that is refused nothing changes, and the sandbox counts on huge ones.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe function of a library does this")]
pub(crate) fn refuse() {
    let (yes, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: this option takes integers only, and changes nothing but what kind of pages the process is given from now on.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, yes, unused, unused, unused) };
}

/// Only Linux has them.
#[cfg(not(target_os = "linux"))]
pub(crate) fn refuse() {}
