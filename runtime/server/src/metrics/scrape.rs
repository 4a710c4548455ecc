//! Metrics that are gathered only at a scrape.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use lastword::events::Owner;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::bounded::{BoundedLabel, OTHER};
use super::{Gauges as Family, Metrics, as_i64, label, plugin_label};
use crate::cluster::ClusterStatus;
use crate::limits::MAX_KIND_LABELS;
use crate::owners::KindCounts;
use crate::status::PluginStatus;

/// The state at the moment of a scrape.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scraped {
    pub(crate) kinds: Vec<(String, KindCounts)>,
    /// The kinds in the configuration.
    pub(crate) configured_kinds: Vec<String>,
    pub(crate) plugins: Vec<PluginStatus>,
    pub(crate) sessions: u64,
    pub(crate) undelivered_ends: u64,
    pub(crate) unwritten_bytes: u64,
    pub(crate) connections: u64,
    /// The number of slots, and of those that hold a guest.
    pub(crate) slots: Option<(u64, u64)>,
    /// The reason for the number of slots.
    pub(crate) slots_bound: Option<&'static str>,
    /// Bytes that all calls may have together, and bytes that they have.
    pub(crate) memory: Option<(u64, u64)>,
    /// The cluster that the daemon is a node of.
    pub(crate) cluster: Option<ClusterStatus>,
    pub(crate) uptime_s: u64,
}

impl Scraped {
    /// Returns the kinds in order: known ones first, then those with most owners and sessions. Invented kinds push out
    /// no known kind, and a kind without owners makes room.
    fn kinds_in_order(&self) -> Vec<(&str, KindCounts)> {
        let is_known = |kind: &str| {
            Owner::ALL.into_iter().filter_map(Owner::kind).any(|known| known == kind)
                || self.configured_kinds.iter().any(|configured| configured == kind)
        };
        let mut kinds: Vec<(&str, KindCounts)> =
            self.kinds.iter().map(|(kind, counts)| (kind.as_str(), *counts)).collect();
        kinds.sort_by_key(|(kind, counts)| (!is_known(kind), Reverse(counts.owners + counts.sessions)));
        kinds
    }
}

/// The gauges of a node of a cluster. Without one they have no values. Acknowledgements of the stream are commits of the journal.
#[derive(Debug, Default)]
struct ClusterGauges {
    stream: Family<1>,
    numbers: Family<1>,
    replicas: Family<1>,
    journals: Family<1>,
    node: Family<1>,
}

impl ClusterGauges {
    fn register(registry: &mut Registry) -> Self {
        let gauges = Self::default();
        let help = "The size of the journal's stream, and the most that it can have";
        registry.register_with_unit("stream_size", help, Unit::Bytes, gauges.stream.clone());
        let help = "The stream's epoch, its last acknowledged sequence, writes that wait, and seconds in which none was acknowledged";
        registry.register("stream", help, gauges.numbers.clone());
        let help = "Copies of the stream, by whether they are current: fewer than two current ones are no quorum";
        registry.register("stream_replicas", help, gauges.replicas.clone());
        registry.register("cluster_journals", "Journals of the cluster, by state", gauges.journals.clone());
        let help = "Journals of other nodes that this run has taken over, calls that can be under way in those that it has, and 1 if it hears no node";
        registry.register("cluster_node", help, gauges.node.clone());
        gauges
    }

    fn set(&self, cluster: &ClusterStatus) {
        let stream = &cluster.stream;
        for (what, bytes) in [("limit", stream.max_bytes), ("used", stream.bytes)] {
            self.stream.get_or_create(&[label("what", what)]).set(as_i64(bytes));
        }
        let silent = stream.silent_ms.unwrap_or_default() / 1000;
        let numbers = [
            ("epoch", stream.epoch),
            ("sequence", stream.last_sequence),
            ("waiting", stream.waiting),
            ("silent_seconds", silent),
        ];
        for (what, n) in numbers {
            self.numbers.get_or_create(&[label("what", what)]).set(as_i64(n));
        }
        let current = stream.replicas.iter().filter(|replica| replica.current).count();
        for (word, copies) in [("true", current), ("false", stream.replicas.len() - current)] {
            self.replicas.get_or_create(&[label("current", word)]).set(as_i64(copies as u64));
        }
        self.journals.clear();
        for node in &cluster.nodes {
            self.journals.get_or_create(&[label("state", &node.state)]).inc();
        }
        let slots: u64 =
            cluster.nodes.iter().filter_map(|node| node.left.as_ref()).map(|left| u64::from(left.slots)).sum();
        let numbers =
            [("adoptions", cluster.adoptions), ("adopted_slots", slots), ("cut_off", u64::from(cluster.cut_off))];
        for (what, n) in numbers {
            self.node.get_or_create(&[label("what", what)]).set(as_i64(n));
        }
    }
}

