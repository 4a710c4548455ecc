//! The tables of a journal: how they are made or migrated, and how it is known that they are ours.

mod create;
mod migrate;
mod shape;

pub(crate) use self::create::{create, is_empty, version};
pub(crate) use self::migrate::migrate;
pub(crate) use self::shape::misfit;
