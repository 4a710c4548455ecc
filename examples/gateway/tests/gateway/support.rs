//! What the tests share: a gateway's home, the program in it, clients, and what a scrape says.

mod client;
mod home;
mod load;
mod program;
mod scrape;

pub(crate) use client::Client;
pub(crate) use home::Home;
pub(crate) use load::{for_each, until};
pub(crate) use program::Program;