#[derive(Debug)]
pub(super) struct Gauges {
    owners: Family<1>,
    owned: Family<1>,
    deliveries: Family<2>,
    sessions: Gauge,
    undelivered: Gauge,
    unwritten: Gauge,
    connections: Gauge,
    slots: Family<1>,
    slots_bound: Family<1>,
    memory: Family<1>,
    cluster: ClusterGauges,
    uptime: Gauge,
}

impl Gauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let gauges = Self {
            owners: Family::default(),
            owned: Family::default(),
            deliveries: Family::default(),
            sessions: Gauge::default(),
            undelivered: Gauge::default(),
            unwritten: Gauge::default(),
            connections: Gauge::default(),
            slots: Family::default(),
            slots_bound: Family::default(),
            memory: Family::default(),
            cluster: ClusterGauges::register(registry),
            uptime: Gauge::default(),
        };
        registry.register("owners", "Owners that are alive or in their grace", gauges.owners.clone());
        registry.register("owner_sessions", "Active sessions, by kind of owner", gauges.owned.clone());
        registry.register("deliveries", "Deliveries that were not made, by state", gauges.deliveries.clone());
        registry.register("sessions", "Active sessions", gauges.sessions.clone());
        let help = "Ends that are owed, or that active sessions will owe";
        registry.register("undelivered_ends", help, gauges.undelivered.clone());
        let help = "What plugins have stored and is not written yet";
        registry.register_with_unit("unwritten", help, Unit::Bytes, gauges.unwritten.clone());
        registry.register("connections", "Open connections", gauges.connections.clone());
        registry.register("slots", "Room for calls, and what of it is taken", gauges.slots.clone());
        let help = "1 for what decided how many slots there are";
        registry.register("slots_bound", help, gauges.slots_bound.clone());
        let help = "Memory that all calls may have together, and what they have";
        registry.register_with_unit("call_memory", help, Unit::Bytes, gauges.memory.clone());
        registry.register_with_unit("uptime", "For how long it has served", Unit::Seconds, gauges.uptime.clone());
        gauges
    }

    /// Sets the values. `tenants` are those with labels of their own, if the settings ask for it.
    fn set(&self, scraped: &Scraped, tenants: Option<&BoundedLabel>) {
        self.set_kinds(scraped);
        self.deliveries.clear();
        for plugin in &scraped.plugins {
            let states = [
                ("ready", plugin.ready),
                ("running", plugin.running),
                ("waiting", plugin.waiting),
                ("dead", plugin.dead),
                ("orphaned", plugin.orphaned),
            ];
            let name = plugin_label(&plugin.plugin, plugin.tenant.as_deref(), tenants);
            for (state, count) in states {
                // Plugins of several tenants may share a name, and tenants may share a label.
                self.deliveries.get_or_create(&[label("plugin", &name), label("state", state)]).inc_by(as_i64(count));
            }
        }
        self.sessions.set(as_i64(scraped.sessions));
        self.undelivered.set(as_i64(scraped.undelivered_ends));
        self.unwritten.set(as_i64(scraped.unwritten_bytes));
        self.connections.set(as_i64(scraped.connections));
        self.uptime.set(as_i64(scraped.uptime_s));
        if let Some(cluster) = &scraped.cluster {
            self.cluster.set(cluster);
        }
        if let Some(bound) = scraped.slots_bound {
            self.slots_bound.get_or_create(&[label("by", bound)]).set(1);
        }
        for (family, of) in [(&self.slots, scraped.slots), (&self.memory, scraped.memory)] {
            let Some((limit, used)) = of else { continue };
            family.get_or_create(&[label("what", "limit")]).set(as_i64(limit));
            family.get_or_create(&[label("what", "used")]).set(as_i64(used));
        }
    }

    fn set_kinds(&self, scraped: &Scraped) {
        self.owners.clear();
        self.owned.clear();
        let mut by_label: BTreeMap<&str, KindCounts> = BTreeMap::new();
        for (place, (kind, counts)) in scraped.kinds_in_order().into_iter().enumerate() {
            let shown = if place < MAX_KIND_LABELS { kind } else { OTHER };
            let sum = by_label.entry(shown).or_default();
            sum.owners += counts.owners;
            sum.sessions += counts.sessions;
        }
        for (kind, counts) in by_label {
            self.owners.get_or_create(&[label("kind", kind)]).set(as_i64(counts.owners));
            self.owned.get_or_create(&[label("kind", kind)]).set(as_i64(counts.sessions));
        }
    }
}

