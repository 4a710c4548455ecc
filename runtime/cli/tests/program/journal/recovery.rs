//! What a run could not deliver is owed again, and goes out after the next start.

use std::sync::Arc;

use lastword_events::{EndReason, Event, EventKey, FailureCause, PluginName, Session, SessionEnd, Timestamp};
use lastword_journal::{Appended, Completion, DeliveryKey, Journal as _, JournalOp, Receipt, Settlement};
use lastword_sqlite::SqliteJournal;
use serde_json::{Value, json};

use crate::support::{Ended, Home, Launch, Program, end, ids, sorted, start};

/// The plugin `memory`, which is another guest in each run.
fn with(home: &Home, guest: &str) -> Launch {
    configured(home, guest, "")
}

fn configured(home: &Home, guest: &str, more: &str) -> Launch {
    let plugin = format!("{more}\n[[plugin]]\nname = \"memory\"\ncomponent = \"{guest}.wasm\"\n");
    home.launch().with_guest(guest).config(&plugin)
}

/// (delivery, session) of every end that was told.
fn deliveries(ended: &Ended) -> Vec<String> {
    sorted(ended.outcomes("memory", "session-end").map(|line| line["delivery"].as_str().unwrap().to_owned()))
}

/// Waits until all of them are told, in order, and gives the lines.
fn recovered(program: &Program, sessions: usize) -> Vec<Value> {
    program.count("outcome", sessions);
    let mut lines = Vec::new();
    program.line("the ends", |line| {
        if line["event"] == "outcome" && line["hook"] == "session-end" {
            lines.push(line.clone());
        }
        lines.len() == sessions
    });
    lines.sort_by_key(|line| line["session"].to_string());
    lines
}

/// Every one of these sessions has its end, once, with this reason, as an attempt that is not the first.
#[track_caller]
fn assert_owed_again(lines: &[Value], sessions: &[String], reason: &str) {
    let told: Vec<&str> = lines.iter().map(|line| line["session"].as_str().unwrap()).collect();
    assert_eq!(told, sessions);
    for line in lines {
        assert_eq!((&line["outcome"], &line["reason"]), (&json!("delivered"), &json!(reason)), "{line}");
        assert!(line["attempt"].as_u64().unwrap() > 1, "{line}");
    }
}

/// A run that finds nothing to do, and leaves.
#[track_caller]
fn assert_nothing_is_owed(home: &Home) {
    let ended = with(home, "prints").run();
    assert_eq!(ended.of("ready").next().unwrap()["recovered"], json!({"sessions": 0, "deliveries": 0}));
    assert_eq!((ended.code(), ended.printed_ends("memory").len()), (0, 0));
}

/// The plugin hangs, is cut, and is mended.
fn cut_and_mended(shutdown: Option<&str>, reason: &str) {
    let home = Home::new();
    let hung = with(&home, "sleep").start().ready();
    hung.open(ids(3));
    let hung = match shutdown {
        Some(line) => {
            hung.send([line]);
            hung.ended()
        }
        None => hung.stop(),
    };
    assert_eq!((hung.code(), hung.drained("delivered")), (3, 0), "{}", hung.stderr());
    assert_eq!(hung.ends("memory", "failed(deadline)"), ids(3), "the outcome is recorded");
    assert!(hung.log.iter().any(|line| line.contains("3 session-end deliveries are owed, safe in the journal")));

    let mended = with(&home, "prints").start().ready();
    assert_owed_again(&recovered(&mended, 3), &ids(3), reason);
    let mended = mended.stop();
    assert_eq!((mended.code(), mended.printed_ends("memory")), (0, ids(3)), "each once, as the guest counts it");
    assert_eq!(deliveries(&mended), deliveries(&hung), "the same deliveries");
    assert_nothing_is_owed(&home);
}

#[test]
fn what_a_plugin_that_never_returns_was_owed_goes_out_when_one_works_under_its_name() {
    cut_and_mended(None, "shutdown");
}

