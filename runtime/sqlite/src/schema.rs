//! The tables of a journal: makes or migrates them, and checks that they are ours.

mod create;
mod migrate;
mod shape;

pub(crate) use self::create::{create, is_empty, version};
pub(crate) use self::migrate::migrate;
pub(crate) use self::shape::misfit;
