//! A drain with the last steps: only handles of the runtime are left after it.

use std::future::Future;
use std::sync::Arc;

use lastword_events::DrainReport;

use super::last_steps::take_last_steps;
use crate::core::Core;

/// Takes the last steps once the drain is over. Gives the report that every caller gets: the report of the drain, with the warnings of the
/// last steps.
pub(crate) async fn shut_down(core: &Arc<Core>, drained: impl Future<Output = Arc<DrainReport>>) -> Arc<DrainReport> {
    let drained = drained.await;
    let result = take_last_steps(core).await;
    let report = core.run_end().report.get_or_init(|| {
        let mut report = drained;
        if !result.warnings.is_empty() {
            Arc::make_mut(&mut report).warnings.extend(result.warnings);
        }
        report
    });
    report.clone()
}
