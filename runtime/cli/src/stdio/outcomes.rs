//! The line that says how an attempt ended.

use lastword::OutcomeRecord;
use lastword_events::Outcome;

use lastword_protocol::output::{self, Cost, Output};

/// The line that tells the owner how an attempt ended.
pub(super) fn line(record: &OutcomeRecord<'_>) -> Vec<u8> {
    let (cause, which, message, failures) = match record.outcome {
        Outcome::Delivered => (None, None, None, None),
        Outcome::Failed { cause, message } => {
            (Some(cause.as_str()), cause.which(), Some(message.as_str()), Some(record.failures))
        }
        Outcome::Deferred(why) => (Some(why.as_str()), None, None, None),
    };
    Output::Outcome(output::Outcome {
        delivery: record.id,
        plugin: &record.id.plugin,
        hook: record.id.event.hook(),
        tenant: &record.session.identity.tenant,
        session: &record.session.identity.id,
        generation: record.session.generation,
        reason: record.reason.map(lastword_events::EndReason::as_str),
        attempt: record.attempt,
        late: record.late,
        outcome: record.outcome.as_str(),
        cause,
        which,
        message,
        failures,
        retry_at: record.retry_at,
        dead: record.dead,
        cost: record.report.map(|report| Cost {
            wall_us: u64::try_from(report.wall.as_micros()).unwrap_or(u64::MAX),
            fuel: report.fuel_used,
            peak_memory_bytes: report.peak_memory,
            host_memory_bytes: report.host_memory,
        }),
    })
    .line()
}
