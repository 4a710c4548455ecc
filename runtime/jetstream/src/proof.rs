//! What the servers have to prove before a journal calls anything recorded: their versions, and that each syncs each write to its disk.

use std::collections::BTreeMap;

use async_nats::Client;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use serde::Deserialize;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use crate::cluster::Cluster;
use crate::connect::connect;
use crate::error::ClusterError;
use crate::http;
use crate::limits::{FACTS_GATHER, FACTS_TIMEOUT, MIN_MAX_PAYLOAD};
use crate::settings::{ClusterSettings, SyncProof};

/// Where servers of the system account answer for all of the cluster.
const ASK_ALL: &str = "$SYS.REQ.SERVER.PING.VARZ";

/// Why the servers cannot hold a journal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProofError {
    /// A server has a version with known losses.
    #[error(
        "the NATS server {server} has version {version}: 2.14.2 or newer is needed (2.12.10 or newer of the 2.12 line), because older \
         ones can lose what they have acknowledged; install 2.15.1"
    )]
    Old {
        /// The server.
        server: String,
        /// Its version.
        version: String,
    },
    /// A server takes only small messages.
    #[error(
        "the NATS server {server} takes messages of {max_payload} bytes: set `max_payload: 1MB` or more in its configuration"
    )]
    SmallPayload {
        /// The server.
        server: String,
        /// What it takes, in bytes.
        max_payload: u64,
    },
    /// A server has no JetStream.
    #[error(
        "the NATS server {server} has no JetStream: add a `jetstream {{ store_dir: …, sync_interval: always }}` block to its configuration"
    )]
    NoJetStream {
        /// The server.
        server: String,
    },
    /// A server acknowledges writes that are not on its disk.
    #[error(
        "the NATS server {server} acknowledges writes before they are on its disk: set `sync_interval: always` in the `jetstream` block of \
         its configuration, and restart it"
    )]
    NoSync {
        /// The server.
        server: String,
    },
    /// Not all servers have answered.
    #[error("{answered} of {wanted} NATS servers have proved that they sync each write, by {how}: {why}")]
    Missing {
        /// How many have proved it.
        answered: usize,
        /// How many the cluster has.
        wanted: usize,
        /// What was asked.
        how: String,
        /// What the others say.
        why: String,
    },
    /// A copy of the stream is on a server that has proved nothing.
    #[error(
        "the stream {stream} is on the NATS server {server}, which is none of those that have proved that they sync: add it to them"
    )]
    Elsewhere {
        /// The stream.
        stream: String,
        /// The server.
        server: String,
    },
    /// The stream is not as a journal needs it.
    #[error("the stream {stream} cannot hold a journal: {what}")]
    Stream {
        /// The stream.
        stream: String,
        /// What is wrong with it, and what to do.
        what: String,
    },
}

/// What a server says of itself, in its own words.
#[derive(Clone, Debug, Default, Deserialize)]
struct Varz {
    #[serde(default)]
    server_id: String,
    #[serde(default)]
    server_name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    max_payload: u64,
    #[serde(default)]
    jetstream: JetStreamVarz,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct JetStreamVarz {
    /// None where JetStream is off.
    config: Option<JetStreamConfig>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct JetStreamConfig {
    /// Absent where it is off.
    #[serde(default)]
    sync_always: bool,
}

/// A server's answer over NATS.
#[derive(Deserialize)]
struct Answer {
    data: Varz,
}

/// The servers that have proved what they have to. None if it is assumed.
pub(crate) type Proven = Option<Vec<String>>;

/// Asks the servers. `client` is the connection of the journal.
pub(crate) async fn prove(cluster: &Cluster, client: &Client) -> Result<Proven, ClusterError> {
    let settings = cluster.settings();
    let info = client.server_info();
    check_server(&info.server_name, &info.version, u64::try_from(info.max_payload).unwrap_or(u64::MAX))?;
    let (answers, failures) = match &settings.sync_proof {
        SyncProof::Assumed => return Ok(None),
        SyncProof::Monitoring(urls) => {
            let answers = join_all(urls.iter().map(|url| http::varz(url))).await;
            let mut varz = Vec::new();
            let mut failures = Vec::new();
            for (url, answer) in urls.iter().zip(answers) {
                match answer.and_then(|body| read::<Varz>(&body)) {
                    Ok(one) => varz.push(one),
                    Err(why) => failures.push(format!("{url}: {why}")),
                }
            }
            (varz, failures)
        }
        SyncProof::SystemAccount(credentials) => {
            let system = connect(cluster, credentials, "lastword proof").await?;
            (ask_all(&system.client, settings.cluster_size).await?, Vec::new())
        }
    };
    Ok(Some(judge(answers, &failures, settings)?))
}

fn read<T: for<'a> Deserialize<'a>>(body: &Bytes) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("its answer is not what a NATS server says ({error})"))
}

