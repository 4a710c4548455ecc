//! An owner of many sessions that keeps to the protocol: it sends a line again when it got no answer, with the same
//! `op_id`.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::Ended;

const TENANTS: [&str; 3] = ["acme", "default", "umbrella"];
/// Few, so that one id has many events and generations.
const IDS: u32 = 25;

/// (tenant, id, generation).
pub(super) type Run = (String, String, u32);

pub(super) struct Owner {
    random: Rng,
    /// Where the plugins report.
    server: String,
    lines: u64,
    /// Lines that were sent and not answered, with their `op_id`, in order.
    unanswered: Vec<(String, String)>,
    /// The `op_id`s of this run's lines, in order.
    sent: Vec<String>,
    /// The generation that each `op_id` was said to be about.
    generations: BTreeMap<String, u32>,
    accepted: BTreeSet<Run>,
}

impl Owner {
    pub(super) fn new(random: Rng, server: String) -> Self {
        let (generations, accepted) = (BTreeMap::new(), BTreeSet::new());
        Self { random, server, lines: 0, unanswered: Vec::new(), sent: Vec::new(), generations, accepted }
    }

    /// Sessions of which something was accepted.
    pub(super) fn accepted(&self) -> &BTreeSet<Run> {
        &self.accepted
    }

    /// Lines for a program that has just been started: most of those that were not answered, and then new ones.
    pub(super) fn lines(&mut self, new: usize) -> Vec<String> {
        let given_up = self.random.u8(..4) == 0;
        let again = std::mem::take(&mut self.unanswered);
        let again: Vec<_> = again.into_iter().filter(|_| !given_up || self.random.bool()).collect();
        self.unanswered = again;
        for _ in 0..new {
            let line = self.line();
            self.unanswered.push(line);
            if self.random.u8(..20) == 0 {
                // It was in doubt, and sends it twice.
                self.unanswered.extend(self.unanswered.last().cloned());
            }
        }
        self.sent = self.unanswered.iter().map(|(op_id, _)| op_id.clone()).collect();
        self.unanswered.iter().map(|(_, line)| line.clone()).collect()
    }

    fn line(&mut self) -> (String, String) {
        self.lines += 1;
        let op_id = format!("op-{}", self.lines);
        let tenant = TENANTS[self.random.usize(..TENANTS.len())];
        let id = format!("s{}", self.random.u32(..IDS));
        let session = json!({"tenant": tenant, "id": id, "key": self.server});
        let line = match self.random.u8(..10) {
            0..5 => json!({"op": "start", "op_id": op_id, "session": session}),
            5 => json!({"op": "compaction", "op_id": op_id, "session": session, "phase": "after"}),
            _ => json!({"op": "end", "op_id": op_id, "session": session, "reason": "reset"}),
        };
        (op_id, line.to_string())
    }

    /// What a program has answered before it ended.
    pub(super) fn hears(&mut self, ended: &Ended) {
        let mut answered = vec![false; self.sent.len()];
        for line in &ended.lines {
            assert!(line.get("lines").is_none(), "we read at once, so each has its own answer: {line}");
            let Some(number) = line["line"].as_u64() else { continue };
            let at = usize::try_from(number).unwrap() - 1;
            answered[at] = true;
            match line["event"].as_str().unwrap() {
                "accepted" => self.hears_accepted(&self.sent[at].clone(), line),
                _ => assert!(line["code"] == "draining" || line["code"] == "journal", "{line}"),
            }
        }
        assert_eq!(self.unanswered.len(), answered.len());
        let mut answered = answered.into_iter();
        self.unanswered.retain(|_| !answered.next().unwrap());
    }

    fn hears_accepted(&mut self, op_id: &str, line: &Value) {
        assert_eq!(line["op_id"], *op_id);
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        let generation = u32::try_from(line["generation"].as_u64().unwrap()).unwrap();
        // A duplicate end is no line of its own: nothing was kept under its name.
        if line["code"] != "duplicate_end" {
            let known = *self.generations.entry(op_id.to_owned()).or_insert(generation);
            assert_eq!(known, generation, "a line that is sent again is about what it was about: {line}");
        }
        self.accepted.insert((text("tenant"), text("session"), generation));
    }
}
