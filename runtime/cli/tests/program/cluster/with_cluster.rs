//! With three real NATS servers.

mod hosts;
mod inspected;
mod owner;
mod servers;
mod stand_in;
mod told;
mod under_load;
mod upgrade;
mod watched;
