//! Answers are never lost, and become ranges for an owner that is far behind.

use std::io::BufRead as _;

use serde_json::{Value, json};

use super::*;

fn plain(line: u64) -> Answer {
    Answer {
        line,
        kind: AnswerKind::Accepted,
        text: format!("{{\"event\":\"accepted\",\"line\":{line}}}\n").into_bytes(),
    }
}

/// Makes an answer of 100 bytes with a remark.
fn telling(line: u64, kind: AnswerKind) -> Answer {
    let text = format!("{:<99}\n", format!("{{\"event\":\"error\",\"line\":{line}}}"));
    Answer { line, kind, text: text.into_bytes() }
}

/// Makes a queue whose first line is written.
fn begun() -> StdoutQueue {
    StdoutQueue { first: First::Taken, ..StdoutQueue::default() }
}

/// Takes everything, in batches of `bytes`.
fn taken(queue: &mut StdoutQueue, bytes: usize) -> Vec<Value> {
    let mut all = Vec::new();
    while !queue.is_empty() {
        let mut batch = Vec::new();
        queue.take(&mut batch, bytes);
        assert!(!batch.is_empty());
        all.extend(batch);
        queue.written();
    }
    assert_eq!((queue.waiting, queue.unwritten, queue.kept_bytes, queue.ranges), (0, 0, 0, 0));
    String::from_utf8(all).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn outcomes_of_what_a_dead_run_left_wait_for_the_first_line() {
    let mut queue = StdoutQueue::default();
    queue.lines.push(usize::MAX, b"{\"event\":\"outcome\"}\n");
    assert!(queue.is_empty(), "nothing is to be written yet");
    queue.first = First::Waits(b"{\"event\":\"ready\"}\n".to_vec());
    assert_eq!(queue.lines(), 2);
    assert_eq!(taken(&mut queue, 1), [json!({"event": "ready"}), json!({"event": "outcome"})]);
}

#[test]
fn lines_and_answers_come_out_in_the_order_in_which_they_came() {
    for bytes in [1, 30, 1 << 20] {
        let mut queue = begun();
        queue.lines.push(usize::MAX, b"{\"event\":\"ready\"}\n");
        for line in 1..=3 {
            queue.answer(plain(line));
            queue.lines.push(usize::MAX, format!("{{\"event\":\"outcome\",\"of\":{line}}}\n").as_bytes());
        }
        let mut expected = vec![json!({"event": "ready"})];
        for line in 1..=3 {
            expected.extend([json!({"event": "accepted", "line": line}), json!({"event": "outcome", "of": line})]);
        }
        assert_eq!(taken(&mut queue, bytes), expected, "{bytes} bytes at a time");
    }
}

/// Each answer follows the remaining lines before it.
#[test]
fn lines_that_are_cut_are_counted_and_no_answer_is_lost_with_them() {
    let outcome = b"{\"event\":\"outcome\"}\n";
    for kept in 0..=4 {
        let mut queue = begun();
        queue.lines.push(usize::MAX, b"{\"event\":\"first\"}\n");
        queue.take(&mut Vec::new(), 1);
        for line in 1..=4 {
            queue.lines.push(usize::MAX, outcome);
            queue.answer(plain(line));
        }
        // Never a part of a line.
        assert_eq!(queue.cut((kept * outcome.len() + outcome.len() - 1).min(4 * outcome.len())), 4 - kept as u64);
        queue.lines.push(usize::MAX, b"{\"event\":\"drain\"}\n");
        let told = taken(&mut queue, 1 << 20);
        let events = |event: &str| told.iter().filter(|line| line["event"] == event).count();
        assert_eq!((events("outcome"), events("accepted"), events("drain")), (kept, 4, 1));
        assert_eq!(told.last().unwrap()["event"], "drain");
    }
}

/// A reader on a busy machine takes little in the last milliseconds, and the drain's line is what it waits for.
#[test]
fn errors_that_would_delay_the_last_line_are_told_as_ranges_before_it() {
    let mut queue = begun();
    for line in 1..=1000 {
        queue.answer(if line % 100 == 50 { plain(line) } else { telling(line, AnswerKind::Refused) });
    }
    queue.fold_answers(1_000);
    queue.lines.push(usize::MAX, b"{\"event\":\"drain\"}\n");
    let told = taken(&mut queue, 1 << 20);
    assert_eq!(told.last().unwrap()["event"], "drain");
    let singles = told.iter().filter(|line| line["event"] == "error" && line["line"].is_u64()).count();
    assert_eq!(singles, 10, "what fits into the limit is told as it was");
    let counts = told.iter().filter(|line| line["event"] == "error").filter_map(|line| line["count"].as_u64());
    assert_eq!(counts.sum::<u64>(), 1000 - 10 - 10, "each of the others is counted");
    assert_eq!(told.iter().filter(|line| line["event"] == "accepted").count(), 10, "plain ones stay as they are");
    assert!(told.len() < 50, "{}", told.len());
}

/// No two neighbours make a range: then few ranges count everything.
#[test]
fn errors_of_every_other_line_are_few_lines_before_the_last_one() {
    let mut queue = begun();
    for line in 1..=10_000 {
        queue.answer(if line % 2 == 0 { plain(line) } else { telling(line, AnswerKind::Refused) });
    }
    queue.fold_answers(1_000);
    let told = taken(&mut queue, 1 << 20);
    assert!(told.len() <= 1_000 / 100 + MAX_RANGES_BEFORE_DRAIN_LINE + 300, "{}", told.len());
    let count = |line: &Value| {
        let singles = u64::from(line["line"].is_u64());
        singles + line["count"].as_u64().unwrap_or(0) + line["accepted"].as_u64().unwrap_or(0)
    };
    assert_eq!(told.iter().map(count).sum::<u64>(), 10_000, "none is lost");
}

#[test]
fn after_the_last_line_comes_no_outcome() {
    let (mut reader, output) = std::io::pipe().unwrap();
    let writer = OwnerWriter::spawn("out", output, |_| ()).unwrap();
    let line = format!("{{\"event\":\"outcome\",\"of\":\"{}\"}}\n", "x".repeat(1000));
    for _ in 0..1000 {
        writer.outcome(line.as_bytes());
    }
    writer.make_room_for_last(Instant::now(), Duration::ZERO);
    let dropped = writer.dropped();
    writer.last(b"{\"event\":\"drain\"}\n");
    writer.outcome(line.as_bytes());
    writer.first(Vec::new());
    let mut told = std::io::BufReader::new(&mut reader).lines().map(Result::unwrap);
    let before = told.by_ref().take_while(|line| !line.contains("drain")).count();
    assert_eq!((before, before as u64 + dropped), (MAX_BYTES_BEFORE_DRAIN_LINE / line.len(), 1000));
    assert!(
        writer.flush(Instant::now() + Duration::from_secs(10), Duration::from_secs(10)),
        "there is nothing behind it"
    );
}

#[test]
fn whoever_is_1024_answers_behind_gets_each_and_who_is_further_behind_gets_ranges_until_it_has_caught_up() {
    let mut queue = begun();
    for line in 1..=1024 {
        assert_eq!(queue.answer(plain(line)), Enqueued::Whole);
    }
    assert_eq!(queue.answer(plain(1025)), Enqueued::InRange);
    // A batch that is not written has not been read either.
    let mut batch = Vec::new();
    queue.take(&mut batch, 10_000);
    assert_eq!(queue.answer(plain(1026)), Enqueued::InRange);
    queue.written();
    let told = taken(&mut queue, 1 << 20);
    assert_eq!(told.last().unwrap(), &json!({"event": "accepted", "lines": [1025, 1026]}));
    assert_eq!(queue.answer(plain(1027)), Enqueued::Whole, "it has caught up");
}

#[test]
fn a_range_has_no_line_that_was_not_accepted_plainly() {
    let mut queue = begun();
    for line in 1..=1024 {
        queue.answer(plain(line));
    }
    // Line 1027 is blank, 1030 is refused, and 1032 has a remark.
    for line in [1025, 1026, 1028, 1029] {
        queue.answer(plain(line));
    }
    queue.answer(telling(1030, AnswerKind::Refused));
    queue.answer(plain(1031));
    queue.answer(telling(1032, AnswerKind::AcceptedWithRemark));
    for line in [1033, 1034] {
        queue.answer(plain(line));
    }
    let told = &taken(&mut queue, 1 << 20)[1024..];
    let range = |first: u64, last: u64| json!({"event": "accepted", "lines": [first, last]});
    let line = |line: u64| json!({"event": "error", "line": line});
    let expected = [range(1025, 1026), range(1028, 1029), line(1030), range(1031, 1031), line(1032), range(1033, 1034)];
    assert_eq!(told, expected);
}

#[test]
fn what_answers_say_is_kept_to_4_mib_and_then_counted_by_range_without_calling_anything_accepted_that_is_not() {
    let mut queue = begun();
    let fit = u64::try_from(MAX_KEPT_ANSWER_BYTES / 100).unwrap();
    for line in 1..=fit {
        assert_eq!(queue.answer(telling(line, AnswerKind::Refused)), Enqueued::Whole);
    }
    for line in fit + 1..=fit + 10 {
        assert_eq!(queue.answer(telling(line, AnswerKind::Refused)), Enqueued::InRange);
    }
    for line in fit + 11..=fit + 20 {
        queue.answer(telling(line, AnswerKind::AcceptedWithRemark));
    }
    let told = &mut taken(&mut queue, 1 << 20)[MAX_KEPT_ANSWER_BYTES / 100..];
    assert!(told[0]["message"].take().is_string());
    assert_eq!(
        told,
        [
            json!({"event": "error", "lines": [fit + 1, fit + 10], "count": 10, "code": "not_kept", "message": null}),
            json!({"event": "accepted", "lines": [fit + 11, fit + 20], "code": "not_kept"}),
        ]
    );
}

#[test]
fn one_answer_may_be_longer_than_all_that_is_kept() {
    let mut queue = begun();
    let long = Answer { text: vec![b'\n'; MAX_KEPT_ANSWER_BYTES + 1], ..telling(1, AnswerKind::AcceptedWithRemark) };
    assert_eq!(queue.answer(long), Enqueued::Whole);
    assert_eq!(queue.answer(telling(2, AnswerKind::AcceptedWithRemark)), Enqueued::InRange);
}

#[test]
fn an_owner_that_is_refused_every_other_line_for_ever_takes_no_more_memory() {
    let mut queue = begun();
    let lines = 500_000;
    for line in 1..=lines {
        queue.answer(if line % 2 == 0 { plain(line) } else { telling(line, AnswerKind::Refused) });
    }
    // Each kept line may have a range before it.
    let most = MAX_KEPT_ANSWER_BYTES / 100 + MAX_ANSWER_RANGES + 2 + 1024;
    assert!(queue.answers.len() <= most, "{} of {most}", queue.answers.len());
    let told = taken(&mut queue, 1 << 20);
    let last = told.last().unwrap();
    assert_eq!((&last["event"], &last["code"]), (&json!("error"), &json!("not_kept")));
    let of = |name: &str| last[name].as_u64().unwrap();
    let (first, end) = (last["lines"][0].as_u64().unwrap(), last["lines"][1].as_u64().unwrap());
    assert_eq!((end, of("count") + of("accepted")), (lines, end - first + 1), "each is counted");
}

#[test]
fn an_owner_of_whose_lines_few_are_ours_takes_no_more_memory_and_loses_no_acceptance() {
    let mut queue = begun();
    let answers = 300_000;
    for n in 1..=answers {
        queue.answer(plain(3 * n));
    }
    assert!(queue.answers.len() <= MAX_ANSWER_RANGES + 1 + 1024);
    let told = taken(&mut queue, 1 << 20);
    let last = told.last().unwrap();
    let first = last["lines"][0].as_u64().unwrap();
    assert_eq!((&last["event"], &last["lines"][1]), (&json!("accepted"), &json!(3 * answers)));
    assert_eq!(last["count"], (3 * answers - first) / 3 + 1);
}

#[test]
fn outcome_lines_that_do_not_fit_are_dropped_and_answers_are_not() {
    let mut queue = begun();
    let outcome = [vec![b' '; 1023], vec![b'\n']].concat();
    while queue.lines.push(MAX_QUEUED_OUTPUT_BYTES, &outcome) == Enqueued::Whole {}
    assert_eq!(queue.lines.len(), MAX_QUEUED_OUTPUT_BYTES);
    assert_eq!(queue.answer(plain(1)), Enqueued::Whole);
    assert_eq!(queue.answer(telling(2, AnswerKind::Refused)), Enqueued::Whole);
}
