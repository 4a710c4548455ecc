//! What goes wrong.

use std::time::Duration;

use super::endings::How;
use super::{Event, World};
use crate::network::{SERVERS, ServerId};
use crate::request::{REGISTRY, Request, RunId};
use crate::settings::Fault;

impl World {
    pub(super) fn fault(&mut self) {
        if self.is_calm {
            return;
        }
        let next = self.about(self.settings.every);
        self.queue.add(self.now + next, Event::Fault);
        let fault = self.settings.faults[self.random.usize(..self.settings.faults.len())];
        let node = self.random.usize(..self.nodes.len());
        let server = self.random.usize(..SERVERS);
        self.note(|| format!("{fault:?}: node {node}, server {server}"));
        match fault {
            Fault::Deaths => self.die(node),
            Fault::Pauses => self.pause(node),
            Fault::Cuts => {
                let time = self.uneven(200, 60_000);
                self.cut(node, time);
            }
            Fault::Mutes => {
                let time = self.uneven(1_000, 40_000);
                self.nodes[node].mute_until = self.now + time;
                if self.random.bool() {
                    self.nodes[node].blind_until = self.now + time;
                    self.queue.add(self.now + time, Event::Sees(node));
                }
            }
            Fault::Leaders => {
                let existing: Vec<usize> =
                    (0..self.streams.len()).filter(|&stream| self.streams[stream].exists).collect();
                let is_registry = self.random.u8(..4) == 0;
                let stream = if is_registry { REGISTRY } else { existing[self.random.usize(..existing.len())] };
                self.lose_leader(stream, 6_000, 9_000);
            }
            Fault::Servers => {
                if !self.network.is_disturbed() {
                    self.server_down(server);
                    if self.random.u8(..4) == 0 {
                        self.server_down((server + 1) % SERVERS);
                    }
                }
            }
            Fault::Partitions => {
                if !self.network.is_disturbed() {
                    self.part(server);
                }
            }
            Fault::SlowDisks => {
                let until = self.now + self.between(5_000, 40_000);
                self.network.slow_down(server, until);
            }
            Fault::Upgrades => {
                if !std::mem::replace(&mut self.is_upgrading, true) {
                    let format = self.nodes.iter().map(|node| node.format).max().unwrap_or_default() + 1;
                    self.upgrade(0, format);
                }
            }
        }
    }

    /// A time between two, of which short ones are more frequent: as many up to ten times the least as up to a hundred times.
    fn uneven(&mut self, least: u64, most: u64) -> Duration {
        let part = self.random.f64();
        Duration::from_secs_f64(least as f64 / 1_000.0 * (most as f64 / least as f64).powf(part))
    }

    /// A process is killed. Half of the fleet stays.
    fn die(&mut self, node: usize) {
        let here = self.nodes.iter().filter(|node| node.process.is_some()).count();
        let Some(process) = &mut self.nodes[node].process else { return };
        if here * 2 <= self.settings.nodes + 1 {
            return;
        }
        let own = process.own;
        self.active -= std::mem::take(&mut process.active).len();
        self.nodes[node].process = None;
        self.nodes[node].unsent.clear();
        self.report.deaths += 1;
        self.journal_ends(own, How::Died);
        let at = self.now + self.between(5_000, 60_000);
        self.queue.add(at, Event::Boot(node));
    }

    fn pause(&mut self, node: usize) {
        let time = self.uneven(500, 30_000);
        let run = RunId { node, run: self.nodes[node].run };
        if let Some(process) = self.process(run)
            && process.inbox.is_none()
        {
            process.inbox = Some(Vec::new());
            self.queue.add(self.now + time, Event::Resume(run));
        }
    }

    /// A process goes on, with everything that has come meanwhile.
    pub(super) fn resume(&mut self, run: RunId) {
        let Some(inbox) = self.process(run).and_then(|process| process.inbox.take()) else { return };
        if self.nodes[run.node].is_connected() {
            self.catch_up(run);
        }
        for event in inbox {
            self.happens(event);
        }
    }

    fn cut(&mut self, node: usize, time: Duration) {
        self.nodes[node].cuts += 1;
        self.queue.add(self.now + time, Event::Connect(node));
    }

    pub(super) fn connect(&mut self, number: usize) {
        if !self.network.is_up(self.nodes[number].server) {
            let able: Vec<ServerId> = (0..SERVERS).filter(|&server| self.network.is_up(server)).collect();
            self.nodes[number].server = able[self.random.usize(..able.len())];
        }
        let node = &mut self.nodes[number];
        node.cuts -= 1;
        if !node.is_connected() {
            return;
        }
        let run = RunId { node: number, run: node.run };
        let unsent: Vec<Request> = std::mem::take(&mut node.unsent);
        for request in unsent {
            self.send(request);
        }
        if self.process(run).is_some_and(|process| process.inbox.is_none()) {
            self.catch_up(run);
        }
    }

    pub(super) fn sees(&mut self, number: usize) {
        let run = RunId { node: number, run: self.nodes[number].run };
        let is_there = self.process(run).is_some_and(|process| process.inbox.is_none());
        if is_there && self.nodes[number].is_connected() {
            self.catch_up(run);
        }
    }

    /// A server dies. Its clients find another one after 20 to 200 ms.
    fn server_down(&mut self, server: ServerId) {
        self.network.set_up(server, false);
        for node in 0..self.nodes.len() {
            if self.nodes[node].server == server {
                let time = self.between(20, 200);
                self.cut(node, time);
            }
        }
        self.lose_leaders(server);
        self.endings_have_no_quorum();
        let at = self.now + self.uneven(10_000, 120_000);
        self.queue.add(at, Event::ServerUp(server));
    }

    pub(super) fn server_up(&mut self, server: ServerId) {
        self.network.set_up(server, true);
        self.store_what_waits();
    }

    /// A server is apart from the others. Its clients notice nothing.
    fn part(&mut self, server: ServerId) {
        self.network.set_apart(server, true);
        self.lose_leaders(server);
        self.endings_have_no_quorum();
        let at = self.now + self.uneven(5_000, 60_000);
        self.queue.add(at, Event::Joined(server));
    }

    pub(super) fn joined(&mut self, server: ServerId) {
        self.network.set_apart(server, false);
        self.store_what_waits();
        for node in 0..self.nodes.len() {
            let run = RunId { node, run: self.nodes[node].run };
            let is_there = self.process(run).is_some_and(|process| process.inbox.is_none());
            if is_there && self.nodes[node].server == server && self.nodes[node].is_connected() {
                self.catch_up(run);
            }
        }
    }

    fn lose_leaders(&mut self, server: ServerId) {
        for stream in 0..self.streams.len() {
            if self.streams[stream].leader == Some(server) {
                self.lose_leader(stream, 6_000, 9_000);
            }
        }
    }

    pub(super) fn calm(&mut self) {
        self.is_calm = true;
    }
}
