//! The lifetime, the tenants and the number of kept answers.

use rustix::io::Errno;
use tokio::time::advance;

use super::*;

const BOUNDS: NameBounds = NameBounds { of_tenant: 2, in_all: 4 };
const BREATH: Duration = Duration::from_millis(1);

fn answer(addresses: usize) -> Answer {
    Ok((0..addresses).map(|_| IpAddr::from([192, 0, 2, 1])).collect())
}

fn failure() -> Answer {
    Err(Arc::new(io::ErrorKind::NotFound.into()))
}

struct Harness {
    names: Names,
    tenant: Arc<str>,
}

impl Harness {
    fn new() -> Self {
        Self { names: Names::new(BOUNDS), tenant: "t".into() }
    }

    fn put(&mut self, host: &str, answer: &Answer) {
        self.names.put(&self.tenant, host, answer, Instant::now());
    }

    fn knows(&self, host: &str) -> bool {
        self.names.get(&self.tenant, host, Instant::now()).is_some()
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_hold_for_five_seconds_and_failures_for_one_and_for_their_tenant_only() {
    for (answer, stays) in [(answer(1), 5), (answer(0), 1), (failure(), 1)] {
        let mut harness = Harness::new();
        harness.put("a", &answer);
        assert!(harness.names.get("u", "a", Instant::now()).is_none());
        assert!(!harness.knows("b"));
        advance(Duration::from_secs(stays) - BREATH).await;
        assert!(harness.knows("a"), "{answer:?}");
        advance(BREATH).await;
        assert!(!harness.knows("a"), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn that_the_process_can_open_no_file_is_no_answer() {
    for lack in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
        let mut harness = Harness::new();
        harness.put("a", &Err(Arc::new(lack.into())));
        assert!(!harness.knows("a"), "{lack}");
    }
    let mut harness = Harness::new();
    harness.put("a", &Err(Arc::new(Errno::BUSY.into())));
    assert!(harness.knows("a"));
}

#[tokio::test(start_paused = true)]
async fn the_last_answer_counts() {
    let mut harness = Harness::new();
    harness.put("a", &answer(1));
    harness.put("a", &failure());
    assert!(matches!(harness.names.get("t", "a", Instant::now()), Some(Err(_))));
    harness.put("a", &answer(1));
    advance(LOOKUP_FAILURES_STAY).await;
    assert!(matches!(harness.names.get("t", "a", Instant::now()), Some(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_has_its_part_and_all_have_theirs() {
    let mut harness = Harness::new();
    for host in ["a", "b", "c"] {
        harness.put(host, &answer(1));
        advance(BREATH).await;
    }
    assert_eq!(["a", "b", "c"].map(|host| harness.knows(host)), [false, true, true]);
    for tenant in ["u", "v", "w"] {
        harness.names.put(&tenant.into(), "a", &answer(1), Instant::now());
        advance(BREATH).await;
    }
    assert_eq!((harness.names.ends.len(), harness.knows("b"), harness.knows("c")), (4, false, true));
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_very_many_addresses_is_not_kept_and_nothing_is_kept_of_what_is_over() {
    let mut harness = Harness::new();
    harness.put("a", &answer(MAX_KEPT_ADDRESSES));
    assert!(harness.knows("a"));
    harness.put("a", &answer(MAX_KEPT_ADDRESSES + 1));
    assert!(!harness.knows("a"));
    harness.put("b", &answer(1));
    advance(ADDRESSES_STAY).await;
    harness.put("a", &answer(MAX_KEPT_ADDRESSES + 1));
    assert!(harness.names.tenants.is_empty() && harness.names.ends.is_empty(), "{:?}", harness.names);
}
