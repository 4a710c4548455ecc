//! What `lastword.toml` and the command line grant is what a guest has, and no more; and what a tenant may use.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use crate::support::{Launch, Program, assert_says, end, on_guest, start};

fn plugin(guest: &str, more: &str) -> String {
    format!("[[plugin]]\nname = \"{guest}\"\ncomponent = \"{guest}.wasm\"\n{more}\n")
}

/// A run of these guests with this configuration.
fn serving(guests: &[&str], config: &str) -> Launch {
    guests.iter().fold(Launch::stdio(), |launch, guest| launch.with_guest(guest)).config(config)
}

fn end_of(tenant: &str, id: &str) -> String {
    json!({"op": "end", "session": {"tenant": tenant, "id": id}, "reason": "reset"}).to_string()
}

/// Sends an end and waits for its outcome, so that ends come one after the other.
fn told(program: &Program, tenant: &str, id: &str) -> Value {
    program.send([end_of(tenant, id)]);
    program.line("the outcome of an end", |line| {
        line["event"] == "outcome" && line["session"] == id && line["tenant"] == tenant
    })
}

#[test]
fn a_plugin_reads_the_settings_that_it_is_given() {
    let other = plugin("other", "config = {}").replace("other.wasm", "config-prints.wasm");
    let config = plugin("config-prints", "config = { greeting = \"hello\", more = \"x\" }") + &other;
    let mut program = serving(&["config-prints"], &config).start().ready();
    program.open(["s1"]);
    program.close_stdin();
    let ended = program.ended();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    assert_eq!(ended.printed("config-prints"), ["greeting=hello", "pairs=2"]);
    assert_eq!(ended.printed("other"), ["greeting absent", "pairs=0"]);
}

#[test]
fn what_a_plugin_stores_is_there_at_its_next_call_and_only_for_the_same_tenant() {
    let program = serving(&["kv-counts"], &plugin("kv-counts", "keyvalue = {}")).start().ready();
    for (tenant, id) in [("acme", "s1"), ("acme", "s2"), ("umbrella", "s3"), ("acme", "s4")] {
        assert_eq!(told(&program, tenant, id)["outcome"], "delivered");
    }
    let ended = program.stop();
    assert_eq!(ended.printed("kv-counts"), ["ends=1", "ends=2", "ends=1", "ends=3"]);
}

/// A server on this machine that answers so many requests with its own word.
fn greeter(requests: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
        }
    });
    address
}

#[test]
fn a_plugin_reaches_the_addresses_that_it_is_given_and_no_others() {
    let (granted, other) = (greeter(1), greeter(1));
    let config = plugin("http-gets", &format!("http = [\"http://{granted}\"]"));
    let program = serving(&["http-gets"], &config).start().ready();
    for (id, address) in [("s1", &granted), ("s2", &other)] {
        let session = json!({"id": id, "key": address, "agent_id": "/"});
        program.send([json!({"op": "end", "session": session}).to_string()]);
        program.line("its outcome", |line| line["event"] == "outcome" && line["session"] == id);
    }
    let printed = program.stop().printed("http-gets");
    assert_eq!(printed, ["status=200", "body=hello", "error=HTTP-request-denied"]);
}

#[test]
fn a_plugin_reads_the_transcript_of_the_session_and_none_outside_of_the_root() {
    let files = tempfile::tempdir().unwrap();
    let root = files.path().canonicalize().unwrap();
    for tenant in ["acme", "umbrella"] {
        std::fs::create_dir(root.join(tenant)).unwrap();
        std::fs::write(root.join(tenant).join("s.jsonl"), format!("of {tenant}")).unwrap();
    }
    let config = plugin(
        "transcript-reads",
        &format!("transcript = {{ root = \"{}/{{tenant}}\", max = \"1MiB\" }}", root.display()),
    );
    let program = serving(&["transcript-reads"], &config).start().ready();
    for (id, of) in [("s1", "acme"), ("s2", "umbrella")] {
        let uri = root.join(of).join("s.jsonl");
        let session = json!({"tenant": "acme", "id": id, "transcript": {"uri": uri}});
        program.send([json!({"op": "end", "session": session}).to_string()]);
        program.line("its outcome", |line| line["event"] == "outcome" && line["session"] == id);
    }
    let ended = program.stop();
    assert_eq!(ended.printed("transcript-reads"), ["first=of acme", "bytes=7", "absent"]);
    assert!(ended.log.iter().any(|line| line.contains("outside-root")), "{}", ended.stderr());
}

