//! Disables huge pages, which a program with thousands of slots must not use.
//!
//! If the kernel uses a huge page wherever it can (`always` in `/sys/kernel/mm/transparent_hugepage/enabled`), the
//! first entry of a guest's table takes 2 MiB, because the tables of all slots are one mapping: 4 096 small guests
//! would take 8 GiB.

/// Makes the kernel give this process and its children ordinary pages, whatever the machine's setting. If the kernel
/// refuses, nothing changes, and the sandbox calculates with huge pages.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe function of a library does this")]
pub(crate) fn refuse() {
    let (yes, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: this option takes integers only, and changes nothing but what kind of pages the process is given from now on.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, yes, unused, unused, unused) };
}

/// Nothing to do: only Linux has this setting.
#[cfg(not(target_os = "linux"))]
pub(crate) fn refuse() {}