impl Metrics {
    /// Returns the text for Prometheus.
    pub(crate) fn encode(&self, scraped: &Scraped) -> String {
        let _one_at_a_time = self.scrapes.lock();
        self.scraped.set(scraped, self.tenants.as_ref().map(|(tenants, _)| tenants));
        let mut text = String::with_capacity(16 * 1024);
        // Writing to a string cannot fail.
        encode(&mut text, &self.registry).ok();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_TENANT_LABELS;

    #[test]
    fn what_there_is_is_shown_and_kinds_have_a_bound() {
        let metrics = Metrics::new(false);
        let kinds = (0..MAX_KIND_LABELS + 9).map(|n| (format!("k{n:03}"), KindCounts { owners: 1, sessions: 2 }));
        let plugin = PluginStatus { plugin: "memory".into(), dead: 3, ..PluginStatus::default() };
        let scraped = Scraped {
            kinds: kinds.collect(),
            plugins: vec![plugin],
            slots: Some((256, 4)),
            slots_bound: Some("memory"),
            sessions: 11,
            ..Scraped::default()
        };
        for _ in 0..2 {
            let text = metrics.encode(&scraped);
            assert_eq!(text.matches("lastword_owners{").count(), MAX_KIND_LABELS + 1);
            for line in [
                r#"lastword_owner_sessions{kind="other"} 18"#,
                r#"lastword_deliveries{plugin="memory",state="dead"} 3"#,
                r#"lastword_slots{what="used"} 4"#,
                r#"lastword_slots_bound{by="memory"} 1"#,
                "lastword_sessions 11",
            ] {
                assert!(text.contains(line), "{line} is not in {text}");
            }
        }
    }

    #[test]
    fn plugins_of_one_name_are_told_from_each_other_where_tenants_are_shown_and_within_their_bound() {
        let of = |tenant: String| PluginStatus {
            plugin: "memory".into(),
            tenant: Some(tenant),
            ready: 2,
            ..PluginStatus::default()
        };
        let mut plugins = vec![PluginStatus { plugin: "memory".into(), ready: 1, ..PluginStatus::default() }];
        plugins.extend((0..MAX_TENANT_LABELS + 3).map(|n| of(format!("t{n}"))));
        let scraped = Scraped { plugins, ..Scraped::default() };
        let text = Metrics::new(true).encode(&scraped);
        for line in [
            r#"lastword_deliveries{plugin="memory",state="ready"} 1"#,
            r#"lastword_deliveries{plugin="t0/memory",state="ready"} 2"#,
            r#"lastword_deliveries{plugin="other/memory",state="ready"} 6"#,
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        let text = Metrics::new(false).encode(&scraped);
        let together =
            format!(r#"lastword_deliveries{{plugin="memory",state="ready"}} {}"#, 2 * (MAX_TENANT_LABELS + 3) + 1);
        assert!(text.contains(&together) && !text.contains("t0/"), "{together} is not in {text}");
    }

    #[test]
    fn kinds_that_are_made_up_push_out_none_that_is_known_and_leave_when_they_are_gone() {
        let metrics = Metrics::new(false);
        let mut scraped = Scraped { configured_kinds: vec!["ours".into()], ..Scraped::default() };
        scraped.kinds = (0..100).map(|n| (format!("a{n}"), KindCounts { owners: 9, sessions: 0 })).collect();
        metrics.encode(&scraped);
        for kind in ["claude-code", "ours"] {
            scraped.kinds.push((kind.into(), KindCounts { owners: 1, sessions: 0 }));
        }
        let text = metrics.encode(&scraped);
        for kind in ["claude-code", "ours"] {
            assert!(text.contains(&format!(r#"lastword_owners{{kind="{kind}"}} 1"#)), "{kind} is not in {text}");
        }
        scraped.kinds = vec![("new".into(), KindCounts { owners: 1, sessions: 0 })];
        assert!(metrics.encode(&scraped).contains(r#"lastword_owners{kind="new"} 1"#));
    }
}