/// Asks all servers, with a connection of the system account.
async fn ask_all(client: &Client, wanted: usize) -> Result<Vec<Varz>, ClusterError> {
    let refused = |error: &dyn std::fmt::Display| ClusterError::request("tell the servers' settings", error);
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| refused(&error))?;
    client.publish_with_reply(ASK_ALL, inbox, Bytes::new()).await.map_err(|error| refused(&error))?;
    let mut until = Instant::now() + FACTS_TIMEOUT;
    let mut heard = Vec::new();
    while let Ok(Some(message)) = timeout_at(until, answers.next()).await {
        if message.status.is_some_and(|status| status == async_nats::StatusCode::NO_RESPONDERS) {
            return Err(refused(&"the user of `system_account` is not of the system account"));
        }
        heard.extend(read::<Answer>(&message.payload).map(|answer| answer.data));
        // More servers than are expected have to prove it too.
        if heard.len() == wanted {
            until = until.min(Instant::now() + FACTS_GATHER);
        }
    }
    Ok(heard)
}

/// Checks what the servers say of themselves. Gives their names.
fn judge(answers: Vec<Varz>, failures: &[String], settings: &ClusterSettings) -> Result<Vec<String>, ProofError> {
    // By the id: two addresses may be of one server.
    let addresses = answers.len();
    let servers: BTreeMap<String, Varz> = answers.into_iter().map(|varz| (varz.server_id.clone(), varz)).collect();
    for Varz { server_name, version, max_payload, jetstream, .. } in servers.values() {
        check_server(server_name, version, *max_payload)?;
        let server = || server_name.clone();
        match &jetstream.config {
            None => return Err(ProofError::NoJetStream { server: server() }),
            Some(config) if !config.sync_always => return Err(ProofError::NoSync { server: server() }),
            Some(_) => (),
        }
    }
    if servers.len() < settings.cluster_size {
        let why = if !failures.is_empty() {
            failures.join("; ")
        } else if addresses > servers.len() {
            format!("{addresses} have answered, and some of them are one server: name each server's once")
        } else {
            "the others did not answer".to_owned()
        };
        return Err(ProofError::Missing {
            answered: servers.len(),
            wanted: settings.cluster_size,
            how: settings.sync_proof.to_string(),
            why: lastword_events::printable(&why).into_owned(),
        });
    }
    Ok(servers.into_values().map(|varz| varz.server_name).collect())
}

fn check_server(server: &str, version: &str, max_payload: u64) -> Result<(), ProofError> {
    let server = lastword_events::printable(server).into_owned();
    if !is_new_enough(version) {
        return Err(ProofError::Old { server, version: lastword_events::printable(version).into_owned() });
    }
    if max_payload < MIN_MAX_PAYLOAD {
        return Err(ProofError::SmallPayload { server, max_payload });
    }
    Ok(())
}

