//! What the tests of the whole runtime share: a [`House`] with plugins in it, and an ear for what guests print.

mod held;
mod house;
pub mod machine;
mod printed;

pub use held::{HeldJournal, held};
pub use house::{House, HouseBuilder, Seen, burn};
pub use printed::printed;
