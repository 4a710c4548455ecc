//! Checks the spool: events that hooks left while no daemon answered, and events that every daemon refuses.

use lastword_events::text::printable_path;
use lastword_spool::{Kept, Spool, SpoolError};

use super::finding::Finding;
use crate::emit::default_spool;

const CHECK: &str = "spool";

/// Checks the spool's waiting and refused events.
pub(super) fn look(has_daemon: bool) -> Vec<Finding> {
    let Some(spool) = default_spool() else {
        return vec![Finding::open(None, CHECK, "where the spool would be is not known")];
    };
    let looked = waiting(&spool, has_daemon).and_then(|waiting| {
        let aside = [refused(&spool.refused()?), damaged(&spool.damaged()?)];
        Ok([Some(waiting)].into_iter().chain(aside).flatten().collect())
    });
    looked.unwrap_or_else(|error: SpoolError| {
        let hint = "hooks keep nothing there while that is so: see that the directory is yours alone";
        vec![Finding::wrong(None, CHECK, error.to_string(), hint)]
    })
}

fn waiting(spool: &Spool, has_daemon: bool) -> Result<Finding, SpoolError> {
    let events = spool.waiting()?;
    if events == 0 {
        return Ok(Finding::good(None, CHECK, "nothing waits in the spool"));
    }
    let events = if events == 1 { "1 event waits".to_owned() } else { format!("{events} events wait") };
    let hint = match has_daemon {
        true => "the daemon takes them in; if they are still there in a minute, look into its log",
        false => "they are taken in when a daemon starts",
    };
    let says = format!("{events} in the spool, {}", printable_path(spool.directory()));
    Ok(Finding::open(None, CHECK, says).hint(hint))
}

/// Returns the finding about refused events, with the reason of the last one.
fn refused(kept: &[Kept]) -> Option<Finding> {
    let last = kept.last()?;
    let why = last.event.as_ref().and_then(|event| event.refused.as_deref()).unwrap_or("the file does not say why");
    let says = format!("{} kept that no daemon takes, the last because of: {why}", events(kept.len()));
    let hint = format!("look at {}, and remove what you do not need", folder(last));
    Some(Finding::wrong(None, CHECK, says, hint))
}

fn damaged(kept: &[Kept]) -> Option<Finding> {
    let last = kept.last()?;
    let says = format!("{} kept that cannot be read", events(kept.len()));
    let hint = format!("the disk has lost something: look at {}, and remove what you do not need", folder(last));
    Some(Finding::wrong(None, CHECK, says, hint))
}

fn events(count: usize) -> String {
    if count == 1 { "1 event is".to_owned() } else { format!("{count} events are") }
}

fn folder(kept: &Kept) -> String {
    kept.path.parent().map(printable_path).unwrap_or_default()
}
