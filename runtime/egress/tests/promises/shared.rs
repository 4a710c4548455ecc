//! What all requests share: each plugin and each tenant has a part of it, and nobody fails for what others hold.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use lastword_egress::{
    Account, Allowance, Egress, EgressError, Limits, Resolve, Resolving, Timeouts,
    limits::{MAX_LOOKUPS_OF_PLUGIN, MAX_LOOKUPS_OF_TENANT},
};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::support::{PATIENT, SHORT, Server, get, read, send, soon};

/// Names that begin with `hang` are not answered before they are let go; all others are 127.0.0.1, at once.
struct Hangs {
    asked: AtomicUsize,
    /// A permit for each that is told that there is no such name.
    let_go: Semaphore,
}

impl Hangs {
    fn new() -> Arc<Self> {
        Arc::new(Self { asked: AtomicUsize::new(0), let_go: Semaphore::new(0) })
    }

    /// Look-ups that were begun of names that hang.
    fn begun(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until so many were begun.
    async fn begin(&self, wanted: usize) {
        soon(async {
            while self.begun() < wanted {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

impl Resolve for Hangs {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            if !host.starts_with("hang") {
                return Ok(vec!["127.0.0.1".parse().unwrap()]);
            }
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.let_go.acquire().await.unwrap().forget();
            Err(io::ErrorKind::NotFound.into())
        })
    }
}

struct Harness {
    server: Server,
    resolver: Arc<Hangs>,
    egress: Egress,
}

impl Harness {
    async fn new() -> Self {
        let resolver = Hangs::new();
        Self { server: Server::ok().await, egress: Egress::new().with_resolver(resolver.clone()), resolver }
    }

    fn url(&self, host: &str) -> String {
        format!("http://{host}.example:{}", self.server.port)
    }

    /// What one call of `plugin` for `tenant` may do: reach `host`, and the server.
    fn call(&self, tenant: &str, plugin: &str, host: &str) -> Arc<Allowance> {
        let granted = [self.url(host), self.server.literal()].iter().map(|one| one.parse().unwrap()).collect();
        let allowance = Allowance::new(Arc::new(granted), Limits::default());
        Arc::new(allowance.charged_to(Account::new(tenant, plugin)))
    }

    /// Calls that ask for a name each, as tasks.
    fn ask(
        &self,
        tenant: &str,
        plugin: &str,
        names: impl Iterator<Item = String>,
        timeouts: Timeouts,
    ) -> JoinSet<EgressError> {
        let mut asking = JoinSet::new();
        for name in names {
            let (egress, allowance, url) = (self.egress.clone(), self.call(tenant, plugin, &name), self.url(&name));
            asking.spawn(async move { egress.send(&allowance, get(&url), timeouts).await.unwrap_err() });
        }
        asking
    }

    /// A request that is answered, to a name that is looked up.
    async fn succeeds(&self, tenant: &str, plugin: &str) {
        let (allowance, url) = (self.call(tenant, plugin, "good"), self.url("good"));
        let sent = soon(send(&self.egress, &allowance, &url)).await.unwrap();
        assert_eq!(soon(read(sent)).await.unwrap(), "hi");
    }
}

fn hanging(names: usize) -> impl Iterator<Item = String> {
    (0..names).map(|n| format!("hang-{n}"))
}

#[tokio::test]
async fn names_that_hang_hold_up_their_own_plugin_and_every_look_up_of_others_is_answered() {
    let harness = Harness::new().await;
    let asking = harness.ask("t", "hangs", hanging(10), PATIENT);
    harness.resolver.begin(MAX_LOOKUPS_OF_PLUGIN).await;
    for n in 0..50 {
        harness.succeeds("t", "good").await;
        harness.succeeds(&format!("t{n}"), "good").await;
    }
    assert_eq!(harness.resolver.begun(), MAX_LOOKUPS_OF_PLUGIN, "the other two wait for their turn");
    drop(asking);
}

#[tokio::test]
async fn a_tenants_plugins_together_leave_look_ups_to_other_tenants() {
    let harness = Harness::new().await;
    let plugins: Vec<_> =
        (0..12).map(|n| harness.ask("t", &format!("hangs-{n}"), hanging(MAX_LOOKUPS_OF_PLUGIN), PATIENT)).collect();
    // Each has one; what they have beyond that is bounded.
    harness.resolver.begin(MAX_LOOKUPS_OF_TENANT).await;
    harness.succeeds("other", "good").await;
    let begun = harness.resolver.begun();
    assert!((MAX_LOOKUPS_OF_TENANT..=MAX_LOOKUPS_OF_TENANT + plugins.len()).contains(&begun), "{begun}");
    drop(plugins);
}

#[tokio::test]
async fn a_look_up_goes_on_and_counts_when_its_call_is_gone() {
    let harness = Harness::new().await;
    let mut asking = harness.ask("t", "hangs", hanging(MAX_LOOKUPS_OF_PLUGIN), PATIENT);
    harness.resolver.begin(MAX_LOOKUPS_OF_PLUGIN).await;
    asking.shutdown().await;
    let told = harness.ask("t", "hangs", ["hang-more".to_owned()].into_iter(), Timeouts { connect: SHORT, ..PATIENT });
    let told = told.join_all().await;
    assert!(matches!(told[..], [EgressError::NoTurnToLookUp { .. }]), "{told:?}");
    // One comes to its end.
    let asking = harness.ask("t", "hangs", ["hang-again".to_owned()].into_iter(), PATIENT);
    harness.resolver.let_go.add_permits(1);
    harness.resolver.begin(MAX_LOOKUPS_OF_PLUGIN + 1).await;
    drop(asking);
}

#[tokio::test]
async fn who_gives_up_waiting_for_its_turn_is_not_looked_up() {
    let harness = Harness::new().await;
    let asking = harness.ask("t", "hangs", hanging(MAX_LOOKUPS_OF_PLUGIN), PATIENT);
    harness.resolver.begin(MAX_LOOKUPS_OF_PLUGIN).await;
    let mut gave_up = harness.ask("t", "hangs", (0..100).map(|n| format!("hang-not-{n}")), PATIENT);
    tokio::task::yield_now().await;
    gave_up.shutdown().await;
    harness.resolver.let_go.add_permits(MAX_LOOKUPS_OF_PLUGIN);
    assert_eq!(soon(asking.join_all()).await.len(), MAX_LOOKUPS_OF_PLUGIN);
    harness.succeeds("t", "hangs").await;
    assert_eq!(harness.resolver.begun(), MAX_LOOKUPS_OF_PLUGIN);
}

#[tokio::test]
async fn requests_of_one_plugin_for_one_name_share_a_look_up_and_those_of_others_do_not() {
    let harness = Harness::new().await;
    let same = || std::iter::repeat_n("hang".to_owned(), 20);
    let mine = harness.ask("t", "p", same(), PATIENT);
    let others = [harness.ask("t", "q", same(), PATIENT), harness.ask("u", "p", same(), PATIENT)];
    harness.resolver.begin(3).await;
    harness.resolver.let_go.add_permits(3);
    for asked in [mine].into_iter().chain(others) {
        let told = soon(asked.join_all()).await;
        assert!(told.len() == 20 && told.iter().all(|error| matches!(error, EgressError::Dns { .. })), "{told:?}");
    }
    assert_eq!(harness.resolver.begun(), 3);
    harness.succeeds("t", "p").await;
}

/// It takes the time after which a look-up is abandoned: nothing else tells.
#[tokio::test]
async fn a_look_up_that_takes_too_long_makes_room_for_another() {
    let harness = Harness::new().await;
    let asking = harness.ask("t", "hangs", hanging(MAX_LOOKUPS_OF_PLUGIN + 1), PATIENT);
    harness.resolver.begin(MAX_LOOKUPS_OF_PLUGIN + 1).await;
    // Whoever asked first still has the answer when it comes.
    harness.resolver.let_go.add_permits(MAX_LOOKUPS_OF_PLUGIN + 1);
    assert_eq!(soon(asking.join_all()).await.len(), MAX_LOOKUPS_OF_PLUGIN + 1);
}
