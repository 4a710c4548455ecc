//! What systemd is told, and a socket that it hands over.

use std::fs::{self, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use crate::support::{Home, Launch, Raw, Signal, http};

/// A daemon that is handed a socket of this mode.
fn handed(home: &Home, path: &Path, mode: u32) -> Launch {
    let socket = OwnedFd::from(UnixListener::bind(path).unwrap());
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let script = "export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\" 3<&0 </dev/null";
    home.serve().input_stdio(socket).shell(script)
}

#[test]
fn a_socket_that_systemd_hands_over_is_served_in_place_of_our_own_and_stays_there() {
    let home = Home::new();
    let path = home.join("handed.sock");
    let program = handed(&home, &path, 0o600).start();
    let ready = program.line("the first line", |_| true);
    assert_eq!(ready["sockets"][0], path.to_str().unwrap());
    assert_eq!(http(&path, "GET", "/healthz", "").0, 200);
    assert!(!home.socket().exists());
    assert_eq!(program.stop().code(), 0);
    assert!(path.exists(), "it is systemd's");
}

#[test]
fn a_socket_that_everybody_can_open_is_not_served() {
    let home = Home::new();
    let refused = handed(&home, &home.join("handed.sock"), 0o666).run();
    refused.assert_refused(2, &["handed.sock", "has mode 0666", "say SocketMode=0600"]);
}

#[test]
fn systemd_is_told_when_it_is_ready_reloads_and_stops() {
    let home = Home::new();
    let systemd = UnixDatagram::bind(home.join("notify")).unwrap();
    systemd.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let told = || {
        let mut bytes = [0; 1024];
        let read = systemd.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..read].to_vec()).unwrap()
    };
    let launch = home.serve().after("export NOTIFY_SOCKET=\"$PWD/notify\"");
    let program = launch.start().ready();
    assert!(told().starts_with("READY=1\n"));
    program.signal(Signal::HUP);
    let reloading = told();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert!(told().starts_with("READY=1\n"));
    program.signal(Signal::TERM);
    assert!(told().starts_with("STOPPING=1\n"));
    assert_eq!(program.ended().code(), 0);
}

#[test]
fn the_watchdog_is_told_that_all_is_well() {
    let home = Home::new();
    let systemd = UnixDatagram::bind(home.join("notify")).unwrap();
    systemd.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let launch = home.serve().after("export NOTIFY_SOCKET=\"$PWD/notify\" WATCHDOG_USEC=100000");
    let program = launch.start().ready();
    let mut bytes = [0; 1024];
    let mut alive = 0;
    while alive < 3 {
        let read = systemd.recv(&mut bytes).unwrap();
        alive += usize::from(bytes[..read].starts_with(b"WATCHDOG=1"));
    }
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn a_reload_while_it_stops_is_nothing_that_systemd_hears_of() {
    let home = Home::new();
    let systemd = UnixDatagram::bind(home.join("notify")).unwrap();
    systemd.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let told = || {
        let mut bytes = [0; 1024];
        let read = systemd.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..read].to_vec()).unwrap())
    };
    // Its drain takes the whole budget.
    let config = "[drain]\nbudget = \"3s\"\n\
                  [[plugin]]\nname = \"sleep\"\ncomponent = \"sleep.wasm\"\nlimits = { deadline = \"10m\" }\n";
    let launch = home.serve().with_guest("sleep").config(config).after("export NOTIFY_SOCKET=\"$PWD/notify\"");
    let program = launch.start().ready();
    assert!(told().unwrap().starts_with("READY=1\n"));
    Raw::connect(&home.socket()).start("s1");
    program.signal(Signal::TERM);
    assert!(told().unwrap().starts_with("STOPPING=1\n"));
    http(&home.socket(), "POST", "/v1/reload", "{}");
    assert_eq!(program.ended().code(), 3);
    systemd.set_nonblocking(true).unwrap();
    assert_eq!(told(), None, "the end is the last that it hears of");
}
