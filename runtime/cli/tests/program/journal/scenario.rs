//! One journal through many runs of the program, each of which is killed, and what must be true at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use lastword_events::PluginName;
#[cfg(target_os = "linux")]
use lastword_faults::{Fault, Kind, operations};
use lastword_journal::{Journal as _, Space};
use lastword_sqlite::SqliteJournal;
use serde_json::json;

use super::owner::Owner;
use super::promises;
use super::seed::Seed;
#[cfg(target_os = "linux")]
use crate::support::Ended;
use crate::support::reports::{Behavior, Report, ReportServer};
use crate::support::{Home, Launch, Program, Signal};

/// Plugins that report to the server. A third counts in the journal itself.
const REPORTING: [&str; 2] = ["audit", "memory"];
const COUNTING: &str = "counts";

/// The journal, and a part of the path of all its files.
const FILES: &str = "journal.db";

/// Lines that an owner has for one run.
const LINES: usize = 120;
/// Lines of a run of which each operation is looked at.
#[cfg(target_os = "linux")]
const FEW_LINES: usize = 12;

/// When a run is killed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    /// While lines come in.
    Load,
    /// After SIGTERM.
    Drain,
    /// Soon after its start, as the run before it was.
    Recovery,
    /// At the given operation on the journal's files, or the operation fails.
    #[cfg(target_os = "linux")]
    Fault(Kind, u64),
}

pub(super) struct Scenario {
    seed: Seed,
    home: Home,
    random: Rng,
    reports: ReportServer,
    owner: Owner,
    kills: u32,
}

impl Scenario {
    pub(super) fn begin() -> Self {
        let seed = Seed::draw();
        let reports = ReportServer::serve(seed.numbers(1));
        let owner = Owner::new(seed.numbers(2), reports.authority());
        let home = Home::in_memory();
        for guest in ["http-reports", "kv-counts"] {
            assert!(lastword_test_guests::write(guest, home.path()).exists());
        }
        let mut config =
            format!("[[plugin]]\nname = \"{COUNTING}\"\ncomponent = \"kv-counts.wasm\"\nkeyvalue = {{}}\n");
        for plugin in REPORTING {
            // A deadline that says something of the machine would say nothing of the journal.
            config += &format!(
                "[[plugin]]\nname = \"{plugin}\"\ncomponent = \"http-reports.wasm\"\nhttp = [\"http://{}\"]\n\
                 limits = {{ deadline = \"20s\" }}\n",
                reports.authority()
            );
        }
        std::fs::write(home.join("lastword.toml"), config).unwrap();
        Self { random: seed.numbers(3), seed, home, reports, owner, kills: 0 }
    }

    fn journal(&self) -> PathBuf {
        self.home.join(FILES)
    }

    fn launch(&self) -> Launch {
        let config = self.home.join("lastword.toml");
        self.home.stdio().arg("--config").arg(config).arg("--journal").arg(self.journal())
    }

    /// One run and its end, or two in a row.
    pub(super) fn round(&mut self, moment: Moment) {
        match moment {
            Moment::Load => self.killed_under_load(),
            Moment::Drain => self.killed_in_a_drain(),
            Moment::Recovery => self.killed_in_recovery(),
            #[cfg(target_os = "linux")]
            Moment::Fault(kind, at) => self.broken(kind, at),
        }
    }

    /// Some runs give the owner time to go on with its sessions, of which some are not over when they are killed.
    fn launch_with_grace(&mut self) -> Launch {
        let launch = self.launch();
        match self.random.u8(..3) {
            0 => launch.arg("--attach-grace").arg("1m"),
            1 => launch.arg("--attach-grace").arg("20ms"),
            _ => launch,
        }
    }

    fn killed_under_load(&mut self) {
        let behavior = self.draw_behavior();
        self.reports.next_run(behavior);
        let program = self.launch_with_grace().start();
        let lines = self.owner.lines(LINES);
        program.send(&lines);
        self.await_answers(&program, lines.len());
        self.wait_up_to(Duration::from_millis(20));
        self.kill(program);
    }

    fn killed_in_a_drain(&mut self) {
        let slow = Behavior { slow: Duration::from_millis(60), ..self.draw_behavior() };
        self.reports.next_run(slow);
        let program = self.launch_with_grace().start();
        let lines = self.owner.lines(LINES);
        program.send(&lines);
        program.until("its answers", |counts| answers(counts) >= lines.len());
        program.signal(Signal::TERM);
        let told = self.random.usize(..200);
        program.until("outcomes of the drain", |counts| count(counts, "outcome") >= told);
        self.wait_up_to(Duration::from_millis(5));
        self.kill(program);
    }

    fn killed_in_recovery(&mut self) {
        let slow = Behavior { slow: Duration::from_millis(30), ..self.draw_behavior() };
        self.reports.next_run(slow);
        let program = self.launch_with_grace().start();
        if self.random.bool() {
            program.until("the ready line", |counts| count(counts, "ready") > 0);
            self.wait_up_to(Duration::from_millis(30));
        } else {
            // About as long as a start takes.
            self.wait_up_to(Duration::from_millis(150));
        }
        // Nothing was sent, so nothing is heard.
        assert_eq!(program.kill().of("accepted").count(), 0);
        self.kills += 1;
    }

