//! Whole pictures, which are compared with those in `tests/data/drain-pictures`. To write these again, after a look at
//! the changes: `LASTWORD_UPDATE_PICTURES=1 cargo xtask test report::`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword_events::{Deferral, DrainReason, DrainReport, FailureCause, Outcome, PluginDrain, PluginName, PluginRest};
use lastword_server::OwnerDrain;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::html::html;
use super::picture::{MAX_NAMED, Picture};
use super::svg::svg;
use super::tally::{Tallies, Told};

/// The largest file, whatever was drained.
const MAX_BYTES: usize = 200 * 1024;

/// An invented drain, in microseconds.
struct Drain {
    began: Instant,
    tallies: Tallies,
    report: DrainReport,
}

impl Drain {
    fn of(sessions: u64, elapsed: u64) -> Self {
        let (began, budget) = (Instant::now(), Duration::from_secs(2));
        let mut report = DrainReport::empty(DrainReason::Shutdown, budget);
        (report.sessions, report.elapsed) = (sessions, Duration::from_micros(elapsed));
        Self { began, tallies: Tallies::begin(began, budget), report }
    }

    fn told(&mut self, (tenant, plugin): (&str, &str), outcome: &Outcome, since: Option<u64>, until: u64) {
        let (tenant, plugin): (Arc<str>, _) = (Arc::from(tenant), PluginName::new(plugin).unwrap());
        let lines = &mut self.report.plugins;
        let known = lines.iter().position(|line| line.tenant == tenant && line.plugin == plugin);
        let at = known.unwrap_or_else(|| {
            lines.push(PluginDrain::new(Arc::clone(&tenant), plugin.clone()));
            lines.len() - 1
        });
        let counts = match outcome {
            Outcome::Delivered => (&mut lines[at].delivered, &mut self.report.delivered),
            Outcome::Failed { .. } => (&mut lines[at].failed, &mut self.report.failed),
            Outcome::Deferred(_) => (&mut lines[at].deferred, &mut self.report.deferred),
        };
        *counts.0 += 1;
        *counts.1 += 1;
        let at = |micros: u64| self.began + Duration::from_micros(micros);
        let told = Told { tenant: &tenant, plugin: &plugin, since: since.map(at), until: at(until) };
        self.tallies.add(told, outcome);
    }

    fn call(&mut self, pair: (&str, &str), outcome: &Outcome, since: u64, until: u64) {
        self.told(pair, outcome, Some(since), until);
    }

    fn not_begun(&mut self, pair: (&str, &str), why: Deferral, number: usize, at: u64) {
        for _ in 0..number {
            self.told(pair, &Outcome::Deferred(why), None, at);
        }
    }

    fn picture(self) -> Picture {
        let end = ("exit", self.report.elapsed + Duration::from_micros(500));
        Picture::of_drain(&self.report, self.tallies, "2026-11-21T07:00:00Z".parse().unwrap(), end)
    }
}

fn failed(cause: FailureCause) -> Outcome {
    Outcome::Failed { cause, message: String::new() }
}

const CUT: Outcome = Outcome::Deferred(Deferral::Budget);

/// One plugin, one session, and most of the budget left.
pub(super) fn one() -> Picture {
    let mut drain = Drain::of(1, 31_400);
    drain.call(("default", "memory"), &Outcome::Delivered, 2_000, 30_900);
    drain.picture()
}

/// A plugin whose calls are cut at their deadline, one that hangs until the budget is over, and a good one.
fn hanging() -> Picture {
    let mut drain = Drain::of(15, 1_853_000);
    let [log, spin, sleep] = ["rust-session-log", "spin", "sleep"].map(|plugin| ("default", plugin));
    for number in 0..15 {
        drain.call(log, &Outcome::Delivered, 3_000 + number * 90, 3_000 + (number + 1) * 90);
    }
    for number in 0..6 {
        let later = number / 2 * 505_000;
        drain.call(spin, &failed(FailureCause::Deadline), 5_000 + later, 510_000 + later);
    }
    drain.not_begun(spin, Deferral::Breaker, 9, 1_520_000);
    for _ in 0..4 {
        drain.call(sleep, &CUT, 4_000, 1_851_000);
    }
    drain.not_begun(sleep, Deferral::Budget, 11, 1_851_000);
    drain.picture()
}