/// 2.14.2 has the last of the fixes that we know of, and 2.12.10 has them in the line before. A release candidate is older than its
/// release.
fn is_new_enough(version: &str) -> bool {
    let (numbers, is_candidate) = version.split_once('-').map_or((version, false), |(numbers, _)| (numbers, true));
    let parts: Option<Vec<u64>> = numbers.trim_start_matches('v').split('.').map(|part| part.parse().ok()).collect();
    let Some(&[major, minor, patch]) = parts.as_deref() else { return false };
    // After the last release before it, and before the release itself.
    let at = (major, minor, patch, !is_candidate);
    at >= (2, 14, 2, true) || ((2, 12, 10, true)..(2, 13, 0, false)).contains(&at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNCED: &str = r#"{"server_id":"ID1","server_name":"n1","version":"2.15.1","max_payload":1048576,
        "jetstream":{"config":{"max_memory":1,"sync_always":true,"sync_interval":120000000000},"stats":{}}}"#;

    fn settings() -> ClusterSettings {
        let urls = (1..=3).map(|n| format!("http://n{n}:8222")).collect();
        ClusterSettings::new(vec!["nats://n1".to_owned()], SyncProof::Monitoring(urls))
    }

    fn varz(name: &str) -> Varz {
        let body = SYNCED.replace("ID1", name).replace("n1", name);
        read(&Bytes::from(body)).unwrap()
    }

    fn all() -> Vec<Varz> {
        ["n1", "n2", "n3"].map(varz).into()
    }

    fn changed(change: impl FnOnce(&mut Varz)) -> String {
        let mut servers = all();
        change(&mut servers[1]);
        judge(servers, &[], &settings()).unwrap_err().to_string()
    }

    #[test]
    fn versions_with_the_known_fixes_are_new_enough() {
        for good in [
            "2.14.2",
            "2.14.5",
            "2.15.0",
            "2.15.1",
            "3.0.0",
            "2.12.10",
            "2.12.11",
            "v2.15.1",
            "2.15.0-RC.1",
            "2.14.3-RC.1",
        ] {
            assert!(is_new_enough(good), "{good}");
        }
        for bad in [
            "",
            "2.9.10",
            "2.10.23",
            "2.11.9",
            "2.12.9",
            "2.13.0",
            "2.14.1",
            "2.14.2-RC.1",
            "2.12.10-beta",
            "2.15",
            "x.y.z",
            "2.15.1.1",
        ] {
            assert!(!is_new_enough(bad), "{bad}");
        }
    }

    #[test]
    fn three_servers_that_sync_have_proved_it() {
        assert_eq!(judge(all(), &[], &settings()), Ok(vec!["n1".to_owned(), "n2".to_owned(), "n3".to_owned()]));
    }

    #[test]
    fn a_server_that_does_not_keep_what_it_acknowledges_is_named_with_what_to_set() {
        let unsynced = SYNCED.replace(r#""sync_always":true,"#, "");
        let text =
            changed(|varz| *varz = Varz { server_name: "n2".to_owned(), ..read(&Bytes::from(unsynced)).unwrap() });
        assert!(text.contains("n2") && text.contains("sync_interval: always"), "{text}");
        let text = changed(|varz| varz.jetstream.config = None);
        assert!(text.contains("n2") && text.contains("no JetStream"), "{text}");
        let text = changed(|varz| varz.version = "2.12.1".to_owned());
        assert!(text.contains("n2") && text.contains("2.12.1"), "{text}");
        let text = changed(|varz| varz.max_payload = 65_536);
        assert!(text.contains("n2") && text.contains("max_payload: 1MB"), "{text}");
    }

    #[test]
    fn a_server_without_jetstream_says_nothing_of_its_settings() {
        let off: Varz = read(&Bytes::from_static(br#"{"server_id":"a","version":"2.15.1","jetstream":{}}"#)).unwrap();
        assert!(off.jetstream.config.is_none());
    }

    #[test]
    fn one_server_with_two_addresses_counts_once() {
        let twice = vec![varz("n1"), varz("n1"), varz("n2")];
        let error = judge(twice.clone(), &[], &settings()).unwrap_err().to_string();
        assert!(error.contains("name each server's once"), "{error}");
        let failures = ["http://n3:8222: connection refused".to_owned()];
        let error = judge(twice, &failures, &settings()).unwrap_err();
        assert!(matches!(error, ProofError::Missing { answered: 2, wanted: 3, .. }), "{error}");
        assert!(error.to_string().contains("http://n3:8222: connection refused"), "{error}");
    }
}
