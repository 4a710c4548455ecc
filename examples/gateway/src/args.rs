//! What the program is told when it is started.

use std::net::SocketAddr;
use std::path::PathBuf;

/// The first argument of this program where it is the process that compiles a plugin.
pub const COMPILE_PLUGIN: &str = "compile-plugin";

/// An agent gateway with lastword inside
#[derive(Debug, clap::Parser)]
#[command(name = "lastword-gateway")]
pub struct Args {
    /// Folder of the journal and of compiled code; made when it is missing
    #[arg(long)]
    pub data: PathBuf,
    /// Folder of the plugins, NAME.wasm for every tenant and TENANT/NAME.wasm for one; made when it is missing
    #[arg(long)]
    pub plugins: PathBuf,
    /// Where sessions are started and ended; with port 0 the system picks one
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where operators ask and change things. Whoever reaches it may do everything
    #[arg(long, default_value = "127.0.0.1:8081")]
    pub operators: SocketAddr,
}
