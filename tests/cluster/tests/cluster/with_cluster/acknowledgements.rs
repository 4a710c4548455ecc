//! Acknowledgements that are lost, come late, or are cut off with their connection. The writer does not know whether its group is stored, and
//! finds out.

use std::sync::Arc;

use lastword_cluster_tests::{Fate, NatsProxy, look_for};
use lastword_jetstream::{Cluster, ClusterSettings};
use lastword_journal::Journal;
use parking_lot::Mutex;

use crate::support::{begun, everything_is_there, load, settings_of, stream_of, three_servers};

/// One of so many is lost, the next ones come late or are cut off.
const EVERY: usize = 25;
/// Of each kind.
const TIMES: usize = 2;

#[derive(Default)]
struct Seen {
    stream: Option<String>,
    acknowledgements: usize,
    lost: usize,
    late: usize,
    cut_off: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_group_whose_acknowledgement_does_not_come_is_recorded_once() {
    let servers = three_servers();
    let seen = Arc::<Mutex<Seen>>::default();
    let counted = seen.clone();
    let proxy = NatsProxy::in_front_of(servers.addresses(), move |acknowledgement| {
        let mut seen = counted.lock();
        if seen.stream.as_ref() != Some(&acknowledgement.stream) || acknowledgement.refused.is_some() {
            return Fate::Arrives;
        }
        seen.acknowledgements += 1;
        match seen.acknowledgements % EVERY {
            5 => {
                seen.lost += 1;
                Fate::Lost
            }
            10 => {
                seen.late += 1;
                Fate::Late
            }
            15 => {
                seen.cut_off += 1;
                Fate::CutOff
            }
            _ => Fate::Arrives,
        }
    });
    let settings = ClusterSettings { servers: vec![proxy.url()], ..settings_of(&servers) };
    let journal = begun(&Cluster::new(settings, "n").unwrap());
    seen.lock().stream = Some(stream_of(journal.name()));
    let load = load(&journal);
    look_for("acknowledgements of each kind", || {
        let seen = seen.lock();
        [seen.lost, seen.late, seen.cut_off].iter().all(|times| *times >= TIMES).then_some(())
    });
    load.wait_for_more(1);
    // Each kind is over before the journal is released.
    seen.lock().stream = None;
    everything_is_there(&servers, journal, load).await;
}
