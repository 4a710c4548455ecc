//! The journal on disk: what was accepted outlives the program, whatever ends it, and whatever the disk does.

#[cfg(target_os = "linux")]
mod faults;
mod files;
mod foreign_files;
#[cfg(target_os = "linux")]
mod full;
mod kill;
mod owner;
mod path;
mod promises;
mod recovery;
mod scenario;
mod seed;
#[cfg(target_os = "linux")]
mod slow;
#[cfg(target_os = "linux")]
mod suspects;
