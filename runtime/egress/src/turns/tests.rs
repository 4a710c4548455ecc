//! Turns are given in rotation by tenant and plugin, and dropped turns become free.

use std::{
    collections::HashSet,
    pin::Pin,
    task::{Context, Waker},
};

use proptest::prelude::*;

use super::*;
use crate::{connections, limits, lookups};

/// Small enough to be reached in a test: no tenant, and no plugin, can take all.
const BOUNDS: Bounds = Bounds {
    held: Part { of_plugin: 2, of_tenant: 4, in_all: 6 },
    abandoned: Some(Part { of_plugin: 4, of_tenant: 5, in_all: 12 }),
};

fn turns(bounds: Bounds) -> Arc<Turns> {
    Arc::new(Turns::new(bounds))
}

fn account(tenant: &str, plugin: &str) -> Account {
    Account::new(tenant, plugin)
}

/// Returns the turn of a waiting request, if it has it.
fn poll(wait: &mut Wait) -> Option<Turn> {
    match Pin::new(&mut wait.given).poll(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Ready(turn) => Some(turn.unwrap()),
        std::task::Poll::Pending => None,
    }
}

fn assert_nothing_is_kept(turns: &Turns) {
    let state = turns.lock();
    assert_eq!(state.all, Count::default());
    assert!(state.tenants.is_empty() && state.plugins.is_empty() && state.accounts.is_empty(), "{state:?}");
    assert!(state.waiting.is_empty() && state.order.is_empty(), "{state:?}");
}

#[test]
fn a_plugin_has_its_part_and_the_rest_of_its_turns_wait() {
    let turns = turns(BOUNDS);
    let mut greedy: Vec<Wait> = (0..10).map(|_| turns.wait(&account("t", "greedy"))).collect();
    let held: Vec<Turn> = greedy.iter_mut().filter_map(poll).collect();
    assert_eq!(held.len(), BOUNDS.held.of_plugin);
    let other = poll(&mut turns.wait(&account("t", "other")));
    assert!(other.is_some(), "of the same tenant");
    let elsewhere = poll(&mut turns.wait(&account("u", "greedy")));
    assert!(elsewhere.is_none(), "a plugin has one part, for whomever it is called");
    drop((greedy, held, other));
    assert_nothing_is_kept(&turns);
}

#[test]
fn turns_go_round_by_tenant_and_then_by_plugin_however_much_each_asks_for() {
    let bounds = Bounds { held: Part { of_plugin: 9, of_tenant: 9, in_all: 1 }, abandoned: None };
    let turns = turns(bounds);
    let first = poll(&mut turns.wait(&account("x", "x"))).unwrap();
    let asks = [("a", "p"), ("a", "p"), ("a", "p"), ("a", "q"), ("b", "p"), ("b", "p"), ("c", "r")];
    let mut waits: Vec<(&str, Wait)> = asks
        .iter()
        .map(|&(tenant, plugin)| (if plugin == "q" { "aq" } else { tenant }, turns.wait(&account(tenant, plugin))))
        .collect();
    drop(first);
    let mut served = Vec::new();
    while let Some((at, turn)) = waits.iter_mut().enumerate().find_map(|(at, (_, wait))| Some((at, poll(wait)?))) {
        served.push(waits.remove(at).0);
        drop(turn);
    }
    assert_eq!(served, ["a", "b", "c", "aq", "b", "a", "a"]);
    assert_nothing_is_kept(&turns);
}

#[test]
fn whoever_gives_up_waiting_holds_up_nobody() {
    let turns = turns(Bounds { held: Part { of_plugin: 1, of_tenant: 1, in_all: 1 }, abandoned: None });
    let first = poll(&mut turns.wait(&account("t", "p"))).unwrap();
    let gave_up = turns.wait(&account("t", "p"));
    let mut second = turns.wait(&account("t", "p"));
    drop(gave_up);
    assert_eq!(turns.lock().waiting["t"].plugins["p"].len(), 1, "nothing is kept of it");
    // This request has its turn but does not take it.
    let absent = turns.wait(&account("t", "p"));
    drop(first);
    let turn = poll(&mut second).expect("it is the next");
    drop(turn);
    drop(absent);
    assert_nothing_is_kept(&turns);
}

#[test]
fn an_abandoned_turn_makes_room_until_there_are_as_many_as_there_may_be() {
    let turns = turns(BOUNDS);
    let hangs = account("t", "hangs");
    let mut abandoned = Vec::new();
    loop {
        let Some(mut turn) = poll(&mut turns.wait(&hangs)) else { break };
        turn.abandon();
        abandoned.push(turn);
    }
    assert_eq!(abandoned.len(), 4, "as many as the plugin may have; it waits, and nobody else");
    let others: Vec<_> = ["t", "u"].iter().map(|tenant| poll(&mut turns.wait(&account(tenant, "good")))).collect();
    assert!(others.iter().all(Option::is_some));
    abandoned.pop();
    assert!(poll(&mut turns.wait(&hangs)).is_some(), "one has come to its end");
    drop((abandoned, others));
    assert_nothing_is_kept(&turns);
}

#[test]
fn when_all_abandoned_places_are_taken_whoever_has_none_still_has_a_turn() {
    let turns = turns(BOUNDS);
    let mut abandoned = Vec::new();
    for tenant in ["a", "b", "c"] {
        for _ in 0..4 {
            let mut turn = poll(&mut turns.wait(&account(tenant, tenant))).unwrap();
            turn.abandon();
            abandoned.push(turn);
        }
    }
    let good = account("good", "good");
    let mut first = poll(&mut turns.wait(&good)).expect("it has none under way");
    assert!(poll(&mut turns.wait(&good)).is_none(), "one at a time");
    first.abandon();
    assert_eq!(turns.lock().all, Count { held: 1, abandoned: 12 }, "there is no place for it, so it counts as it did");
    abandoned.pop();
    first.abandon();
    assert_eq!(turns.lock().all, Count { held: 0, abandoned: 12 });
    drop((abandoned, first));
    assert_nothing_is_kept(&turns);
}

