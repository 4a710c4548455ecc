//! What servers say of themselves on their monitoring ports, which also answer when nothing else does.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

use crate::configuration::POOLED_ROUTES;

/// A suspended server takes a connection and answers nothing.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// What each server answers to users of the system account.
const SYSTEM_ANSWER: &str = "$SYS.REQ.SERVER.PING.VARZ";

/// How one server sees a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamView {
    /// The server that leads it, if one does.
    pub leader: Option<String>,
    /// The sequence of the last message. 0: there was none.
    pub last_sequence: u64,
    /// The messages that are there.
    pub messages: u64,
    /// Their bytes, as they count against `max_bytes`.
    pub bytes: u64,
}

/// Asks a server. None: it does not answer, or not with 200.
pub(crate) fn ask(server: SocketAddr, path: &str) -> Option<Value> {
    let config = Agent::config_builder().timeout_global(Some(ANSWERS_WITHIN));
    let agent: Agent = config.build().into();
    let text = agent.get(format!("http://{server}{path}")).call().ok()?.body_mut().read_to_string().ok()?;
    serde_json::from_str(&text).ok()
}

/// Whether it has what it needs to serve JetStream, as it says itself.
pub(crate) fn is_healthy(server: SocketAddr) -> bool {
    ask(server, "/healthz").is_some_and(|answer| answer.get("status").and_then(Value::as_str) == Some("ok"))
}

/// Who leads the cluster's own group, as this server sees it.
pub(crate) fn meta_leader(server: SocketAddr) -> Option<String> {
    named(ask(server, "/jsz")?.pointer("/meta_cluster/leader"))
}

/// Whether it has all its connections to so many others, and has heard on that of the system account what each of them answers there.
/// With each connection that is made it forgets what it knew of the other one's JetStream, until that one next says how it is.
pub(crate) fn is_joined(server: SocketAddr, others: usize) -> bool {
    let Some(answer) = ask(server, "/routez?subs=true") else { return false };
    let routes = answer.get("routes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let hears = |route: &&Value| {
        let subjects = route.get("subscriptions_list").and_then(Value::as_array);
        subjects.is_some_and(|subjects| subjects.iter().any(|subject| subject.as_str() == Some(SYSTEM_ANSWER)))
    };
    routes.len() == others * (POOLED_ROUTES + 1) && routes.iter().filter(hears).count() == others
}

/// How many clients are connected to it.
pub(crate) fn clients(server: SocketAddr) -> Option<u64> {
    ask(server, "/connz")?.get("num_connections")?.as_u64()
}

/// A stream of any account, as this server sees it.
pub(crate) fn stream(server: SocketAddr, stream: &str) -> Option<StreamView> {
    let answer = ask(server, "/jsz?accounts=true&streams=true")?;
    let accounts = answer.get("account_details")?.as_array()?;
    let streams = accounts.iter().filter_map(|account| account.get("stream_detail")?.as_array()).flatten();
    let found = streams.into_iter().find(|one| one.get("name").and_then(Value::as_str) == Some(stream))?;
    let number = |path| found.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    Some(StreamView {
        leader: named(found.pointer("/cluster/leader")),
        last_sequence: number("/state/last_seq"),
        messages: number("/state/messages"),
        bytes: number("/state/bytes"),
    })
}

fn named(name: Option<&Value>) -> Option<String> {
    name.and_then(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned)
}
