//! Breaks the file layer under a program: a library for `LD_PRELOAD` that stands in front of C's file functions.
//!
//! [`lastword_faults`](../lastword_faults/index.html) says what it does, starts programs under it, and is what tests
//! use. On other systems than Linux there is nothing in it.
//!
//! Two rules keep it from breaking what it should not: calls on files that are not watched take no lock and allocate
//! nothing, and what it does to files itself (`own`) goes around the functions that it stands in front of.

#[cfg(target_os = "linux")]
mod config;
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "C's functions are defined here, under their own names")]
mod hooks;
#[cfg(target_os = "linux")]
mod operation;
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "files, without the functions that others may have defined anew")]
mod own;
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the functions behind ours can be found by name only")]
mod real;
#[cfg(target_os = "linux")]
mod shadow;
#[cfg(target_os = "linux")]
mod watched;
