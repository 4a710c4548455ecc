//! A disk that is full while the program runs: new things are refused, and nothing that was accepted is lost.

use std::path::PathBuf;

use lastword_faults::{Fault, Kind};
use serde_json::{Value, json};

use super::seed::Seed;
use crate::support::reports::{Behavior, ReportServer};
use crate::support::{Home, Launch, Program, Signal};

/// A program with two plugins that report to a server, and a disk whose space is taken and given back.
struct SmallDisk {
    home: Home,
    reports: ReportServer,
}

impl SmallDisk {
    fn new() -> Self {
        let disk = Self { home: Home::new(), reports: ReportServer::serve(Seed::draw().numbers(0)) };
        let mut config = String::new();
        for plugin in ["audit", "memory"] {
            config += &format!(
                "[[plugin]]\nname = \"{plugin}\"\ncomponent = \"http-reports.wasm\"\nhttp = [\"http://{}\"]\n\
                 limits = {{ deadline = \"20s\" }}\n",
                disk.reports.authority()
            );
        }
        std::fs::write(disk.home.join("lastword.toml"), config).unwrap();
        disk
    }

    fn launch(&self) -> Launch {
        self.reports.next_run(Behavior::default());
        self.home.launch().with_guest("http-reports").arg("--config").arg(self.home.join("lastword.toml"))
    }

    /// A run on a disk that has space as long as [`Self::has_space`] says so.
    fn start_program(&self) -> Program {
        self.has_space(true);
        let fault = Fault::at(1, Kind::FullFrom, "journal.db").until(self.space());
        self.launch().fault(&fault).start().ready()
    }

    fn space(&self) -> PathBuf {
        self.home.join("space")
    }

    fn has_space(&self, space: bool) {
        if space {
            std::fs::write(self.space(), "").unwrap();
        } else {
            std::fs::remove_file(self.space()).unwrap();
        }
    }

    fn line(&self, op: &str, id: &str) -> String {
        json!({"op": op, "session": {"id": id, "key": self.reports.authority()}, "reason": "reset"}).to_string()
    }

    fn start(&self, program: &Program, ids: &[&str]) {
        program.send(ids.iter().map(|id| self.line("start", id)));
        program.count("accepted", ids.len());
        // Both have heard of each, and that is written down before anything newer.
        program.count("outcome", 2 * ids.len());
    }

    /// The space is used up while both plugins have this event, which is the last of so many: what becomes of it is told, and
    /// cannot be written.
    fn fills_during(&self, program: &Program, op: &str, id: &str, accepted: usize) {
        self.reports.hold(true);
        program.send([self.line(op, id)]);
        program.count("accepted", accepted);
        self.reports.wait(2 * accepted);
        self.has_space(false);
        self.reports.hold(false);
        program.count("outcome", 2 * accepted);
    }

    /// Sends a line, and gives the refusal of it.
    fn refused(&self, program: &Program, op: &str, id: &str, refusals: usize) -> Value {
        program.send([self.line(op, id)]);
        program.count("error", refusals);
        let mut errors = Vec::new();
        program.line("the refusal", |line| {
            if line["event"] == "error" {
                errors.push(line.clone());
            }
            errors.len() == refusals
        });
        errors.pop().unwrap()
    }

    /// (plugin, session, attempt) of the ends that came in a run of the program.
    fn ends_in(&self, run: u32) -> Vec<(String, String, u32)> {
        let reports = self.reports.all();
        let ends = reports.iter().filter(|report| report.run == run && report.is_end());
        let mut ends: Vec<_> = ends.map(|r| (r.id.plugin.to_string(), r.session.clone(), r.attempt)).collect();
        ends.sort();
        ends
    }
}

fn both(ids: &[&str], attempt: u32) -> Vec<(String, String, u32)> {
    let of = |plugin: &str| ids.iter().map(|id| (plugin.to_owned(), (*id).to_owned(), attempt)).collect::<Vec<_>>();
    [of("audit"), of("memory")].concat()
}

/// A disk that is full while these sessions are active, `s1` among them.
fn full_with(ids: &[&str]) -> (SmallDisk, Program) {
    let disk = SmallDisk::new();
    let program = disk.start_program();
    disk.start(&program, ids);
    disk.has_space(false);
    assert_says_why(&disk.refused(&program, "end", "s1", 1));
    (disk, program)
}

#[track_caller]
fn assert_says_why(refusal: &Value) {
    assert_eq!(refusal["code"], "journal", "{refusal}");
    assert!(refusal["message"].as_str().unwrap().contains("full"), "{refusal}");
}

#[test]
fn when_there_is_space_again_work_goes_on_and_what_waited_is_recorded() {
    let disk = SmallDisk::new();
    let program = disk.start_program();
    disk.start(&program, &["s1", "s2"]);
    // Accepted, and with the plugins, when the space is used up.
    disk.fills_during(&program, "end", "s1", 3);
    assert_says_why(&disk.refused(&program, "start", "s3", 1));
    assert_says_why(&disk.refused(&program, "end", "s2", 2));
    program.log("the journal cannot be written: starts are refused until it can, and outcomes wait to be recorded");

    disk.has_space(true);
    program.send([disk.line("start", "s3"), disk.line("end", "s2")]);
    program.count("accepted", 5);
    program.log("the journal can be written again");
    program.count("outcome", 6 + 2 + 2);
    // What was recorded is known only to the file now.
    program.kill();

    let next = disk.launch().start().ready();
    let recovered = next.line("ready", |line| line["event"] == "ready")["recovered"].clone();
    let next = next.stop();
    assert_eq!(recovered["sessions"], 1, "s3: {recovered}");
    assert_eq!(next.code(), 0);
    let again: Vec<_> = disk.ends_in(2).into_iter().filter(|(_, session, _)| session == "s1").collect();
    assert_eq!(again, [], "the outcome that had waited was recorded");
    assert_eq!(disk.ends_in(1), both(&["s1", "s2"], 1));
    let nothing = disk.launch().start().ready().stop();
    assert_eq!((nothing.code(), nothing.of("outcome").count()), (0, 0));
}

