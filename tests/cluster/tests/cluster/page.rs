//! The servers' configuration for a node's user, as the page for operators has it.

use std::fs;

/// The folder of the pages, which are read when the test runs.
const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
/// What the page says before the configuration.
const BEFORE: &str = "The least that a node's user needs in that account, with the default prefix:\n\n```\n";
/// The place of the key, which is the reader's own.
const KEY: &str = "nkey: \"U…\"";

/// The configuration, for a user with this public key.
pub(crate) fn access(key: &str) -> String {
    let configuration = configuration();
    assert_eq!(configuration.matches(KEY).count(), 1, "{configuration}");
    configuration.replace(KEY, &format!("nkey: \"{key}\""))
}

/// What the page's first steps write into the first server's configuration: `number` is what the shell puts in the place of `$n`.
pub(crate) fn first_server(number: u32) -> String {
    let page = read("cluster.md");
    let (_, behind) = page.split_once("<<CONF\n").unwrap();
    let (configuration, _) = behind.split_once("\nCONF\n").unwrap();
    configuration.replace("$n", &number.to_string())
}

fn configuration() -> String {
    let page = read("cluster.md");
    let (_, behind) = page.split_once(BEFORE).unwrap_or_else(|| panic!("the page does not say {BEFORE:?}"));
    let (configuration, _) = behind.split_once("```").unwrap();
    configuration.to_owned()
}

fn read(page: &str) -> String {
    fs::read_to_string(format!("{PAGES}/{page}")).unwrap()
}

/// Without regard to indentation.
fn permissions(configuration: &str) -> String {
    let (_, behind) = configuration.split_once("permissions: {").unwrap();
    let (permissions, _) = behind.split_once('}').unwrap();
    permissions.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_files_for_containers_give_nodes_the_permissions_that_the_page_names() {
    let named = permissions(&configuration());
    assert!(named.contains("publish") && named.contains("subscribe"), "{named}");
    for file in ["deploy/cluster/nats.conf", "deploy/cluster/kubernetes.yaml"] {
        assert_eq!(permissions(&read(file)), named, "{file}");
    }
}
