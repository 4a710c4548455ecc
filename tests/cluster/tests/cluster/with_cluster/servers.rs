//! The servers and the proxy do what the other tests take for granted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_nats::jetstream::message::PublishMessage;
use lastword_cluster_tests::{Fate, NatsProxy, look_for};

use crate::support::{client, make_stream, three_servers};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_stream_survives_its_leader_and_then_all_servers() {
    let servers = three_servers();
    make_stream(&servers, "S").await;
    let client = client(&servers.urls()).await;
    client.publish("S.a", "one".into()).await.unwrap().await.unwrap();
    let leader = servers.leader_of("S");
    servers.kill(leader);
    assert_ne!(servers.leader_of("S"), leader);
    servers.kill_all(&[0, 1, 2]);
    for server in 0..3 {
        servers.restart(server);
    }
    servers.wait_until_whole();
    let view = look_for("the stream", || Some(servers.stream("S")).filter(|view| view.messages == 1));
    assert_eq!(view.last_sequence, 1);
    let leader = servers.leader_of("S");
    servers.suspend(leader);
    assert_ne!(servers.leader_of("S"), leader);
    servers.resume(leader);
    servers.wait_until_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn an_acknowledgement_is_lost_late_or_cut_off_as_the_proxy_is_told_and_the_message_is_stored() {
    let servers = three_servers();
    make_stream(&servers, "S").await;
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let proxy = NatsProxy::in_front_of(servers.addresses(), move |acknowledgement| {
        assert_eq!((&*acknowledgement.stream, acknowledgement.refused), ("S", None));
        counted.fetch_add(1, Ordering::SeqCst);
        match acknowledgement.sequence {
            2 => Fate::Lost,
            3 => Fate::Late,
            5 => Fate::CutOff,
            _ => Fate::Arrives,
        }
    });
    let client = client(&[proxy.url()]).await;
    let publish = async |payload: &'static str| {
        client.send_publish("S.a", PublishMessage::build().payload(payload.into())).await.unwrap()
    };
    assert_eq!(publish("1").await.await.unwrap().sequence, 1);
    let lost = publish("2").await;
    lost.await.unwrap_err();
    let late = publish("3").await;
    look_for("the third acknowledgement", || (seen.load(Ordering::SeqCst) == 3).then_some(()));
    assert_eq!(publish("4").await.await.unwrap().sequence, 4);
    assert_eq!(late.await.unwrap().sequence, 3, "it came after the fourth message was sent");
    publish("5").await.await.unwrap_err();
    assert_eq!(publish("6").await.await.unwrap().sequence, 6, "on another connection");
    assert_eq!((proxy.published(), servers.stream("S").messages), (6, 6));
}
