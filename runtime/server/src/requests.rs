//! Reads owners' requests, hands them to the runtime, and answers them.

mod answered;
mod answering;
mod inputs;
mod intake;

pub use answered::{Answered, ask, refused_line};
pub(crate) use answered::{end_request, op_of};
pub(crate) use inputs::{Inputs, owner_kind};
pub(crate) use intake::{Source, is_kind, take_in, take_in_other};
