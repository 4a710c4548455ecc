//! What a plugin costs that is not called, when there is another one of its component.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use std::collections::BTreeMap;

use common::{name, sandbox};
use lastword_sandbox::{Grants, KeyValueGrant, Limits, Plugin, Source};
use lastword_test_guests::component;
use tikv_jemalloc_ctl::thread;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What a further plugin may cost when it is not called.
const MOST_BYTES: i64 = 32 << 10;
const PLUGINS: i64 = 100;

/// Everything that costs something to link.
fn all() -> Grants {
    Grants {
        config: Some(BTreeMap::from([("greeting".to_owned(), "hello".to_owned())])),
        key_value: Some(KeyValueGrant { quota: 1 << 20 }),
        http: Some(std::iter::empty().collect()),
        transcript: None,
    }
}

/// Bytes that this thread has allocated more than it has freed; what others have allocated it may free. Not the process's: what is in
/// the allocator's caches counts there.
fn allocated() -> i64 {
    let (allocated, freed) = (thread::allocatedp::read().unwrap(), thread::deallocatedp::read().unwrap());
    i64::try_from(allocated.get()).unwrap() - i64::try_from(freed.get()).unwrap()
}

/// Bytes of code that the process has mapped: they are not allocated.
#[cfg(target_os = "linux")]
fn executable() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let sizes = maps.lines().filter(|line| line.contains(" r-xp ")).map(|line| {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        u64::from_str_radix(to, 16).unwrap() - u64::from_str_radix(from, 16).unwrap()
    });
    sizes.sum()
}

#[cfg(not(target_os = "linux"))]
fn executable() -> u64 {
    0
}

/// What each of [`PLUGINS`] plugins takes that `make` makes, in bytes, and how much more code all of them have.
fn cost(make: impl Fn(i64) -> Plugin) -> (i64, u64) {
    let _first = make(0);
    let (before, code) = (allocated(), executable());
    let plugins: Vec<Plugin> = (1..=PLUGINS).map(make).collect();
    let costs = ((allocated() - before) / PLUGINS, executable().saturating_sub(code));
    drop(plugins);
    costs
}

#[test]
fn a_further_plugin_with_shared_code_costs_at_most_32_kib() {
    let sandbox = sandbox();
    for guest in ["good-all", "http-reports", "kv-remembers"] {
        let source = Source::Bytes(component(guest));
        let compiled = sandbox.compile(&source).unwrap();
        let named = |n: i64| name(&format!("p{n}"));
        let instantiated = cost(|n| sandbox.instantiate(&compiled, named(n), Limits::default(), all()).unwrap());
        let loaded = cost(|n| sandbox.load_with(named(n), &source, Limits::default(), all()).unwrap());
        println!("{guest}: (bytes of each, more code) {instantiated:?} instantiated, {loaded:?} loaded");
        for (bytes, code) in [instantiated, loaded] {
            assert!(bytes > 0, "nothing was counted");
            assert!(bytes <= MOST_BYTES, "{guest}: {bytes} bytes");
            assert_eq!(code, 0, "{guest}: more code");
        }
    }
}
