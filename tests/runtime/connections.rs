//! Connections that are kept for plugins are closed when no more calls are to come.

use std::time::{Duration, Instant};

use lastword::events::{DrainReason, EndReason, PluginName, Session};
use lastword::{EndRequest, Grants, Limits, Runtime, Sandbox, SandboxConfig, Source, StartRequest, Tenants};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const MINUTE: Duration = Duration::from_secs(60);
/// How long a connection is kept that nobody uses, as docs/limits.md says. Then it is closed by itself.
const STAYS: Duration = Duration::from_secs(4);

/// Serves requests without a body on the first connection that comes, until the client closes it. Gives how many they were.
async fn server() -> (String, JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // A second one is refused.
        drop(listener);
        let (reads, mut writes) = stream.into_split();
        let (mut lines, mut served) = (BufReader::new(reads).lines(), 0);
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.is_empty() {
                writes.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
                served += 1;
            }
        }
        served
    });
    (authority, served)
}

fn session(id: &str, authority: &str) -> Session {
    let mut session = Session::new("acme", id);
    session.key = Some(authority.to_owned());
    session.agent_id = Some("/".to_owned());
    session
}

mod timed {
    use super::*;

    /// Makes two calls for one tenant, the second one in a drain if it drains. Gives how many requests came over the first connection, how
    /// long the calls took, and how long it then took until the connection was closed.
    async fn serve_two_calls(drains: bool) -> (usize, Duration, Duration) {
        let (authority, served) = server().await;
        let sandbox =
            Sandbox::new(SandboxConfig { max_concurrent_calls: Some(4), ..SandboxConfig::default() }).unwrap();
        let granted = [format!("http://{authority}").parse().unwrap()].into_iter().collect();
        let plugin = sandbox
            .load_with(
                PluginName::new("gets").unwrap(),
                &Source::Bytes(lastword_test_guests::component("http-gets")),
                Limits { deadline: MINUTE, ..Limits::default() },
                Grants { http: Some(granted), ..Grants::default() },
            )
            .unwrap();
        let runtime = Runtime::builder().sandbox(sandbox.clone()).plugin(plugin, Tenants::Every).drain_budget(MINUTE);
        let runtime = runtime.build().unwrap();
        for id in ["s1", "s2"] {
            runtime.start_session(StartRequest::new(session(id, &authority))).await.unwrap();
        }
        let end = |id| runtime.end_session(EndRequest::new(session(id, &authority), EndReason::Reset));
        let began = Instant::now();
        end("s1").await.unwrap();
        runtime.settled().await;
        if drains {
            assert_eq!(runtime.drain(DrainReason::Shutdown).await.delivered, 1);
        } else {
            end("s2").await.unwrap();
            runtime.settled().await;
            runtime.detach().await.unwrap();
        }
        let took = began.elapsed();
        let served = tokio::time::timeout(MINUTE, served).await.unwrap().unwrap();
        let closed_after = began.elapsed() - took;
        drop((runtime, sandbox));
        (served, took, closed_after)
    }

    #[tokio::test]
    async fn none_is_left_after_a_drain_or_a_detach_though_the_sandbox_lives() {
        for drains in [true, false] {
            loop {
                let (served, took, closed_after) = serve_two_calls(drains).await;
                // A busy machine may pause for so long between two calls that the connection is not kept any more.
                if took < STAYS {
                    assert_eq!(served, 2);
                    assert!(closed_after < STAYS / 2, "{closed_after:?}");
                    break;
                }
            }
        }
    }
}
