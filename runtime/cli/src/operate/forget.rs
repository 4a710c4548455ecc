//! `lastword forget`.

use std::io::Write;

use anyhow::anyhow;
use lastword_protocol::input::DEFAULT_TENANT;
use lastword_sqlite::{Erased, Erasure, ErasureTarget};

use crate::args::ForgetArgs;
use crate::exit::{Exit, Failure, printed};
use crate::journal::unusable;

/// `lastword forget`.
pub(crate) fn forget(args: &ForgetArgs) -> Result<Exit, Failure> {
    let tenant = args.tenant.as_deref().unwrap_or(DEFAULT_TENANT);
    let whose = ErasureTarget { tenant, session: args.session.as_deref() };
    let name = match whose.session {
        Some(session) => format!("session {session:?} of tenant {tenant:?}"),
        None => format!("tenant {tenant:?}"),
    };
    match args.journal.change()?.erase(whose, args.drop_owed).map_err(unusable)? {
        Erasure::StillOwed { active, owed } => Err(Failure::usage(anyhow!(
            "{} of {name}: start the program, so that they go out, or say --drop-owed, and nobody will ever be told of them",
            still_owed(active, owed)
        ))),
        Erasure::Done { erased, aside } => {
            let mut out = anstream::stdout().lock();
            printed(writeln!(out, "{name}: {}", summary(&erased, whose.session.is_some())))?;
            for copy in aside {
                // A path may contain any characters.
                printed(writeln!(
                    out,
                    "{copy:?} was kept aside when the journal was damaged, and may have more of it"
                ))?;
            }
            Ok(if erased == Erased::default() { Exit::No } else { Exit::Delivered })
        }
    }
}

fn still_owed(active: u64, owed: u64) -> String {
    let sessions = if active == 1 { "1 session is active".to_owned() } else { format!("{active} sessions are active") };
    let deliveries = if owed == 1 { "1 delivery is owed".to_owned() } else { format!("{owed} deliveries are owed") };
    match (active, owed) {
        (0, _) => deliveries,
        (_, 0) => sessions,
        _ => format!("{sessions} and {deliveries}"),
    }
}

fn summary(erased: &Erased, one_session: bool) -> String {
    if *erased == Erased::default() {
        return "nothing of it was in this journal".to_owned();
    }
    let counts = [
        (erased.sessions, "session", "sessions"),
        (erased.deliveries, "delivery", "deliveries"),
        (erased.op_ids, "op_id", "op_ids"),
        (erased.key_values, "key-value", "key-values"),
        (erased.named, "mention by another session's event", "mentions by other sessions' events"),
    ];
    let some = counts.into_iter().filter(|(count, ..)| *count > 0);
    let some: Vec<_> =
        some.map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many })).collect();
    let rest = if one_session { "; what plugins have stored is erased with the tenant only" } else { "" };
    format!("erased: {}{rest}", some.join(", "))
}
