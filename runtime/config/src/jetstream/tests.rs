//! What is read of `jetstream`, and each mistake in it.

use std::path::Path;

use super::*;
use crate::{Config, Journal, Mistakes, Source};

fn parse(text: &str) -> Result<JetStream, Mistakes> {
    let text = format!("[journal.jetstream]\n{text}");
    let (path, directory) = (Path::new("/etc/lastword/lastword.toml"), Path::new("/etc/lastword"));
    let source = Source { path, directory, text: &text, read_component: &|_| Ok(Vec::new()) };
    let Some(Journal::JetStream(jetstream)) = Config::parse(&source)?.journal else { panic!("{text}") };
    Ok(*jetstream)
}

const LEAST: &str = "servers = [\"n1\"]\nassume-sync-always = true\n";

#[test]
fn what_is_left_out_has_its_default_and_paths_are_relative_to_the_file() {
    let least = JetStream {
        servers: vec!["nats://n1".to_owned()],
        prefix: "LW".to_owned(),
        node: None,
        address: None,
        login: None,
        tls: None,
        sync: SyncProof::Assumed,
        max_bytes: 1 << 30,
        cluster_size: 3,
    };
    assert_eq!(parse(LEAST).unwrap(), least);
    let whole = parse(
        "servers = [\"tls://n1.example.com:4222\", \"nats://[::1]:4223\", \"10.0.0.1:4224\"]\nprefix = \"ACME_1\"\n\
         node = \"lastword-0\"\naddress = \"https://lastword-0:7417\"\nnkey = \"node.nk\"\n\
         tls = { ca = \"ca.pem\", certificate = \"client.pem\", key = \"/keys/client.pem\" }\n\
         monitoring = [\"http://n1:8222\", \"http://n2:8222/\", \"http://[::1]:8222\", \"http://n4:1\", \"http://n5:1\"]\n\
         max-bytes = \"4GiB\"\ncluster-size = 5\n",
    );
    let monitoring = ["http://n1:8222", "http://n2:8222", "http://[::1]:8222", "http://n4:1", "http://n5:1"];
    let expected = JetStream {
        servers: ["tls://n1.example.com:4222", "nats://[::1]:4223", "nats://10.0.0.1:4224"].map(str::to_owned).to_vec(),
        prefix: "ACME_1".to_owned(),
        node: Some("lastword-0".to_owned()),
        address: Some("https://lastword-0:7417".to_owned()),
        login: Some(NatsLogin::Nkey("/etc/lastword/node.nk".into())),
        tls: Some(NatsTls {
            ca: Some("/etc/lastword/ca.pem".into()),
            identity: Some(("/etc/lastword/client.pem".into(), "/keys/client.pem".into())),
        }),
        sync: SyncProof::Monitoring(monitoring.map(str::to_owned).to_vec()),
        max_bytes: 4 << 30,
        cluster_size: 5,
    };
    assert_eq!(whole.unwrap(), expected);
}

#[test]
fn there_is_one_way_in_for_a_node_and_one_for_the_proof() {
    let way = |text: &str| parse(&format!("{LEAST}{text}")).unwrap().login.unwrap();
    assert_eq!(way("credentials = \"a.creds\""), NatsLogin::Credentials("/etc/lastword/a.creds".into()));
    assert_eq!(way("token-file = \"/run/t\""), NatsLogin::Token("/run/t".into()));
    let user = NatsLogin::User { name: "lastword".to_owned(), password_file: "/etc/lastword/p".into() };
    assert_eq!(way("user = \"lastword\"\npassword-file = \"p\""), user);
    let system = parse("servers = [\"n1\"]\nsystem = { user = \"lastword\", password-file = \"p\" }").unwrap();
    assert_eq!(system.sync, SyncProof::System(user));
}

#[test]
fn every_mistake_says_what_to_write() {
    let after = |text: &str| format!("{LEAST}{text}");
    for (text, said) in [
        ("assume-sync-always = true".to_owned(), "jetstream: it has no servers: add servers = ["),
        ("servers = []\nassume-sync-always = true".to_owned(), "2:11: servers: the list is empty"),
        ("servers = \"n1\"\nassume-sync-always = true".to_owned(), "2:11: \"servers\" must be a list such as ["),
        ("servers = [\"http://n1\"]".to_owned(), "2:12: servers: \"http://n1\" is no server: write one such as"),
        ("servers = [\"n1:0\"]".to_owned(), "2:12: servers: \"n1:0\" is no server"),
        ("servers = [\"n1:4222/a\"]".to_owned(), "2:12: servers: \"n1:4222/a\" is no server"),
        ("servers = [\"n1\"]".to_owned(), "jetstream: nothing says whether the servers sync before they acknowledge"),
        (
            "servers = [\"n1\"]\nassume-sync-always = false".to_owned(),
            "nothing says whether the servers sync before they acknowledge",
        ),
        (after("monitoring = []"), "3:22: assume-sync-always: monitoring or system proves it"),
        (
            "servers = [\"n1\"]\nmonitoring = [\"http://n1:8222\"]".to_owned(),
            "3:14: monitoring: it names 1 of 3 servers: name each server",
        ),
        (
            "servers = [\"n1\"]\nmonitoring = [\"http://n1\", \"http://n2:1\", \"https://n3:1\"]".to_owned(),
            "3:15: monitoring: \"http://n1\" is no monitoring address: write one such as \"http://n1.example.com:8222\"",
        ),
        ("servers = [\"n1\"]\nsystem = {}".to_owned(), "3:10: system: it has no login: add credentials = "),
        (
            "servers = [\"n1\"]\nsystem = { token-file = \"t\" }\nmonitoring = [\"http://a:1\", \"http://b:1\", \"http://c:1\"]"
                .to_owned(),
            "3:10: system: monitoring proves the same",
        ),
        (after("prefix = \"a.b\""), "4:10: prefix: \"a.b\" cannot begin the name of a stream"),
        (after("prefix = \"\""), "4:10: prefix: \"\" cannot begin the name of a stream"),
        (after("node = \"\""), "4:8: node: it is empty: leave it out"),
        (after("user = \"lastword\""), "4:8: user: it has no password-file beside it"),
        (after("password-file = \"p\""), "4:17: password-file: it has no user beside it"),
        (after("password = \"p\""), "4:1: unknown key \"password\" in jetstream: did you mean \"password-file\"?"),
        (after("nkey = \"a\"\ntoken-file = \"b\""), "5:14: token-file: jetstream logs in with nkey already"),
        (after("credentials = \"\""), "4:15: credentials: it is empty: write a path such as \"lastword.creds\""),
        (after("tls = { key = \"k\" }"), "4:15: key: it has no certificate beside it"),
        (after("tls = true"), "4:7: \"tls\" must be a table such as { ca = \"ca.pem\" }, not true"),
        (after("max-bytes = \"1MiB\""), "4:13: max-bytes: \"1MiB\" is too little"),
        (after("cluster-size = 1"), "4:16: cluster-size: a journal has three copies"),
        (after("cluster-size = 65"), "4:16: \"cluster-size\" must be a whole number from 1 to 64"),
    ] {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn a_password_in_an_address_is_refused_and_not_repeated() {
    for text in
        ["servers = [\"nats://me:hunter2@n1\"]\n", "servers = [\"n1\"]\nmonitoring = [\"http://me:hunter2@n1:1\"]\n"]
    {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains("an address must not have a user or a password"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
