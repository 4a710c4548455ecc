//! Nodes that have one journal on NATS servers: each takes it over at a moment that is drawn, while the one before it serves owners, calls
//! plugins, drains or leaves, and does not know yet.

use std::sync::{Arc, Mutex};

use lastword_events::Identity;
use lastword_fakes::sync::{Time, begin, go_on};
use lastword_on_shuttle::BuildError;
use lastword_schedules_jetstream::{ClusterError, JetStreamJournal};
use shuttle::future::block_on;
use shuttle::thread::{self, JoinHandle};

use crate::account::{check_one, ends, owed_at_the_next_start};
use crate::draw::{chance, linger, one_of, up_to};
use crate::ending::Ending;
use crate::guest::{Behavior, CallsOfAllRuns};
use crate::harness::{Harness, Opened, Plan, Plugins, TENANTS, draw_identities, draw_plugins};
use crate::nats::{Connection, Nats, Weather};
use crate::over_nats::{begin_journal, have_weather, read, take_over};
use crate::trace::trace;

/// So many nodes take the journal over at most.
const MOST_TAKERS: usize = 2;

/// Has one node begin a journal and others take it over, and a last one make what is owed then. Everything is to add up.
pub(crate) fn take_turns(plan: &Plan) {
    begin(plan.time);
    let fleet = Arc::new(Fleet::new(plan));
    let journal = begin_journal(&fleet.connect(), "n0").unwrap();
    have_weather(&fleet.nats, fleet.weather);
    let faults = fleet.spawn(|fleet| fleet.nats.suffer());
    let mut nodes = vec![fleet.spawn(|fleet| fleet.live(&fleet.plan, journal))];
    nodes.extend((0..=up_to(MOST_TAKERS - 1)).map(|n| fleet.spawn(move |fleet| fleet.take(&format!("n{}", n + 1)))));
    nodes.into_iter().for_each(|node| node.join().unwrap());
    faults.join().unwrap();
    have_weather(&fleet.nats, Weather::Good);
    // The fence of a node that has given up would be one more take-over.
    fleet.nats.wait_for_late_requests();
    fleet.make_what_is_owed();
    fleet.check();
}

struct Fleet {
    plan: Plan,
    weather: Weather,
    nats: Arc<Nats>,
    /// Of all nodes until now.
    connections: Mutex<Vec<Connection>>,
    identities: Vec<Identity>,
    /// Each node has them.
    plugins: Plugins,
    calls: Arc<CallsOfAllRuns>,
}

impl Fleet {
    fn new(plan: &Plan) -> Self {
        let nats = Nats::new();
        have_weather(&nats, Weather::Good);
        Self {
            plan: *plan,
            weather: one_of(plan.weather),
            nats,
            connections: Mutex::default(),
            // As in `play`: which of two tenants a run that begins hears of first is in the order of a hash map.
            identities: draw_identities(&TENANTS[..1]),
            plugins: draw_plugins(),
            calls: Arc::default(),
        }
    }

    fn spawn(self: &Arc<Self>, work: impl FnOnce(&Self) + Send + 'static) -> JoinHandle<()> {
        let fleet = self.clone();
        thread::spawn(move || work(&fleet))
    }

    fn connect(&self) -> Connection {
        let connection = self.nats.connect();
        self.connections.lock().unwrap().push(connection.clone());
        connection
    }

    /// A node takes the journal over, if no other is quicker, and goes on with it. Those before it may be cut off meanwhile, and find out
    /// later.
    fn take(&self, node: &str) {
        linger();
        let others = if self.weather == Weather::Bad && chance(1, 3) {
            self.connections.lock().unwrap().clone()
        } else {
            Vec::new()
        };
        others.iter().for_each(Connection::cut);
        let taken = take_over(&self.connect(), node);
        let later = thread::spawn(move || {
            linger();
            others.iter().for_each(Connection::mend);
        });
        match taken {
            Ok(journal) => {
                trace!("{node} has the journal");
                self.live(&Plan { recovered: up_to(1), ..self.plan }, journal);
            }
            Err(error) => {
                trace!("{node} has not the journal: {error}");
                let is_beaten = matches!(error, ClusterError::TakenByAnother(_));
                assert!(is_beaten || self.weather == Weather::Bad, "{error}");
            }
        }
        later.join().unwrap();
    }

    /// A run of a node, from its beginning to its end.
    fn live(&self, plan: &Plan, journal: JetStreamJournal) {
        let (on_record, calls) = (self.nats.on_record().clone(), self.calls.clone());
        // Nothing of another node is stored any more.
        let ends_up_to = on_record.look(|record| record.sessions.keys().last().copied().unwrap_or(0));
        let mut ended = journal.ended();
        let opened = Opened { journal: Arc::new(journal), on_record, calls, ends_up_to, may_fail: true };
        match Harness::build(plan, opened, self.plugins.clone()) {
            Ok(harness) => harness.live(plan, &self.identities, || ()).check_alone(),
            // Another node has taken it already.
            Err(BuildError::Journal(error)) => trace!("no run begins: {error}"),
            Err(error) => panic!("{error}"),
        }
        // It goes on for a while with what it was handed.
        block_on(async move { drop(ended.wait_for(Option::is_some).await) });
    }

    /// In good weather, with plugins that deliver, and as much time as it takes.
    fn make_what_is_owed(&self) {
        go_on(Time::Still);
        let journal = take_over(&self.connect(), "last").unwrap();
        let (behaviors, endings, lines) = (&[Behavior::Deliver][..], &[Ending::Drain][..], &[][..]);
        self.live(
            &Plan { time: Time::Still, recovered: 0, quotas: false, behaviors, lines, endings, ..self.plan },
            journal,
        );
    }

    /// Every end that was ever on record was delivered, under one id and with numbers of its own, which the calls have checked, or was given
    /// up.
    fn check(&self) {
        let still_owed = owed_at_the_next_start(&read(&self.nats), &self.plugins);
        self.nats.on_record().look(|record| {
            for end in ends(record, &self.plugins) {
                let delivered = check_one(&end, record, &still_owed);
                assert_eq!(still_owed.get(&end), None, "{end:?} is owed though nothing keeps anybody from making it");
                // A node that could not record it any more may have made it as well.
                assert!(
                    self.calls.answered_ok(&end) >= delivered,
                    "{end:?} is on record as delivered, and nobody was told"
                );
            }
        });
    }
}