/// Takes turns for `plugin` of the only tenant until it has to wait.
fn takes_all(turns: &Arc<Turns>, plugin: &str, abandons: bool) -> Vec<Turn> {
    let next = || poll(&mut turns.wait(&account("t", plugin)));
    let mut held = Vec::new();
    while let Some(mut turn) = next() {
        if abandons {
            turn.abandon();
        }
        held.push(turn);
    }
    held
}

/// Uses the real bounds of look-ups and of connections.
#[test]
fn where_there_is_one_tenant_a_bad_plugin_leaves_turns_to_the_others() {
    for abandons in [false, true] {
        let look_ups = turns(lookups::BOUNDS);
        let one = takes_all(&look_ups, "bad", abandons);
        assert_eq!(
            one.len(),
            if abandons { limits::MAX_ABANDONED_LOOKUPS_OF_PLUGIN } else { limits::MAX_LOOKUPS_OF_PLUGIN }
        );
        let good = takes_all(&look_ups, "good", false);
        assert_eq!(good.len(), limits::MAX_LOOKUPS_OF_PLUGIN, "as many as it may have");
        drop(good);
        let others: Vec<_> = (0..3).map(|n| takes_all(&look_ups, &format!("as bad {n}"), abandons)).collect();
        for _ in 0..100 {
            assert_eq!(takes_all(&look_ups, "good", false).len(), 1, "one at a time");
        }
        drop((one, others));
        assert_nothing_is_kept(&look_ups);
    }
    for files in [0, 1024, usize::MAX] {
        let bounds = connections::bounds(files);
        let connections = turns(bounds);
        let one = takes_all(&connections, "bad", false);
        assert_eq!(one.len(), bounds.held.of_plugin);
        let other = takes_all(&connections, "as bad", false);
        assert_eq!(one.len() + other.len(), bounds.held.of_tenant);
        assert!(poll(&mut connections.wait(&account("t", "good"))).is_some());
        drop((one, other));
        assert_nothing_is_kept(&connections);
    }
}

/// A random step.
#[derive(Clone, Debug)]
enum Step {
    Ask(usize, usize),
    /// Ends one of the requests that have their turn.
    End(usize),
    Abandon(usize),
    /// One of the waiting requests gives up.
    GiveUp(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0usize..4, 0usize..4).prop_map(|(tenant, plugin)| Step::Ask(tenant, plugin)),
        2 => any::<usize>().prop_map(Step::End),
        2 => any::<usize>().prop_map(Step::Abandon),
        1 => any::<usize>().prop_map(Step::GiveUp),
    ];
    prop::collection::vec(step, 0..200)
}

/// Counts again, from the turns themselves.
fn assert_is_within_bounds(held: &[Turn], bounds: &Bounds) {
    let of = |abandoned: bool, is: &dyn Fn(&Account) -> bool| {
        held.iter().filter(|turn| turn.abandoned == abandoned && is(&turn.account)).count()
    };
    for (abandoned, part) in [(false, bounds.held), (true, bounds.abandoned.unwrap())] {
        assert!(of(abandoned, &|_| true) <= part.in_all);
        for turn in held {
            // Beyond its tenant's bound a plugin has one at most.
            let tenants = held.iter().filter(|other| other.account.tenant == turn.account.tenant);
            let plugins: HashSet<_> = tenants.map(|other| &other.account.plugin).collect();
            let beyond = if abandoned { 0 } else { plugins.len() };
            assert!(of(abandoned, &|account| account.tenant == turn.account.tenant) <= part.of_tenant + beyond);
            assert!(of(abandoned, &|account| account.plugin == turn.account.plugin) <= part.of_plugin);
        }
    }
}

proptest! {
    #[test]
    fn nobody_has_more_than_its_part_and_nobody_waits_who_could_go_on(steps in steps()) {
        let turns = turns(BOUNDS);
        let (mut waits, mut held): (Vec<Wait>, Vec<Turn>) = Default::default();
        for step in steps {
            match step {
                Step::Ask(tenant, plugin) => waits.push(turns.wait(&account(&format!("t{tenant}"), &format!("p{plugin}")))),
                Step::End(n) if !held.is_empty() => drop(held.swap_remove(n % held.len())),
                Step::Abandon(n) if !held.is_empty() => { let n = n % held.len(); held[n].abandon(); }
                Step::GiveUp(n) if !waits.is_empty() => drop(waits.swap_remove(n % waits.len())),
                _ => (),
            }
            let (has, waits_on): (Vec<_>, Vec<_>) = waits.drain(..).map(|mut wait| (poll(&mut wait), wait)).partition(|(turn, _)| turn.is_some());
            held.extend(has.into_iter().filter_map(|(turn, _)| turn));
            waits.extend(waits_on.into_iter().map(|(_, wait)| wait));
            assert_is_within_bounds(&held, &BOUNDS);
            let state = turns.lock();
            let full = state.all.held >= BOUNDS.held.in_all;
            for wait in &waits {
                let may = state.may_hold_one_more(&wait.account, &BOUNDS);
                prop_assert!(full || !may, "{:?} waits for nothing: {state:?}", wait.account);
            }
        }
        drop((waits, held));
        assert_nothing_is_kept(&turns);
    }
}
