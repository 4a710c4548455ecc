//! The program itself, run as an owner or a person runs it: real pipes, real signals, real components.
//!
//! One module a subject; `support` has the process. Whatever asserts a time is in `timed`, which the test runner runs
//! alone. C and W in a test's name are the rows of the design that it checks; W6 is the owner's side of the bargain.

#[cfg(test)]
mod authors;
#[cfg(test)]
mod captured;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod compiling;
#[cfg(test)]
mod config;
#[cfg(test)]
mod docs;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod environments;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod grants;
#[cfg(test)]
mod inherited;
#[cfg(test)]
mod input;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod journal;
#[cfg(all(test, target_os = "linux"))]
mod memory;
#[cfg(test)]
mod operate;
#[cfg(test)]
mod output;
#[cfg(test)]
mod owners;
#[cfg(test)]
mod plugins;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod support;
// Only Linux tells who sent a signal.
#[cfg(all(test, target_os = "linux"))]
mod terminal;
#[cfg(test)]
mod timed;
#[cfg(test)]
mod whose;
