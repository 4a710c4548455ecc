//! A disk on which each commit takes longer than a drain waits for one: owners' words are kept, and the exit is in time.

use std::collections::BTreeMap;

use lastword_faults::{Fault, Kind};
use serde_json::json;

use crate::support::{Ended, Home, Launch, Program, Signal};

/// A program on a disk that becomes slow when it is told to.
struct SlowDisk {
    home: Home,
}

impl SlowDisk {
    fn new() -> Self {
        Self { home: Home::new() }
    }

    fn launch(&self) -> Launch {
        self.home.launch().guest("prints")
    }

    fn start(&self, launch: Launch) -> Program {
        let fast = self.home.join("fast");
        std::fs::write(&fast, "").unwrap();
        launch.fault(&Fault::at(1, Kind::SlowFrom, "journal.db").until(fast)).start().ready()
    }

    fn is_slow_from_now_on(&self) {
        std::fs::remove_file(self.home.join("fast")).unwrap();
    }
}

/// The reason of each session's end, as the plugin was told it, once.
fn reasons(ended: &Ended) -> BTreeMap<&str, &str> {
    let ends: Vec<_> = ended.outcomes("prints", "session-end").collect();
    let text = |line: &'_ serde_json::Value, name: &str| line[name].as_str().unwrap().to_owned();
    assert!(ends.iter().all(|line| text(line, "outcome") == "delivered"), "{ends:?}");
    let reasons: BTreeMap<_, _> =
        ends.iter().map(|line| (line["session"].as_str().unwrap(), line["reason"].as_str().unwrap())).collect();
    assert_eq!(reasons.len(), ends.len(), "{ends:?}");
    reasons
}

fn of_openclaw(hook: &str, id: &str, reason: &str) -> String {
    let about = json!({"sessionId": id, "sessionKey": id, "reason": reason});
    json!({"t": 1, "hook": hook, "event": about, "ctx": about}).to_string()
}

/// Everything is on record, with the words that were told.
#[track_caller]
fn assert_nothing_is_owed(disk: &SlowDisk) {
    let next = disk.launch().run();
    assert_eq!(next.of("ready").next().unwrap()["recovered"], json!({"sessions": 0, "deliveries": 0}));
    assert_eq!((next.code(), next.of("outcome").count()), (0, 0));
}

mod timed {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::support::{end, start};

    /// The budget, and what is allowed for leaving.
    const IN_TIME: Duration = Duration::from_millis(2_100);

    #[test]
    fn ends_before_a_shutdown_line_keep_their_reasons_on_a_slow_disk_and_the_exit_is_in_time() {
        let disk = SlowDisk::new();
        let program = disk.start(disk.launch());
        program.open(["s1", "s2", "s3"]);
        disk.is_slow_from_now_on();
        let compaction = r#"{"op":"compaction","session":{"id":"s2"},"phase":"after"}"#.to_owned();
        let shutdown = r#"{"op":"shutdown"}"#.to_owned();
        let began = Instant::now();
        let late = [start("late"), end("late", "new")];
        program.send([&late[..], &[end("s1", "reset"), compaction, end("s2", "deleted"), shutdown]].concat());
        let ended = program.ended();
        let expected = [("late", "new"), ("s1", "reset"), ("s2", "deleted"), ("s3", "shutdown")];
        assert_eq!(reasons(&ended), BTreeMap::from(expected));
        assert!(ended.at.duration_since(began) <= IN_TIME, "{:?}", ended.at.duration_since(began));
        assert_eq!((ended.code(), ended.drained("sessions"), ended.drained("delivered")), (0, 1, 4));
        assert_eq!(
            ended.of("accepted").filter(|line| line["code"] == "duplicate_end").count(),
            0,
            "each was the first"
        );
        assert_eq!(ended.of("accepted").count(), 3 + 5);
        assert_nothing_is_owed(&disk);
    }

    #[test]
    fn ends_before_a_signal_keep_their_reasons_on_a_slow_disk_and_the_exit_is_in_time() {
        let disk = SlowDisk::new();
        let program = disk.start(disk.launch().arg("--from").arg("openclaw"));
        program.send(["s1", "s2"].map(|id| of_openclaw("session_start", id, "")));
        program.count("accepted", 2);
        disk.is_slow_from_now_on();
        // The last one is named in the log as it is read.
        program.send([of_openclaw("session_end", "s1", "new"), of_openclaw("message_sent", "s1", "")]);
        program.log("message_sent");
        let signalled = program.signal(Signal::TERM);
        let ended = program.ended();
        assert_eq!(reasons(&ended), BTreeMap::from([("s1", "new"), ("s2", "shutdown")]));
        assert!(ended.at.duration_since(signalled) <= IN_TIME, "{:?}", ended.at.duration_since(signalled));
        assert_eq!(ended.code(), 0);
        assert_nothing_is_owed(&disk);
    }
}
