//! The command line of what connects owners with the daemon: `install`, `uninstall` and `doctor`.

use std::path::PathBuf;

use clap::Args;
use lastword_protocol::owners::InputFormat;

use super::SocketArgs;

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,

    /// The program that the hooks run, under a name that ends in `lastword` [default: this one]
    #[arg(long, value_name = "PATH")]
    pub(crate) command: Option<PathBuf>,

    /// The socket that the hooks talk to [default: that of `lastword serve`]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// Whose hooks, and where.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// The agent whose hooks they are
    #[arg(value_enum, value_name = "OWNER")]
    pub(crate) owner: InputFormat,

    /// The hooks of a project rather than the user's own; without DIR of the folder here
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = ".")]
    pub(crate) project: Option<PathBuf>,

    /// Say what would be written, and change nothing
    #[arg(long)]
    pub(crate) print: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The owners to look at [default: those that are on this machine]
    #[arg(value_enum, value_name = "OWNER")]
    pub(crate) owners: Vec<InputFormat>,

    /// The hooks of a project rather than the user's own; without DIR of the folder here
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = ".")]
    pub(crate) project: Option<PathBuf>,

    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) socket: SocketArgs,
}
