//! A drain, and then the last steps: nothing of the runtime is left but its handles.

use std::future::Future;
use std::sync::Arc;

use lastword_events::DrainReport;

use super::leave::leave;
use crate::core::Core;

/// Leaves once the drain is over, which gives its report. Gives the report that everybody is given: the drain's, with what was to be said
/// of the last steps.
pub(crate) async fn shut_down(core: &Arc<Core>, drained: impl Future<Output = Arc<DrainReport>>) -> Arc<DrainReport> {
    let drained = drained.await;
    let left = leave(core).await;
    let report = core.run_end().report.get_or_init(|| {
        let mut report = drained;
        if !left.warnings.is_empty() {
            Arc::make_mut(&mut report).warnings.extend(left.warnings);
        }
        report
    });
    report.clone()
}
