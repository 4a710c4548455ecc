//! `lastword install`, `uninstall` and `doctor`, in the home of a user who is made up.

mod codex;
mod doctor;
mod hermes;
#[cfg(target_os = "linux")]
mod hermes_killed;
#[cfg(target_os = "linux")]
mod killed;
mod merged;
mod opencode;
#[cfg(target_os = "linux")]
mod opencode_killed;
mod own_files;
mod user;
