//! A component that is made to take long, or much memory, to compile.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lastword_events::PluginName;
use lastword_sandbox::{CompilerProcess, Limits, LoadError, Sandbox, SandboxConfig, Source};
use lastword_test_guests::{bombs, component};

fn sandbox(change: impl FnOnce(&mut CompilerProcess)) -> Sandbox {
    let mut process = CompilerProcess::new(env!("CARGO_BIN_EXE_lastword"), ["compile-component"]);
    change(&mut process);
    Sandbox::new(SandboxConfig { compiler: Some(process), ..SandboxConfig::default() }).unwrap()
}

fn load(sandbox: &Sandbox, component: Vec<u8>) -> Result<(), LoadError> {
    sandbox.load(PluginName::new("bomb").unwrap(), &Source::Bytes(component), Limits::default()).map(drop)
}

#[test]
fn compiling_that_takes_too_much_memory_is_that_components_failure() {
    let sandbox = sandbox(|process| process.memory = 24 << 20);
    let error = load(&sandbox, bombs::many_functions(20_000)).unwrap_err();
    assert!(matches!(error, LoadError::Compiler { .. }), "{error}");
    assert!(error.to_string().contains("use too much memory"), "{error}");
}

#[test]
fn what_is_wrong_with_a_component_is_told_through_the_process() {
    let sandbox = sandbox(|_| ());
    load(&sandbox, component("good")).unwrap();
    let error = load(&sandbox, bombs::many_instances(2_000)).unwrap_err();
    assert!(matches!(error, LoadError::Invalid { .. }), "{error}");
    let gone = Sandbox::new(SandboxConfig {
        compiler: Some(CompilerProcess::new("there-is-no-such-program", ["compile-component"])),
        ..SandboxConfig::default()
    });
    let error = load(&gone.unwrap(), component("good")).unwrap_err();
    assert!(error.to_string().contains("cannot start there-is-no-such-program"), "{error}");
}

#[test]
fn the_last_words_of_a_compiler_that_dies_are_told() {
    let talks = "yes padding | head -c 300000 >&2; exit 3";
    for (script, told) in [
        ("echo 'panicked at x.rs:1:' >&2; echo '  why' >&2; exit 3", "exit status: 3 (panicked at x.rs:1:; why): "),
        ("kill -9 $$", "signal: 9 (SIGKILL): "),
        // It is not held up by what nobody keeps.
        (talks, "exit status: 3 (padding; padding; "),
    ] {
        let mut process = CompilerProcess::new("/bin/sh", ["-c", script]);
        process.time = Duration::from_secs(30);
        let sandbox = Sandbox::new(SandboxConfig { compiler: Some(process), ..SandboxConfig::default() }).unwrap();
        let error = load(&sandbox, component("good")).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        assert!(error.len() < 4_096, "{} bytes", error.len());
    }
}

/// What is said on this thread. Once something is, there is a file.
#[derive(Clone)]
struct Heard {
    said: Arc<Mutex<String>>,
    file: PathBuf,
}

impl std::io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.said.lock().unwrap().push_str(&String::from_utf8_lossy(bytes));
        std::fs::write(&self.file, "")?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a sandbox says whose compiler gives up as soon as something is said, and whether the plugin was loaded.
fn said_while_loading(cache: Option<&Path>, component: Vec<u8>) -> (String, bool) {
    let home = tempfile::tempdir().unwrap();
    let heard = Heard { said: Arc::default(), file: home.path().join("heard") };
    let script = format!("cat >/dev/null; until test -e '{}'; do sleep 0.05; done; exit 3", heard.file.display());
    let mut process = CompilerProcess::new("/bin/sh", ["-c", &script]);
    process.time = Duration::from_secs(60);
    let cache_dir = cache.map(Path::to_owned);
    let config = SandboxConfig { cache_dir, compiler: Some(process), ..SandboxConfig::default() };
    let sandbox = Sandbox::new(config).unwrap();
    let writer = heard.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let loaded = tracing::subscriber::with_default(subscriber, || load(&sandbox, component)).is_ok();
    let said = heard.said.lock().unwrap().clone();
    (said, loaded)
}