#[test]
fn what_was_accepted_before_outlives_a_kill_while_the_disk_is_full() {
    let disk = SmallDisk::new();
    let program = disk.start_program();
    disk.start(&program, &["s1", "s2"]);
    disk.fills_during(&program, "end", "s1", 3);
    assert_says_why(&disk.refused(&program, "start", "s3", 1));
    program.kill();
    let next = disk.launch().start().ready().stop();
    assert_eq!(next.code(), 0);
    assert_eq!(disk.ends_in(2), both(&["s1", "s2"], 2), "s1 because its outcome could not be written");
}

mod timed {
    use super::*;

    #[test]
    fn a_drain_on_a_full_disk_calls_every_plugin_in_its_budget_and_warns() {
        let (disk, program) = full_with(&["s1", "s2", "s3"]);
        let ended = program.stop();
        assert_eq!(disk.ends_in(1), both(&["s1", "s2", "s3"], 1), "every plugin was called");
        assert_eq!((ended.drained("delivered"), ended.drained("failed"), ended.drained("deferred")), (6, 0, 0));
        assert!(ended.drained("elapsed_ms") <= ended.drained("budget_ms"), "{}", ended.drain());
        let warnings = ended.drain()["warnings"].as_array().unwrap();
        let journal: Vec<&Value> = warnings.iter().filter(|warning| warning["name"] == "journal").collect();
        assert!(
            matches!(journal.as_slice(), [one] if one["message"].as_str().unwrap().contains("full")),
            "{warnings:?}"
        );

        // What could not be written down is not known to have happened: it happens again, and says so.
        let next = disk.launch().start().ready().stop();
        assert_eq!((next.code(), disk.ends_in(2)), (0, both(&["s1", "s2", "s3"], 2)));
        let reasons: Vec<_> = next.outcomes("memory", "session-end").map(|line| line["reason"].clone()).collect();
        assert_eq!(reasons, vec![json!("crashed"); 3], "that there was a drain could not be written down");
    }

    /// A drain tells plugins before it is on record that there was one. A session whose owner comes back for it then has had
    /// an attempt of its end, and the next one needs another number.
    #[test]
    fn an_owner_that_comes_back_after_a_drain_without_a_trace_has_ends_with_new_numbers() {
        let (disk, program) = full_with(&["s1"]);
        program.stop();
        assert_eq!(disk.ends_in(1), both(&["s1"], 1));
        let next = disk.launch().arg("--attach-grace").arg("1m").start().ready();
        next.send([disk.line("start", "s1"), disk.line("end", "s1")]);
        next.count("accepted", 2);
        assert_eq!(next.stop().code(), 0);
        let ends = disk.ends_in(2);
        assert!(ends.iter().all(|(_, _, attempt)| *attempt > 1), "{ends:?}");
    }

    /// A failure has to be written down before its delivery is tried again. Nothing else has to wait for that.
    #[test]
    fn an_end_does_not_wait_for_a_failure_that_cannot_be_written_down() {
        let disk = SmallDisk::new();
        let program = disk.start_program();
        disk.reports.next_run(Behavior { refused: 100, ..Behavior::default() });
        disk.fills_during(&program, "start", "s1", 1);
        assert_says_why(&disk.refused(&program, "start", "s2", 1));
        disk.reports.next_run(Behavior::default());
        let ended = program.stop();
        assert_eq!(disk.ends_in(3), both(&["s1"], 1), "every plugin was told of the end: {}", ended.drain());
        assert_eq!((ended.drained("delivered"), ended.drained("deferred")), (2, 0));
    }

    /// An end whose outcome cannot be written: the drain cannot try it again, and says what became of it.
    #[test]
    fn an_end_whose_failure_cannot_be_written_down_is_in_the_account_of_the_drain() {
        let disk = SmallDisk::new();
        let program = disk.start_program();
        disk.start(&program, &["s1"]);
        disk.reports.next_run(Behavior { refused: 100, ..Behavior::default() });
        disk.fills_during(&program, "end", "s1", 2);
        assert_says_why(&disk.refused(&program, "start", "s2", 1));
        let ended = program.stop();
        let counts = ["delivered", "failed", "deferred"].map(|count| ended.drained(count));
        assert_eq!((counts, ended.code()), ([0, 2, 0], 3), "{}", ended.drain());
        let next = disk.launch().start().ready().stop();
        assert_eq!((next.code(), disk.ends_in(3)), (0, both(&["s1"], 2)));
    }

    #[test]
    fn a_drain_waits_for_space_no_longer_than_its_budget_and_uses_what_comes() {
        let (disk, program) = full_with(&["s1"]);
        disk.reports.hold(true);
        program.signal(Signal::TERM);
        disk.reports.wait(4);
        disk.has_space(true);
        disk.reports.hold(false);
        let ended = program.ended();
        assert_eq!((ended.code(), ended.drained("delivered")), (0, 2));
        assert_eq!(ended.drain()["warnings"], json!([]), "everything was written in the end");
        let nothing = disk.launch().start().ready().stop();
        assert_eq!((nothing.code(), disk.ends_in(2)), (0, vec![]));
    }
}
