//! Lines that are taken before a drain, and the report of a drain that does not return.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lastword::{Durability, Journal, JournalError, Limits, MemoryJournal, Sandbox, SandboxConfig, Source, Tenants};
use lastword_events::{Hook, Identity, JournalName, PluginName};
use lastword_journal::{
    Appended, ChangedDelivery, Completion, DeliveryChange, DeliveryFilter, DeliveryKey, DeliveryPage, DeliveryRow,
    JournalOp, PageRequest, Pending, Recovered, Space, StagedCompletions,
};
use signal_hook::consts::SIGTERM;

use super::*;
use crate::output::answer::AnswerKind;
use crate::signals::Hangup;
use crate::stdio::reader;

/// Makes a service with these lines read, and a signal that came after them.
async fn signalled_after(read: &[&str]) -> (Service, Cause) {
    let (said, lines) = reader::tests::said(&read.join("\n"));
    let signals = Signals::install(Hangup::Ends, |_| ()).unwrap();
    signals.serve(true, |_| ());
    signal_hook::low_level::raise(SIGTERM).unwrap();
    signals.first().await;
    let mut service = service(lines, signals);
    let cause = service.serve().await;
    drop(said);
    (service, cause)
}

fn service(lines: Lines, signals: Signals) -> Service {
    let output = OwnerWriter::spawn("out", std::io::sink(), |_| ()).unwrap();
    output.first(Vec::new());
    let logs = LineWriter::spawn("err", std::io::sink(), |_| ()).unwrap();
    let runtime = Runtime::builder().build().unwrap();
    let giving_back = tokio::spawn(async {}).abort_handle();
    Service::new(runtime, output, logs, lines, signals, Watchdog::spawn().unwrap(), giving_back)
}

fn active(service: &Service) -> Vec<String> {
    service.runtime.sessions().iter().map(|session| session.identity.id.to_string()).collect()
}

