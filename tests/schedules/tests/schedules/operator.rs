//! Operators, who have what was given up made again, let others go, and wait for what becomes of them.

use std::pin::Pin;

use lastword_journal::DeliveryKey;
use lastword_on_shuttle::{Changed, DeliveryFilter, JournalError, PageRequest, Refusal, Runtime, Settled};
use shuttle::future::block_on;

use crate::draw::{chance, linger, one_of, up_to};
use crate::record::OnRecord;
use crate::trace::{name, trace};

/// An operator does so many things at most.
const MOST_DONE: usize = 4;

/// A delivery, and the answer to whoever waits for it.
pub(crate) struct Wait {
    delivery: DeliveryKey,
    settled: Pin<Box<dyn Future<Output = Result<Settled, JournalError>> + Send>>,
}

/// Acts until it has done all that it has to do. Gives what it waits for.
pub(crate) fn operate(runtime: &Runtime) -> Vec<Wait> {
    let mut waits = Vec::new();
    for _ in 0..=up_to(MOST_DONE - 1) {
        linger();
        if chance(1, 3) {
            let again = block_on(runtime.redeliver_all(&DeliveryFilter::default()));
            trace!("operator: made again {again:?}");
            assert!(again.is_ok() || again == Err(Refusal::Draining), "{again:?}");
            continue;
        }
        let page = block_on(runtime.deliveries(&DeliveryFilter::default(), &PageRequest::default()));
        let rows = match page {
            Ok(page) => page.rows,
            // The run is over.
            Err(JournalError::Closed) => continue,
            Err(error) => panic!("an operator was answered {error}"),
        };
        if rows.is_empty() {
            continue;
        }
        let id = rows[up_to(rows.len() - 1)].delivery.clone();
        let delivery = DeliveryKey::from(&id);
        if one_of(&[true, false]) {
            trace!("operator: waits for {}", name(&delivery));
            waits.push(Wait { delivery, settled: Box::pin(runtime.settled_of(&id)) });
        } else {
            let forgotten = block_on(runtime.forget(vec![id]));
            trace!("operator: forgets {}: {forgotten:?}", name(&delivery));
            match forgotten.as_deref() {
                Ok([Changed::Done | Changed::Unknown | Changed::UnderWay]) | Err(Refusal::Draining) => (),
                _ => panic!("forgetting {delivery:?} was answered {forgotten:?}"),
            }
        }
    }
    waits
}

impl Wait {
    /// Whatever it is told is on record by then.
    pub(crate) fn comes(self, on_record: &OnRecord) {
        let Self { delivery, settled } = self;
        let settled = block_on(settled);
        trace!("operator: {}: {settled:?}", name(&delivery));
        on_record.look(|record| match settled {
            Ok(Settled::Delivered) => assert!(record.is_delivered(&delivery), "{delivery:?} is not on record"),
            Ok(Settled::Dead { .. }) => assert!(record.is_dead(&delivery), "{delivery:?} is not on record"),
            Ok(Settled::Forgotten) => assert!(record.forgotten.contains(&delivery), "{delivery:?} is not on record"),
            Ok(Settled::NotOwed) => {
                let is_gone = record.is_delivered(&delivery) || record.forgotten.contains(&delivery);
                assert!(is_gone, "{delivery:?} is owed");
            }
            Ok(Settled::Deferred) | Err(_) => (),
            Ok(other) => panic!("{delivery:?} is {other:?}"),
        });
    }
}
