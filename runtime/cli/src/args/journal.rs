//! The command line of what looks into a journal: `sessions`, `deliveries`, `redeliver`, `drop`, `forget` and `journal`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use lastword_events::{DeliveryId, JournalName};

use super::OperatorArgs;

/// The journal, named as for `stdio`.
#[derive(Debug, Args)]
pub(crate) struct JournalArgs {
    /// The configuration whose journal it is
    #[arg(long, value_name = "lastword.toml")]
    pub(crate) config: Option<PathBuf>,

    /// The journal's file [default: the configuration's own]
    #[arg(long, value_name = "PATH")]
    pub(crate) journal: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SessionsArgs {
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,

    /// Of this journal of a node that is gone, which the daemon has taken over; see `lastword nodes`
    #[arg(long, value_name = "JOURNAL", conflicts_with = "journal")]
    pub(crate) of: Option<JournalName>,

    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeliveriesArgs {
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,

    /// Only these
    #[arg(long, value_enum)]
    pub(crate) state: Option<State>,

    /// Of this journal of a node that is gone, which the daemon has taken over; see `lastword nodes`
    #[arg(long, value_name = "JOURNAL", conflicts_with = "journal")]
    pub(crate) of: Option<JournalName>,

    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum State {
    /// Goes out at the next start, or is being tried again
    Owed,
    /// Given up; see `redeliver` and `drop`
    Dead,
    /// Its plugin was not installed for its tenant when the program last started
    Orphaned,
}

#[derive(Debug, Args)]
pub(crate) struct RedeliverArgs {
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,

    /// The deliveries' ids, as `lastword deliveries` lists them
    #[arg(value_name = "ID", required = true)]
    pub(crate) ids: Vec<DeliveryId>,
}

#[derive(Debug, Args)]
pub(crate) struct DropArgs {
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,

    /// The deliveries' ids, as `lastword deliveries` lists them
    #[arg(value_name = "ID", required = true)]
    pub(crate) ids: Vec<DeliveryId>,

    /// Yes, for ever
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whose").required(true).multiple(true).args(["session", "tenant"]))]
pub(crate) struct ForgetArgs {
    #[command(flatten)]
    pub(crate) journal: JournalArgs,

    /// The session's id: all of its generations, whatever their keys
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,

    /// Its tenant [default: `default`]; without --session everything of this tenant, with what plugins have stored for it
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,

    /// Also what is still owed: nobody will ever be told of it
    #[arg(long)]
    pub(crate) drop_owed: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JournalVerb {
    /// Say whether the file is whole; or each journal of a cluster, whose nodes may be at work
    Check(InspectArgs),
    /// Give space that is not used any more back to the file system
    Compact(JournalArgs),
    /// Print everything that is active or owed, one JSON object a line
    Export(InspectArgs),
    /// Copy it, as it is at one moment, to a new file; a program may be using it
    Backup(BackupArgs),
    /// Make a journal of a backup, where there is none
    Restore(RestoreArgs),
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(crate) journal: JournalArgs,

    /// On a cluster, only this journal; see `lastword nodes`
    #[arg(long, value_name = "JOURNAL", conflicts_with = "journal")]
    pub(crate) of: Option<JournalName>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) journal: JournalArgs,

    /// The new file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    pub(crate) journal: JournalArgs,

    /// The backup
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}