/// 100 000 deliveries of 400 plugins: a few fail now and then, and one hangs.
fn many() -> Picture {
    let mut drain = Drain::of(125, 1_854_000);
    for plugin in 0..400_u64 {
        let name = format!("plugin-{plugin:03}");
        let pair = (if plugin.is_multiple_of(2) { "acme" } else { "beta" }, name.as_str());
        for number in 0..250_u64 {
            let since = number * 7_000 + plugin * 13;
            let until = since + 300 + plugin * number * 977 % 2_000;
            match number {
                0..3 if plugin == 200 => drain.call(pair, &CUT, since, 1_850_000),
                _ if plugin == 200 => drain.not_begun(pair, Deferral::Budget, 1, 1_850_000),
                _ if plugin % 97 == 13 && number.is_multiple_of(5) => {
                    let cause = if number.is_multiple_of(2) {
                        FailureCause::Retry
                    } else {
                        FailureCause::Trap("unreachable".to_owned())
                    };
                    drain.call(pair, &failed(cause), since, until);
                }
                _ => drain.call(pair, &Outcome::Delivered, since, until),
            }
        }
    }
    drain.picture()
}

fn file(svg: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{svg}")
}

#[track_caller]
fn assert_drawn(name: &str, drawn: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/drain-pictures").join(name);
    if std::env::var_os("LASTWORD_UPDATE_PICTURES").is_some() {
        std::fs::write(&path, drawn).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap();
    let different = drawn.lines().zip(wanted.lines()).find(|(is, wanted)| is != wanted);
    assert!(drawn == wanted, "{name} is drawn in another way, first in (is, was): {different:?}");
}

/// Reads all text and all attributes of a document, which has to be well-formed.
#[track_caller]
fn read(document: &str) -> Vec<String> {
    let mut reader = Reader::from_str(document);
    let mut texts = vec![String::new()];
    loop {
        match reader.read_event().expect("the document is well-formed") {
            Event::Eof => return texts,
            Event::Start(element) | Event::Empty(element) => {
                assert_ne!(element.name().as_ref(), b"script", "nothing runs");
                texts.extend(attributes(&element));
                texts.push(String::new());
            }
            Event::End(_) => texts.push(String::new()),
            Event::Text(text) => texts.last_mut().unwrap().push_str(&text.decode().unwrap()),
            Event::GeneralRef(entity) => {
                let c = match &*entity.decode().unwrap() {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "quot" => '"',
                    "#39" => '\'',
                    other => panic!("{other} is no entity of ours"),
                };
                texts.last_mut().unwrap().push(c);
            }
            _ => {}
        }
    }
}

fn attributes(element: &BytesStart<'_>) -> Vec<String> {
    let attributes = element.attributes().map(|attribute| attribute.expect("attributes are well-formed"));
    attributes.map(|attribute| String::from_utf8_lossy(&attribute.value).into_owned()).collect()
}

#[test]
fn one_plugin_is_drawn_as_it_was() {
    assert_drawn("one.svg", &file(&svg(&one())));
}

#[test]
fn a_plugin_that_hangs_is_drawn_as_it_was_and_on_a_page_with_a_table() {
    assert_drawn("hanging.svg", &file(&svg(&hanging())));
    assert_drawn("hanging.html", &html(&hanging()));
}

#[test]
fn four_hundred_plugins_with_a_hundred_thousand_deliveries_are_drawn_as_they_were() {
    let picture = many();
    assert_eq!(picture.total.all(), 100_000);
    assert_drawn("many.svg", &file(&svg(&picture)));
}

#[test]
fn what_is_drawn_is_well_formed_and_says_in_words_what_it_shows() {
    for picture in [one(), hanging(), many()] {
        for document in [file(&svg(&picture)), html(&picture)] {
            let texts = read(&document);
            let said = picture.total.in_words(&picture.drained.words());
            assert!(texts.iter().any(|text| text.contains(&said)), "{said} is in the description");
            for wanted in ["img", "lw-title lw-desc"] {
                assert!(texts.iter().any(|text| text == wanted), "{wanted}");
            }
        }
    }
    let texts = read(&svg(&many()));
    assert!(texts.iter().any(|text| text == "and 379 others"));
    assert!(texts.iter().any(|text| text == "all delivered: 94 750"));
}

#[test]
fn a_drain_of_nothing_is_drawn() {
    let texts = read(&svg(&Drain::of(0, 90).picture()));
    assert!(texts.iter().any(|text| text == "Nothing was owed."), "{texts:?}");
}

#[test]
fn names_of_others_are_text_and_are_cut() {
    let hostile =
        ["</text><script>alert(1)</script>", "\u{1b}[2J\u{202e}&amp;\"'", "\u{fffe}\u{ffff}]]>", &"漢".repeat(42)];
    let mut drain = Drain::of(4, 31_400);
    for tenant in hostile {
        drain.call((tenant, "memory"), &Outcome::Delivered, 0, 9_000);
    }
    let picture = drain.picture();
    let documents = [svg(&picture), html(&picture)];
    for document in &documents {
        let texts = read(document);
        assert!(texts.iter().any(|text| text.contains("</text><script>alert(1)")), "as text: {texts:?}");
        assert!(texts.iter().any(|text| text.contains("\\u{1b}[2J\\u{202e}&amp;\"'")), "{texts:?}");
        assert!(document.chars().all(|c| c == '\n' || lastword_events::is_plain(c)));
        assert!(!document.contains(['\u{fffe}', '\u{ffff}']), "no document may have them");
    }
    assert!(documents[0].contains(&format!(">{}…<", "漢".repeat(30))), "what does not fit is cut");
}

#[test]
fn a_file_is_small_whatever_is_drawn() {
    let mut drain = Drain::of(100_000, 1_990_000);
    // Every bin is different, there are more pairs than are named, and all of them have failures and a long name.
    for pair in 0..2 * MAX_NAMED {
        let (tenant, plugin) = (format!("{pair:02}{}", "<".repeat(126)), format!("{pair:02}{}", "x".repeat(62)));
        for bin in 0..128 {
            let since = bin * 15_625 + 100;
            let outcomes = [Outcome::Delivered, failed(FailureCause::Deadline), failed(FailureCause::Fuel), CUT];
            for (number, outcome) in outcomes.iter().enumerate() {
                for _ in 0..1 + (bin * (number as u64 + 3) + pair as u64) % 5 {
                    drain.call((&tenant, &plugin), outcome, since, since + 1);
                }
            }
        }
    }
    let mut picture = drain.picture();
    assert_eq!((picture.rows.len(), picture.others.as_ref().unwrap().pairs), (MAX_NAMED, MAX_NAMED as u64));
    for document in [file(&svg(&picture)), html(&picture)] {
        read(&document);
        assert!(document.len() <= MAX_BYTES, "{} bytes", document.len());
    }
    picture.rows.truncate(1);
    assert!(svg(&picture).len() < MAX_BYTES / 4);
}

#[test]
fn the_worst_are_named_and_nothing_is_left_out_of_the_numbers() {
    let mut drain = Drain::of(60, 9_000);
    for pair in 0..60 {
        let tenant = format!("t{pair}");
        let outcome = if pair >= 50 { failed(FailureCause::Fatal) } else { Outcome::Delivered };
        drain.call((&tenant, "memory"), &outcome, 0, pair * 10);
    }
    // Counts that have no line in the report.
    let mut rest = PluginRest::new(PluginName::new("memory").unwrap());
    (rest.tenants, rest.delivered, rest.deferred) = (1_000, 900, 100);
    drain.report.rest.push(rest);
    (drain.report.delivered, drain.report.deferred) = (950, 100);
    let picture = drain.picture();
    let named: Vec<&str> = picture.rows.iter().map(|row| &*row.tenant).collect();
    assert_eq!(named.len(), 10 + 16);
    assert_eq!(named[..2], ["t59", "t58"], "the worst, and of them those that took longest");
    assert_eq!(named[10], "t49", "and then what took longest");
    let others = picture.others.as_ref().unwrap();
    assert_eq!((others.pairs, others.counts.delivered, others.counts.not_begun), (1_034, 934, 100));
    let rows: u64 = picture.rows.iter().map(|row| row.counts.all()).sum();
    assert_eq!(rows + others.counts.all(), picture.total.all());
}

#[test]
fn an_owners_goodbye_cuts_nothing() {
    let mut drain = Drain::of(2, 0);
    drain.call(("acme", "memory"), &Outcome::Delivered, 0, 900);
    drain.call(("acme", "slow"), &failed(FailureCause::Retry), 0, 900);
    let mut tallies = drain.tallies;
    let (tenant, plugin) = (Arc::from("acme"), PluginName::new("slow").unwrap());
    let told = Told { tenant: &tenant, plugin: &plugin, since: Some(drain.began), until: drain.began };
    tallies.add_cut(told, drain.began);
    let mut goodbye = OwnerDrain::default();
    (goodbye.reason, goodbye.sessions) = ("restart".to_owned(), 2);
    (goodbye.delivered, goodbye.deferred) = (1, 3);
    let at = "2026-11-21T07:00:00Z".parse().unwrap();
    let picture = Picture::of_goodbye((None, "<gateway>".to_owned()), &goodbye, tallies, at);
    let texts = read(&svg(&picture));
    for wanted in ["Lastword drain (restart) of <gateway>", "1 still under way", "2 owed still", "0 failed"] {
        assert!(texts.iter().any(|text| text == wanted), "{wanted} is missing: {texts:?}");
    }
    assert!(!texts.iter().any(|text| text.starts_with("cut ")), "{texts:?}");
}