    /// Gives how many operations there were in a run that nothing disturbs.
    #[cfg(target_os = "linux")]
    pub(super) fn undisturbed(&mut self) -> u64 {
        let count = self.home.join("count");
        let ended = self.short(&Fault::none(FILES).count(&count));
        assert!(!ended.was_killed());
        operations(count)
    }

    #[cfg(target_os = "linux")]
    fn broken(&mut self, kind: Kind, at: u64) {
        let disk = self.home.join("disk");
        // What was there before is on the disk.
        std::fs::remove_dir_all(&disk).ok();
        std::fs::create_dir(&disk).unwrap();
        for suffix in ["", "-wal"] {
            let file = format!("{FILES}{suffix}");
            if self.home.join(&file).exists() {
                std::fs::copy(self.home.join(&file), disk.join(&file)).unwrap();
            }
        }
        let fault = Fault::at(at, kind, FILES).shadow(&disk);
        self.short(&fault);
        if kind == Kind::Power {
            fault.cut_power(self.home.path()).unwrap();
        }
        let damaged = std::fs::read_dir(self.home.path()).unwrap().map(|file| file.unwrap().file_name());
        let damaged: Vec<_> = damaged.filter(|name| name.to_string_lossy().contains("damaged")).collect();
        assert!(damaged.is_empty(), "{kind:?} {at}: that is no damage, but there is {damaged:?}");
    }

    /// Some lines and a drain.
    #[cfg(target_os = "linux")]
    fn short(&mut self, fault: &Fault) -> Ended {
        let behavior = self.draw_behavior();
        self.reports.next_run(behavior);
        let program = self.launch().fault(fault).start();
        let lines = self.owner.lines(FEW_LINES);
        program.send(&lines);
        program.until("its answers", |counts| answers(counts) >= lines.len());
        program.signal_if_alive(Signal::TERM);
        let ended = program.ended();
        self.kills += u32::from(ended.was_killed());
        self.owner.hears(&ended);
        ended
    }

    fn await_answers(&mut self, program: &Program, lines: usize) {
        let wanted = self.random.usize(..=lines);
        program.until("answers", |counts| answers(counts) >= wanted);
    }

    /// The random moment itself: there is nothing to wait for.
    fn wait_up_to(&mut self, longest: Duration) {
        thread::park_timeout(longest.mul_f64(self.random.f64()));
    }

    fn kill(&mut self, program: Program) {
        let ended = program.kill();
        self.kills += u32::from(ended.was_killed());
        self.owner.hears(&ended);
    }

    fn draw_behavior(&mut self) -> Behavior {
        Behavior { refused: self.random.u8(..15), slow: Duration::from_millis(self.random.u64(..10)) }
    }

    /// A run that nobody disturbs delivers everything, and leaves nothing for the next one.
    pub(super) fn conclude(mut self) {
        self.reports.next_run(Behavior::default());
        let program = self.launch().arg("--drain-budget").arg("60s").start().ready();
        let lines = self.owner.lines(0);
        program.send(&lines);
        program.until("its answers", |counts| answers(counts) >= lines.len());
        let ended = program.stop();
        assert_eq!(ended.code(), 0, "{}", ended.stderr());
        self.owner.hears(&ended);

        self.reports.next_run(Behavior::default());
        let nothing = self.launch().run();
        let ready = nothing.of("ready").next().unwrap();
        assert_eq!(ready["recovered"], json!({"sessions": 0, "deliveries": 0}), "nothing is owed any more");
        assert_eq!((nothing.code(), nothing.of("outcome").count()), (0, 0));

        let reports = self.reports.all();
        let again = reports.iter().filter(|report| report.attempt > 1).count();
        let late = reports.iter().filter(|report| report.late).count();
        let (kills, sessions) = (self.kills, self.owner.accepted().len());
        eprintln!("{kills} kills, {sessions} sessions, {} attempts: {again} again, {late} late", reports.len());
        for plugin in REPORTING {
            promises::assert_every_end_was_delivered(plugin, self.owner.accepted(), &reports);
        }
        promises::assert_no_number_was_used_twice(&reports);
        promises::assert_order_was_kept_or_late_was_said(&reports);
        self.assert_each_end_was_counted_once(&reports);
        drop(self.seed);
    }

    /// What a guest stored is there with the record of its delivery, and not otherwise: so each end is in the sum once,
    /// however often the guest was told of it.
    fn assert_each_end_was_counted_once(&self, reports: &[Report]) {
        let journal = SqliteJournal::open(&self.journal()).unwrap();
        let mut ends: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for report in reports.iter().filter(|report| report.is_end()) {
            ends.entry(&report.tenant).or_default().insert(report.id.sequence);
        }
        for (tenant, ends) in ends {
            let space = Space { tenant: tenant.into(), plugin: PluginName::new(COUNTING).unwrap() };
            let counted = journal.key_value(&space, "ends").unwrap().unwrap();
            assert_eq!(String::from_utf8(counted).unwrap(), ends.len().to_string(), "ends of {tenant}");
        }
    }
}

fn count(counts: &BTreeMap<String, usize>, event: &str) -> usize {
    counts.get(event).copied().unwrap_or(0)
}

fn answers(counts: &BTreeMap<String, usize>) -> usize {
    count(counts, "accepted") + count(counts, "error")
}
