//! The journal on disk: what was accepted outlives the program, whatever ends it, and whatever the disk does.

mod drawn;
mod kill;
mod owner;
mod reports;
mod story;