#[test]
fn a_plugin_that_wants_more_than_it_is_given_does_not_start() {
    for (guest, grant, given) in [
        ("imports-http", "http", "keyvalue = {}"),
        ("imports-keyvalue", "keyvalue", "http = []"),
        ("imports-config", "config", "transcript = { root = \"/var/lib/agents/{tenant}\" }"),
    ] {
        let ended = serving(&[guest], &plugin(guest, given)).run();
        assert_eq!(ended.code(), 2, "{}", ended.stderr());
        assert!(ended.lines.is_empty(), "no `ready`: {:?}", ended.lines);
        for said in [&format!("plugin {guest:?}"), &format!("needs the grant `{grant}`"), "wasi:"] {
            assert!(ended.stderr().contains(said), "{said:?} is missing in:\n{}", ended.stderr());
        }
    }
}

#[test]
fn an_outcome_names_the_limit_that_a_plugin_went_over() {
    let config = plugin("host-call-loop", "limits = { host-calls = 1000, deadline = \"1m\" }");
    let mut program = serving(&["host-call-loop"], &config).start().ready();
    program.open(["s1"]);
    program.close_stdin();
    let ended = program.ended();
    assert_eq!(ended.ends("host-call-loop", "failed(limit: host-calls)"), ["s1"], "{}", ended.stderr());
}

#[test]
fn a_start_over_a_quota_is_refused_and_one_after_an_end_is_not() {
    let config = plugin("prints", "") + "[quota]\nactive-sessions = 1\n[tenant.acme.quota]\nactive-sessions = 2\n";
    let program = serving(&["prints"], &config).start().ready();
    program.send([start("s1"), start("s2")]);
    let refused = program.line("the refusal", |line| line["event"] == "error");
    assert_eq!((&refused["line"], &refused["code"]), (&json!(2), &json!("quota")), "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("quota active-sessions"), "{refused}");
    program.send([end("s1", "reset"), start("s2")]);
    program.count("accepted", 3);
    let acme = |id: &str| json!({"op": "start", "session": {"tenant": "acme", "id": id}}).to_string();
    program.send([acme("s1"), acme("s2")]);
    program.count("accepted", 5);
    let ended = program.stop();
    assert_eq!((ended.code(), ended.printed_ends("prints")), (0, ["s1", "s1", "s2", "s2"].map(str::to_owned).to_vec()));
    assert_eq!(ended.of("error").count(), 1);
}

#[test]
fn a_delivery_over_a_quota_is_deferred_and_goes_out_in_the_drain() {
    // One call takes some 300 units: a debt of minutes.
    let config = plugin("prints", "") + "[tenant.acme.quota]\nfuel-per-second = 1\n";
    let program = serving(&["prints"], &config).start().ready();
    assert_eq!(told(&program, "acme", "s1")["outcome"], "delivered");
    let deferred = told(&program, "acme", "s2");
    assert_eq!((&deferred["outcome"], &deferred["cause"]), (&json!("deferred"), &json!("quota")), "{deferred}");
    assert_eq!(told(&program, "umbrella", "s3")["outcome"], "delivered", "others have a quota of their own");
    let ended = program.stop();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    assert_eq!(ended.printed_ends("prints"), ["s1", "s2", "s3"]);
}

#[test]
fn run_gives_what_the_command_line_grants_and_shows_what_was_stored() {
    let stored = on_guest("run", "kv-counts", &["--grant-keyvalue"]);
    assert_says(&stored, 0, &["| ends=1", "  stored  \"", " = 1 (counted up)", " -S keyvalue --invoke "]);
    let failed = on_guest("run", "kv-counts-then-fails", &["--grant-keyvalue=64KiB"]);
    assert_says(&failed, 6, &["| ends=1", "  stored  (nothing)"]);

    let settings = on_guest("run", "config-prints", &["--grant-config", "greeting=good day", "--grant-config", "b=1"]);
    assert_says(&settings, 0, &["| greeting=good day", "| pairs=2", "-S 'config-var=greeting=good day' -S config "]);

    let server = greeter(1);
    let event = json!({"session": {"id": "s1", "key": server, "agent_id": "/"}}).to_string();
    let granted = format!("http://{server}");
    let launch = Launch::command("run").with_guest("http-gets").arg("http-gets.wasm").arg("--grant-http").arg(granted);
    assert_says(&launch.arg("--event").arg("-").input(event).run(), 0, &["| status=200", "| body=hello"]);
}

#[test]
fn run_copies_the_transcript_that_the_event_names() {
    let launch = Launch::command("run").with_guest("transcript-reads").arg("transcript-reads.wasm");
    let root = launch.dir().canonicalize().unwrap().join("transcripts");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("s1.jsonl"), "hello").unwrap();
    let event = json!({"session": {"id": "s1", "transcript": {"uri": root.join("s1.jsonl")}}}).to_string();
    let launch = launch.arg("--grant-transcript").arg(&root).arg("--event").arg("-").input(event);
    assert_says(&launch.run(), 0, &["| first=hello", "| bytes=5"]);
    assert_says(&on_guest("run", "transcript-reads", &[]), 0, &["| absent"]);
}