fn line(op: &str, id: &str) -> String {
    format!(r#"{{"op":"{op}","session":{{"id":"{id}"}}}}"#)
}

#[tokio::test]
async fn lines_that_were_read_before_a_signal_are_handed_over_before_its_drain() {
    let (service, cause) = signalled_after(&[&line("start", "a"), &line("start", "b"), &line("end", "a")]).await;
    assert!(matches!(cause, Cause::Signal(_)), "{cause:?}");
    assert_eq!(active(&service), ["b"]);
}

#[tokio::test]
async fn a_torn_line_is_an_error_before_the_drain_of_a_signal() {
    let (mut service, cause) = signalled_after(&[&line("start", "a"), r#"{"op":"end","session":"#]).await;
    assert!(matches!(cause, Cause::Signal(_)), "{cause:?}");
    assert_eq!(active(&service), ["a"]);
    let answers = [service.answers.next().await, service.answers.next().await];
    assert_eq!(
        answers.each_ref().map(|answer| (answer.line, answer.kind)),
        [(1, AnswerKind::Accepted), (2, AnswerKind::Refused)]
    );
}

#[tokio::test]
async fn a_shutdown_line_that_was_read_before_a_signal_is_the_owners_last_word() {
    let shutdown = r#"{"op":"shutdown","reason":"restart"}"#;
    let (service, cause) = signalled_after(&[&line("start", "a"), shutdown, &line("start", "b")]).await;
    assert_eq!((cause.reason(), active(&service)), (DrainReason::Restart, vec!["a".to_owned()]));
}

#[tokio::test]
async fn near_the_end_of_the_budget_no_line_is_taken() {
    async fn a_while() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    let (_said, lines) = reader::tests::said(&line("start", "a"));
    let mut service = service(lines, Signals::install(Hangup::Ends, |_| ()).unwrap());
    service.takes_lines_until = Some(Instant::now());
    service.meanwhile(a_while()).await;
    assert!(active(&service).is_empty() && service.answers.is_empty(), "it was never accepted");
    service.takes_lines_until = Some(Instant::now() + Duration::from_secs(60));
    service.meanwhile(a_while()).await;
    assert_eq!(active(&service), ["a"]);
}

/// Nothing drains, so there is no report, as in a drain that is stuck.
#[tokio::test]
async fn of_a_drain_that_does_not_return_it_is_said_what_was_counted() {
    let (_said, lines) = reader::tests::said("");
    let service = service(lines, Signals::install(Hangup::Ends, |_| ()).unwrap());
    let cause = Cause::OwnerDied { at: Instant::now() };
    // A worker that begins now may have the lock.
    let report = service.count_so_far(cause, Instant::now() + Duration::from_secs(60)).await.unwrap();
    assert_eq!((report.reason, report.timed_out), (DrainReason::Crashed, true));
    assert_eq!([report.delivered, report.failed, report.deferred, report.unreported], [0; 4]);
}

/// A journal whose worker panics.
#[derive(Default)]
struct Panics {
    within: MemoryJournal,
    flushed: AtomicBool,
    left: AtomicBool,
}

impl Journal for Panics {
    fn name(&self) -> JournalName {
        self.within.name()
    }

    fn durability(&self) -> Durability {
        self.within.durability()
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        self.within.recover()
    }

    fn append(&self, op: JournalOp) -> Pending<Appended> {
        self.within.append(op)
    }

    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        self.within.append_decided(ops)
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        self.within.known_op(identity, kind, op_id)
    }

    fn complete(&self, _: &Arc<str>, _: Vec<Completion>) -> StagedCompletions {
        panic!("as the test has it");
    }

    fn flush(&self) -> Pending<()> {
        self.flushed.store(true, Ordering::Relaxed);
        self.within.flush()
    }

    fn probe(&self) -> Pending<()> {
        self.within.probe()
    }

    fn delivery(&self, delivery: &DeliveryKey) -> Result<Option<DeliveryRow>, JournalError> {
        self.within.delivery(delivery)
    }

    fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<DeliveryPage, JournalError> {
        self.within.deliveries(filter, page)
    }

    fn change_deliveries(&self, change: DeliveryChange, which: Vec<DeliveryKey>) -> Pending<Vec<ChangedDelivery>> {
        self.within.change_deliveries(change, which)
    }

    fn end_call_marks(&self) {
        self.left.store(true, Ordering::Relaxed);
    }

    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.within.key_value(space, key)
    }

    fn key_value_keys(&self, space: &Space, after: Option<&str>, most: usize) -> Result<Vec<String>, JournalError> {
        self.within.key_value_keys(space, after, most)
    }

    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError> {
        self.within.key_value_bytes(space)
    }

    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError> {
        self.within.key_value_tenant_bytes(tenant)
    }
}

#[tokio::test]
async fn a_worker_that_panics_ends_the_program_with_what_was_accepted_on_record() {
    let (_said, lines) = reader::tests::said(&line("end", "a"));
    let journal = Arc::new(Panics::default());
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let component = lastword_test_guests::component("good");
    let plugin = sandbox.load(PluginName::new("p").unwrap(), &Source::Bytes(component), Limits::default()).unwrap();
    let builder = Runtime::builder().sandbox(sandbox).journal(journal.clone()).plugin(plugin, Tenants::Every);
    let runtime = builder.build().unwrap();
    let service = Service { runtime, ..service(lines, Signals::install(Hangup::Ends, |_| ()).unwrap()) };
    // Long, so that the watchdog does not end the process of a slow test.
    let exit = service.run(true, Duration::from_secs(60)).await;
    let did = |what: &AtomicBool| what.load(Ordering::Relaxed);
    assert_eq!((exit, did(&journal.flushed), did(&journal.left)), (Exit::Internal, true, true));
}

mod timed {
    use super::*;

    /// The signal thread does not run for three times as long as the service waits for an owner that has gone away.
    #[tokio::test]
    async fn a_signal_that_came_in_time_counts_also_when_its_thread_is_late() {
        let signals = Signals::install(Hangup::Ends, |_| ()).unwrap();
        let (_go, wait) = std::sync::mpsc::channel::<()>();
        signals.serve(true, move |_| {
            wait.recv_timeout(3 * OWNER_DIED_WAIT).ok();
        });
        signal_hook::low_level::raise(SIGTERM).unwrap();
        let (owner, lines) = reader::tests::said("");
        drop(owner);
        let mut service = service(lines, signals);
        let cause = service.serve().await;
        assert!(matches!(cause, Cause::Signal(_)), "{cause:?}");
    }
}