#[test]
fn that_a_plugin_is_being_compiled_is_said_only_when_it_is_and_once_only_where_it_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("code");
    let filled = SandboxConfig { cache_dir: Some(cache.clone()), ..SandboxConfig::default() };
    load(&Sandbox::new(filled).unwrap(), component("good")).unwrap();
    assert_eq!(said_while_loading(Some(&cache), component("good")), (String::new(), true), "the cache has it");
    let (said, loaded) = said_while_loading(Some(&cache), component("imports-http"));
    assert_eq!((said, loaded), (String::new(), false), "it lacks a grant");
    let (said, loaded) = said_while_loading(Some(&cache), component("prints"));
    assert!(!loaded && said.contains("compiling bomb (0.0 MiB), once: "), "{said:?}");
    let (said, loaded) = said_while_loading(None, component("prints"));
    assert!(!loaded && said.contains("compiling bomb (0.0 MiB), as at every start, because "), "{said:?}");
}

#[test]
fn a_compiler_that_has_to_wait_for_the_processor_is_given_the_time() {
    // It is as if others had the processor for twice the time that it may take of it.
    let script = format!("sleep 2; exec '{}' compile-component", env!("CARGO_BIN_EXE_lastword"));
    let mut process = CompilerProcess::new("/bin/sh", ["-c", &script]);
    process.time = Duration::from_secs(1);
    let sandbox = Sandbox::new(SandboxConfig { compiler: Some(process), ..SandboxConfig::default() }).unwrap();
    load(&sandbox, component("good")).unwrap();
}

#[test]
fn a_compiler_that_neither_computes_nor_answers_is_given_up() {
    let mut process = CompilerProcess::new("/bin/sh", ["-c", "exec sleep 1000"]);
    process.time = Duration::from_millis(20);
    let sandbox = Sandbox::new(SandboxConfig { compiler: Some(process), ..SandboxConfig::default() }).unwrap();
    let error = load(&sandbox, component("good")).unwrap_err();
    assert!(matches!(error, LoadError::NoAnswerFromCompiler { waited } if waited.as_millis() == 200), "{error}");
}

pub(crate) mod timed {
    use super::*;

    #[test]
    fn compiling_that_takes_too_long_is_given_up_and_the_others_are_served_meanwhile() {
        const TIME: Duration = Duration::from_secs(2);
        let sandbox = sandbox(|process| process.time = TIME);
        let good = PluginName::new("good").unwrap();
        let good = sandbox.load(good, &Source::Bytes(component("good")), Limits::default()).unwrap();
        let bomb = bombs::slow_to_compile(100);
        let over = AtomicBool::new(false);
        let (served, longest) = std::thread::scope(|scope| {
            let others = scope.spawn(|| serve_until(&sandbox, &good, &over));
            let error = load(&sandbox, bomb).unwrap_err();
            over.store(true, Ordering::Relaxed);
            // Where the cores are busy, so much processor time takes longer than the process is waited for.
            let took_too_long = match error {
                LoadError::CompilerTooSlow { limit } => limit == TIME,
                LoadError::NoAnswerFromCompiler { waited } => waited == TIME * 10,
                _ => false,
            };
            assert!(took_too_long, "{error}");
            others.join().unwrap()
        });
        assert!(served > 100, "{served} calls");
        assert!(longest < Duration::from_millis(500), "the slowest call took {longest:?}");
    }

    /// Calls a plugin again and again, and says how often and how long the slowest call took.
    fn serve_until(sandbox: &Sandbox, plugin: &lastword::Plugin, over: &AtomicBool) -> (u32, Duration) {
        use lastword_events::{Delivery, EndReason, Event, HookCall, Outcome, Session, SessionEnd, Timestamp};
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut served, mut longest) = (0, Duration::ZERO);
        while !over.load(Ordering::Relaxed) {
            let id = "abcdefgh.1/session-end/good".parse().unwrap();
            let call = HookCall {
                session: Session::new("t", "s").into(),
                delivery: Delivery { id, attempt: 1, remaining_ms: 500, late: false },
                event: Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())).into(),
            };
            let began = Instant::now();
            let report = tokio.block_on(async { sandbox.call(plugin, call, Duration::from_millis(500)).await });
            assert_eq!(report.outcome, Outcome::Delivered);
            longest = longest.max(began.elapsed());
            served += 1;
        }
        (served, longest)
    }
}