#[test]
fn run_and_check_refuse_what_is_not_granted_with_the_same_words() {
    let words = ["wasi:keyvalue/", "needs the grant `keyvalue`: grant it", "`--grant-keyvalue`"];
    assert_says(&on_guest("run", "kv-counts", &[]), 2, &words);
    let check = Launch::command("check").with_guest("kv-counts").arg("kv-counts.wasm");
    assert_says(&check.run(), 6, &words);
}

#[test]
fn run_holds_a_guest_to_the_host_calls_of_the_command_line() {
    let ended = on_guest("run", "host-call-loop", &["--host-calls", "100", "--deadline", "1m"]);
    assert_says(&ended, 6, &["failed(limit: host-calls)"]);
}

#[test]
fn a_grant_that_cannot_be_is_wrong_usage() {
    for (args, said) in [
        (["--grant-http", "http://localhost:1"], "\"http://127.0.0.1:1\""),
        (["--grant-http", "api.example.com"], "write scheme and host"),
        (["--grant-config", "greeting"], "write greeting=VALUE"),
        (["--grant-keyvalue=1", "--no-cache"], "no unit"),
        (["--grant-transcript", "here"], "must be an absolute path"),
    ] {
        assert_says(&on_guest("run", "good", &args), 2, &[said]);
    }
}

#[test]
fn check_explains_what_a_plugin_asks_for_and_its_entry_can_be_pasted() {
    let checked = |flags: &[&str]| {
        let launch = Launch::command("check").with_guest("kv-counts").arg("kv-counts.wasm");
        flags.iter().fold(launch, Launch::arg).run()
    };
    let wants = [
        "keyvalue     not granted, and needed",
        "It wants to keep data from one call to the next",
        "files        none",
    ];
    assert_says(&checked(&[]), 6, &wants);
    let fits = checked(&["--grant-keyvalue=2MiB"]);
    assert_says(&fits, 0, &["fits lastword:hooks@", "keyvalue     granted: 2MiB for each tenant"]);

    let entry = fits.text.iter().skip_while(|line| *line != "[[plugin]]").cloned().collect::<Vec<_>>().join("\n");
    let program = serving(&["kv-counts"], &entry).start().ready();
    assert_eq!(told(&program, "acme", "s1")["outcome"], "delivered");
    assert_eq!(program.stop().printed("kv-counts"), ["ends=1"]);
}