#[test]
fn the_reason_is_that_of_the_drain_which_did_not_get_it_done() {
    cut_and_mended(Some(r#"{"op":"shutdown","reason":"restart"}"#), "restart");
}

#[test]
fn a_plugin_that_never_returns_is_tried_once_in_each_run_and_no_number_is_used_twice() {
    let home = Home::new();
    let first = with(&home, "sleep").start().ready();
    first.open(["s1"]);
    let mut attempts = vec![first.stop()];
    for _ in 0..2 {
        let again = with(&home, "sleep").start().ready();
        // Recovery tries it at once, and the drain again.
        again.line("its failure", |line| line["outcome"] == "failed");
        attempts.push(again.stop());
    }
    let numbers: Vec<u64> = attempts
        .iter()
        .flat_map(|run| run.outcomes("memory", "session-end").map(|line| line["attempt"].as_u64().unwrap()))
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let last = with(&home, "prints").start().ready();
    let line = recovered(&last, 1).remove(0);
    assert!(line["attempt"].as_u64() > numbers.last().copied(), "{line} after {numbers:?}");
    assert_eq!(last.stop().printed_ends("memory"), ["s1"]);
}

#[test]
fn after_sigkill_each_end_is_delivered_once_as_crashed() {
    let home = Home::new();
    let dead = with(&home, "prints").start().ready();
    dead.open(ids(3));
    assert!(dead.kill().was_killed());
    let next = with(&home, "prints").start().ready();
    assert_owed_again(&recovered(&next, 3), &ids(3), "crashed");
    let next = next.stop();
    assert_eq!((next.code(), next.printed_ends("memory")), (0, ids(3)));
    assert_nothing_is_owed(&home);
}

#[test]
fn after_sigkill_an_end_that_was_accepted_keeps_its_own_reason() {
    let home = Home::new();
    // It hangs, so that nothing is delivered before the kill.
    let hung = configured(&home, "sleep", "[drain]\nbudget = \"1m\"").start().ready();
    hung.open(ids(3));
    hung.send(ids(3).iter().map(|id| end(id, "reset")));
    hung.count("accepted", 6);
    assert!(hung.kill().was_killed());
    let next = with(&home, "prints").start().ready();
    assert_owed_again(&recovered(&next, 3), &ids(3), "reset");
    assert_eq!(next.stop().printed_ends("memory"), ids(3));
    assert_nothing_is_owed(&home);
}

#[test]
fn a_line_that_was_not_answered_can_be_sent_again_after_sigkill() {
    let home = Home::new();
    let line = r#"{"op":"start","op_id":"a-1","session":{"id":"s1"}}"#;
    let dead = with(&home, "prints").start().ready();
    dead.send([line]);
    dead.count("accepted", 1);
    dead.kill();
    let next = with(&home, "prints").start().ready();
    next.send([line]);
    next.count("accepted", 1);
    let next = next.stop();
    let answer = next.of("accepted").next().unwrap();
    assert_eq!((&answer["code"], &answer["generation"]), (&json!("duplicate_op"), &json!(1)));
    assert_eq!(next.printed_ends("memory"), ["s1"], "it is no second session");
}

#[test]
fn an_owner_that_comes_back_in_time_goes_on_with_its_sessions() {
    let home = Home::new();
    let dead = with(&home, "prints").start().ready();
    dead.open(ids(2));
    dead.kill();
    let next = with(&home, "prints").arg("--attach-grace").arg("1m").start().ready();
    next.send([start("s000")]);
    next.count("accepted", 1);
    let next = next.stop();
    let answer = next.of("accepted").next().unwrap();
    assert_eq!((&answer["updated"], &answer["generation"]), (&json!(true), &json!(1)), "{answer}");
    let reasons = next.outcomes("memory", "session-end").map(|line| line["reason"].as_str().unwrap().to_owned());
    assert_eq!(sorted(reasons), ["crashed", "shutdown"], "the one that nobody came back for, and the other");
    assert_eq!((next.code(), next.printed_ends("memory")), (0, ids(2)));
    assert_nothing_is_owed(&home);
}

#[test]
fn a_crash_within_a_grace_does_not_take_it_from_an_owner() {
    let home = Home::new();
    let dead = with(&home, "prints").start().ready();
    dead.open(ids(2));
    dead.kill();
    for _ in 0..2 {
        let killed = with(&home, "prints").arg("--attach-grace").arg("1m").start().ready();
        let killed = killed.kill();
        assert_eq!(killed.outcomes("memory", "session-end").count(), 0, "nobody was told of an end");
    }
    let next = with(&home, "prints").arg("--attach-grace").arg("1m").start().ready();
    next.send([start("s000"), end("s000", "reset")]);
    next.count("accepted", 2);
    let next = next.stop();
    let answer = next.of("accepted").next().unwrap();
    assert_eq!((&answer["updated"], &answer["generation"]), (&json!(true), &json!(1)), "{answer}");
    let ends: Vec<_> = next.outcomes("memory", "session-end").collect();
    let reasons = ends.iter().map(|line| line["reason"].as_str().unwrap().to_owned());
    assert_eq!(sorted(reasons), ["crashed", "reset"], "each has one");
    assert!(ends.iter().all(|line| line["generation"] == 1 && line["attempt"].as_u64() > Some(1)), "{ends:?}");
    assert_nothing_is_owed(&home);
}

/// A run without a grace ends what it finds, and so may have told somebody before it could write that down.
#[test]
fn a_crash_of_a_run_that_held_nothing_for_owners_takes_their_grace() {
    let home = Home::new();
    let dead = with(&home, "prints").start().ready();
    dead.open(["s1"]);
    dead.kill();
    with(&home, "prints").start().ready().kill();
    let next = with(&home, "prints").arg("--attach-grace").arg("1m").start().ready();
    next.send([start("s1")]);
    next.count("accepted", 1);
    let next = next.stop();
    assert_eq!(next.of("accepted").next().unwrap()["generation"], 2);
}

#[test]
fn without_a_drain_everything_stays_owed_and_goes_out_after_the_next_start() {
    let home = Home::new();
    let closed = configured(&home, "prints", "[drain]\nenabled = false").start().ready();
    closed.open(ids(3));
    let closed = closed.stop();
    assert_eq!((closed.code(), closed.of("drain").count(), closed.printed_ends("memory").len()), (3, 0, 0));
    let next = with(&home, "prints").start().ready();
    let recovered = recovered(&next, 3);
    for (line, id) in recovered.iter().zip(ids(3)) {
        assert_eq!((&line["session"], &line["reason"]), (&json!(id), &json!("shutdown")), "{line}");
        // The run has ended cleanly, unless the call of a start was under way.
        assert!((1..=2).contains(&line["attempt"].as_u64().unwrap()), "{line}");
    }
    assert_eq!(next.stop().code(), 0);
    assert_nothing_is_owed(&home);
}

#[test]
fn what_is_owed_to_a_plugin_that_is_gone_is_kept_until_it_is_back() {
    let home = Home::new();
    let hung = with(&home, "sleep").start().ready();
    hung.open(ids(2));
    assert_eq!(hung.stop().code(), 3);
    for _ in 0..2 {
        let without = home.launch().start().ready();
        without.log("the delivery is kept as orphaned");
        let without = without.stop();
        assert_eq!(without.of("outcome").count(), 0);
    }
    let back = with(&home, "prints").start().ready();
    assert_owed_again(&recovered(&back, 2), &ids(2), "shutdown");
    assert_eq!(back.stop().printed_ends("memory"), ids(2));
    assert_nothing_is_owed(&home);
}

/// The clock was ahead when a retry was planned, and has been put back: nobody waits for the year 2100.
#[test]
fn recovery_does_not_wait_for_a_time_that_another_clock_has_written() {
    let home = Home::new();
    let far = Timestamp::from_millisecond(4_102_444_800_000);
    {
        let journal = SqliteJournal::open(&home.journal()).unwrap();
        journal.recover().unwrap();
        let memory = PluginName::new("memory").unwrap();
        let session = Arc::new(Session { started_at: Some(far), ..Session::new("default", "s1") });
        let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, far)));
        let (owed, op_id) = (vec![memory.clone()], None);
        let received = Receipt { at: far, said: 0 };
        let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let written = tokio
            .block_on(journal.append(JournalOp::EndWithoutStart { session, event, owed, received, op_id }))
            .unwrap();
        let Appended::Session { sequence, .. } = written else { panic!("{written:?}") };
        let (failures, late, cause, message) = (1, false, FailureCause::Retry, "busy".to_owned());
        let settlement = Settlement::Owed { failures, late, retry_at: Some(far), cause, message };
        let delivery = DeliveryKey { sequence, event: EventKey::End, plugin: memory };
        tokio
            .block_on(
                journal
                    .complete(&"default".into(), vec![Completion { delivery, attempt: 1, settlement, changes: None }])
                    .pending,
            )
            .unwrap();
    }
    let next = with(&home, "prints").start().ready();
    assert_owed_again(&recovered(&next, 1), &["s1".to_owned()], "reset");
    assert_eq!(next.stop().code(), 0);
}
