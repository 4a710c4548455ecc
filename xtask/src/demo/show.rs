//! Shows what happened in an act.

use std::time::Duration;

use anstyle::Style;

use super::act::{Call, Played};
use super::owner::Captured;
use super::picture::{Cell, Span, Timeline, table};
use super::protocol::{Outcome, Word};
use super::tally;
use crate::console::{BAD, BOLD, DIM, GOOD, WARN, count, time};
use crate::repository;

const LEGEND: &str = concat!(
    "  time since the signal; a call ends where its outcome was heard, and is as long as its wall time\n",
    "  (one that the budget cut reports no time, and is a gap here)",
);

/// What was replayed before the signal, of the first act.
pub(super) fn replayed(captured: &Captured, more: &[String], played: &Played) {
    command(played);
    let delivered = |hook| played.before.iter().filter(|call| is_delivered(call, hook)).count();
    anstream::println!(
        "  {} lines captured from OpenClaw 2026.9.6, with {} session ends and {} starts, and {} starts more",
        captured.until_stop.len(),
        captured.ends().count(),
        captured.starts().count(),
        more.len(),
    );
    anstream::println!(
        "  delivered so far: {} × session-end, {} × session-start",
        delivered("session-end"),
        delivered("session-start")
    );
    signal(played);
}

/// What was opened before the signal, of the second act.
pub(super) fn opened(played: &Played) {
    command(played);
    signal(played);
}

/// One row a call, with a bar as long as it took. Where in time it ran cannot be seen here: such calls are done before
/// the outcome of the first is printed.
pub(super) fn calls(played: &Played) {
    let wall = |call: &Call| call.outcome.wall_us.map(Duration::from_micros);
    let scale = Timeline::of([], played.calls.iter().filter_map(wall).max().unwrap_or_default());
    let header = vec![
        Cell::left("session"),
        Cell::left("reason"),
        Cell::left("outcome"),
        Cell::right("wall"),
        Cell::right("fuel"),
        Cell::left(scale.axis()),
    ];
    let rows = played.calls.iter().map(|call| {
        let outcome = &call.outcome;
        vec![
            Cell::left(session(outcome)),
            Cell::left(outcome.reason.clone().unwrap_or_default()),
            Cell::left(outcome.shown()).styled(style(outcome.outcome)),
            Cell::right(wall(call).map(time).unwrap_or_default()),
            Cell::right(outcome.fuel.map(count).unwrap_or_default()),
            Cell::left(scale.bar(wall(call).map(|wall| (Duration::ZERO, wall)))).styled(style(outcome.outcome)),
        ]
    });
    anstream::println!("{}", table(header, rows.collect()));
}

/// One row a plugin, with all its calls in one line of time.
pub(super) fn plugins(played: &Played) {
    let timeline = Timeline::of(played.calls.iter().filter_map(span), played.reported_after);
    let header =
        vec![Cell::left("plugin"), Cell::left(format!("its {} ends", played.open)), Cell::left(timeline.axis())];
    let mut rows = Vec::new();
    for tally in tally::by_plugin(&played.calls) {
        let worst = tally.calls.iter().map(|call| call.outcome.outcome).min_by_key(severity);
        let style = style(worst.unwrap_or(Word::Delivered));
        let mut cells = vec![Cell::left(tally.plugin), Cell::left(tally.shown()).styled(style)];
        for bar in timeline.bars(tally.calls.iter().copied().filter_map(span)) {
            cells.push(Cell::left(bar).styled(style));
            rows.push(std::mem::replace(&mut cells, vec![Cell::left(""), Cell::left("")]));
        }
    }
    anstream::println!("{}{LEGEND}\n", table(header, rows));
}

fn command(played: &Played) {
    let plugins: Vec<String> =
        played.plugins.iter().map(|plugin| format!(" --plugin {}", repository::shown(plugin))).collect();
    anstream::println!("  {DIM}$ lastword stdio --from openclaw{}{DIM:#}", plugins.concat());
}

fn signal(played: &Played) {
    anstream::println!("  {BOLD}SIGTERM{BOLD:#}, with {} sessions open\n", played.open);
}

fn is_delivered(outcome: &Outcome, hook: &str) -> bool {
    outcome.hook == hook && outcome.outcome == Word::Delivered
}

/// Short, with the generation that tells the runs of one id apart.
fn session(outcome: &Outcome) -> String {
    const SHOWN: usize = 12;
    let short: String = outcome.session.chars().take(SHOWN).collect();
    let more = if outcome.session.chars().count() > SHOWN { "…" } else { "" };
    format!("{short}{more}#{}", outcome.generation)
}

/// From when to when the call ran. Nothing when there was none.
fn span(call: &Call) -> Option<Span> {
    let wall = Duration::from_micros(call.outcome.wall_us?);
    Some((call.heard_after.saturating_sub(wall), call.heard_after))
}

fn style(word: Word) -> Style {
    match word {
        Word::Delivered => GOOD,
        Word::Failed => BAD,
        Word::Deferred => WARN,
    }
}

/// The worst first.
fn severity(word: &Word) -> u8 {
    match word {
        Word::Failed => 0,
        Word::Deferred => 1,
        Word::Delivered => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::tests::call;
    use super::*;

    #[test]
    fn a_long_id_is_cut_and_its_generation_stays() {
        let mut call = call("p", Word::Delivered, None);
        call.outcome.session = "30978718-9dbb-47ca-81cf-00f4c4329df8".into();
        call.outcome.generation = 2;
        assert_eq!(session(&call.outcome), "30978718-9db…#2");
    }

    #[test]
    fn a_call_ended_when_it_was_heard_and_took_its_wall_time() {
        let mut call = call("p", Word::Delivered, None);
        assert_eq!(span(&call), None, "a deferral that never ran has no bar");
        call.heard_after = Duration::from_micros(900);
        call.outcome.wall_us = Some(400);
        assert_eq!(span(&call), Some((Duration::from_micros(500), Duration::from_micros(900))));
    }
}
