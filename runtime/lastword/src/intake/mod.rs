//! What becomes of an owner's request.
//!
//! A request joins its session's order when it is made, and is carried out whether or not anyone waits for the answer. First it is decided,
//! by what the set knows. Then it is written down, and only then it takes effect. So a plugin never hears of something that a crash could
//! hide, and a request that cannot be written down changes nothing.

mod compaction;
mod end;
mod known_op;
mod merge;
mod register;
mod registration;
mod replace;
mod request_future;
mod requested_end;
mod seen;
mod start;
mod update;

pub(crate) use compaction::compaction;
pub(crate) use end::end;
pub(crate) use known_op::knows_end;
pub(crate) use register::{KnownAs, cancel_end, register_end};
pub(crate) use replace::replace;
pub(crate) use request_future::{ObservedRequest, RequestFuture};
pub(crate) use requested_end::requested_end;
pub(crate) use seen::seen;
pub(crate) use start::start;
pub(crate) use update::update;
