//! A journal on NATS servers, as the runtime has one: with its own thread that writes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lastword_events::JournalName;
use lastword_journal::{Journal, JournalOp, Recovered};
use lastword_schedules_jetstream::{Cluster, ClusterError, Ended, JetStreamJournal};
use shuttle::future::block_on;
use tokio::sync::watch::Receiver;

use crate::medium::Medium;
use crate::nats::{Connection, Nats, Weather};
use crate::record::OnRecord;

/// Of good servers nobody waits for longer than this, which is as long as the longest wait between two tries.
const PROMPT: Duration = Duration::from_secs(1);

pub(crate) struct OverNats {
    nats: Arc<Nats>,
    /// While the run goes on that is looked at.
    weather: Weather,
    /// Tells when its journal ends.
    ended: Mutex<Option<Receiver<Option<Ended>>>>,
}

impl OverNats {
    pub(crate) fn new(weather: Weather) -> Arc<Self> {
        let nats = Nats::new();
        have_weather(&nats, Weather::Good);
        Arc::new(Self { nats, weather, ended: Mutex::default() })
    }
}

/// Says how it goes with the servers from now on, and so who waits for them in vain.
pub(crate) fn have_weather(nats: &Nats, weather: Weather) {
    nats.have_weather(weather);
    lastword_schedules_jetstream::begin(match weather {
        Weather::Good => PROMPT,
        Weather::Bad => Duration::MAX,
    });
}

pub(crate) fn journal_name() -> JournalName {
    "abcd1234".parse().unwrap()
}

/// A new journal, of this node.
pub(crate) fn begin_journal(connection: &Connection, node: &str) -> Result<JetStreamJournal, ClusterError> {
    JetStreamJournal::begin(&cluster(connection, node), journal_name())
}

/// The journal, which this node takes over from whoever has it.
pub(crate) fn take_over(connection: &Connection, node: &str) -> Result<JetStreamJournal, ClusterError> {
    JetStreamJournal::take_over(&cluster(connection, node), journal_name())
}

fn cluster(connection: &Connection, node: &str) -> Cluster {
    Cluster::new(Arc::new(connection.clone()), node)
}

/// What is read by a node that takes the journal over, in good weather.
pub(crate) fn read(nats: &Arc<Nats>) -> Recovered {
    let journal = take_over(&nats.connect(), "reader").unwrap();
    let recovered = journal.recover().unwrap();
    // Nothing is stored behind the fence, so both are of the same moment.
    let stored = nats.recovered();
    assert_eq!(
        format!("{:?}", recovered.sessions),
        format!("{:?}", stored.sessions),
        "sessions that were read, and stored"
    );
    assert_eq!(
        format!("{:?}", recovered.deliveries),
        format!("{:?}", stored.deliveries),
        "deliveries that were read, and stored"
    );
    block_on(journal.release()).unwrap();
    recovered
}

impl Medium for OverNats {
    fn on_record(&self) -> &Arc<OnRecord> {
        self.nats.on_record()
    }

    fn start_in_a_dead_run(&self, sessions: Vec<JournalOp>) {
        let journal = begin_journal(&self.nats.connect(), "dead").unwrap();
        drop(journal.recover().unwrap());
        for write in sessions {
            block_on(journal.append(write)).unwrap();
        }
    }

    fn journal(self: Arc<Self>) -> Arc<dyn Journal> {
        let journal = take_over(&self.nats.connect(), "node").unwrap();
        *self.ended.lock().unwrap() = Some(journal.ended());
        have_weather(&self.nats, self.weather);
        Arc::new(journal)
    }

    fn run(&self) {
        self.nats.suffer();
    }

    fn recover_from_faults(&self) {
        have_weather(&self.nats, Weather::Good);
    }

    /// A journal that is dropped goes on for a while with what it was handed.
    fn close(&self) {
        let ended = self.ended.lock().unwrap().take();
        if let Some(mut ended) = ended {
            block_on(async move { drop(ended.wait_for(Option::is_some).await) });
        }
    }

    fn recovered(self: Arc<Self>) -> Recovered {
        read(&self.nats)
    }
}
