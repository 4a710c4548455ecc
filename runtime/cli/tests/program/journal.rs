//! The journal on disk: what was accepted outlives the program, whatever ends it, and whatever the disk does.

mod drawn;
#[cfg(target_os = "linux")]
mod faults;
mod files;
mod foreign;
#[cfg(target_os = "linux")]
mod full;
mod kill;
mod owner;
mod place;
mod promises;
mod recovery;
mod reports;
mod scenario;
#[cfg(target_os = "linux")]
mod slow;
#[cfg(target_os = "linux")]
mod suspects;
