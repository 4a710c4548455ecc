//! Turns the end of a call into an outcome: wasmtime's errors in the project's words.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use lastword_events::text::{clip_bytes, write_clipped};
use lastword_events::{Deferral, FailureCause, Outcome, printable};
use wasmtime::component::ResourceTableError;
use wasmtime::error::OutOfMemory;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;
#[cfg(feature = "http")]
use wasmtime_wasi_http::FieldMapError;

use crate::contract::HookError;
use crate::frames::{names, place};
use crate::host_memory_quota::HostMemoryUsedUp;
use crate::limit_exceeded::{LimitExceeded, RANDOM_BYTES};
#[cfg(feature = "http")]
use crate::limits::MAX_HTTP_FIELDS_BYTES;
use crate::limits::{Limits, MAX_ANSWER_BYTES, MAX_MESSAGE_BYTES, MAX_RANDOM_BYTES};
use crate::meter::Waiting;
use lastword_memory::GivesWay;

/// The error with which the epoch callback cuts a guest. Our own type, so that the cause is known.
#[derive(Debug)]
pub(crate) struct DeadlinePassed;

impl fmt::Display for DeadlinePassed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call's deadline has passed")
    }
}

impl std::error::Error for DeadlinePassed {}

/// The outcome of a guest that answered with an error.
pub(crate) fn of_answer(error: HookError) -> Outcome {
    match error {
        HookError::Retry(text) => failed(FailureCause::Retry, clip_bytes(text, MAX_ANSWER_BYTES)),
        HookError::Fatal(text) => failed(FailureCause::Fatal, clip_bytes(text, MAX_ANSWER_BYTES)),
    }
}

/// The progress of a call when it failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached {
    /// Whether there was an instance.
    pub(crate) instantiated: bool,
    /// Whether the guest had been refused memory.
    pub(crate) memory_refused: bool,
}

/// The outcome of a guest that did not answer.
pub(crate) fn of_error(error: &wasmtime::Error, limits: &Limits, deadline: Duration, reached: Reached) -> Outcome {
    // Instances are made before the hook is called, so the hook has done nothing. Other calls hold the slot that it needs.
    if error.is::<PoolConcurrencyLimitError>() {
        return Outcome::Deferred(Deferral::Turn);
    }
    if error.is::<GivesWay>() || error.is::<HostMemoryUsedUp>() {
        return Outcome::Deferred(Deferral::Memory);
    }
    if error.is::<DeadlinePassed>() {
        return failed(FailureCause::Deadline, format!("{}{}", cut_after(deadline), place(error)));
    }
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::OutOfFuel) {
        return failed(FailureCause::Fuel, format!("used up its {} units of fuel{}", limits.fuel, place(error)));
    }
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        return failed(FailureCause::Trap("exit".to_owned()), format!("left by wasi:cli/exit with code {code}"));
    }
    if let Some(which) = limit_exceeded(error, limits) {
        return which;
    }
    if reached.memory_refused {
        let (own, all) = (limits.memory, limits.total_memory);
        let detail = format!(
            "wanted more than its {own} bytes of memory, or than the {all} of all its calls: {}",
            message(error)
        );
        return failed(FailureCause::Memory, clip_bytes(detail, MAX_MESSAGE_BYTES));
    }
    match trap {
        Some(trap) => failed(FailureCause::Trap(trap_word(*trap)), clip_bytes(message(error), MAX_MESSAGE_BYTES)),
        None => match misuse(error, reached) {
            Some(word) => failed(FailureCause::Trap(word.to_owned()), clip_bytes(message(error), MAX_MESSAGE_BYTES)),
            None => of_host(message(error)),
        },
    }
}

/// The word for a guest's breach of the component model or of WASI. Wasmtime types host errors but few guest mistakes. So an error that
/// is not known to be the host's is the guest's.
fn misuse(error: &wasmtime::Error, reached: Reached) -> Option<&'static str> {
    if is_of_the_host(error) {
        return None;
    }
    if let Some(error) = error.downcast_ref::<ResourceTableError>() {
        return Some(match error {
            ResourceTableError::HasChildren => "handle-has-children",
            _ => "bad-handle",
        });
    }
    // Only an error that ends a running guest has a backtrace.
    let in_the_guest = error.downcast_ref::<WasmBacktrace>().is_some();
    match (in_the_guest, reached.instantiated) {
        (true, _) => Some("host-call"),
        // Lifting or lowering failed: the guest gave an invalid pointer or value.
        (false, true) => Some("canonical-abi"),
        (false, false) => None,
    }
}

/// Whether the machine or our code failed at an operation that the guest had a right to.
fn is_of_the_host(error: &wasmtime::Error) -> bool {
    error.is::<OutOfMemory>()
        || error.is::<HostFault>()
        || error.chain().any(|cause| {
            cause.is::<std::io::Error>() || cause.is::<rustix::io::Errno>() || cause.is::<tokio::task::JoinError>()
        })
}

/// A fault of our code in a call, as an error.
#[derive(Debug)]
pub(crate) struct HostFault(pub(crate) String);

impl fmt::Display for HostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HostFault {}

/// A limit that is counted in host calls.
fn limit_exceeded(error: &wasmtime::Error, limits: &Limits) -> Option<Outcome> {
    let over = |word: &str, text: String| Some(failed(FailureCause::Limit(word.to_owned()), text));
    if let Some(limit_exceeded) = error.downcast_ref::<LimitExceeded>() {
        return Some(failed(limit_exceeded.cause(), limit_exceeded.to_string()));
    }
    #[cfg(feature = "http")]
    if let Some(FieldMapError::TooManyFields | FieldMapError::TotalSizeTooBig) = error.downcast_ref() {
        let text = format!("put more than {MAX_HTTP_FIELDS_BYTES} bytes into the header of a request");
        return over("http-header-bytes", text);
    }
    // The engine has no types for the other limits.
    let causes: Vec<String> = causes(error).collect();
    let says = |what: &str| causes.iter().any(|cause| cause.contains(what));
    if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) || says("handle limit exceeded") {
        return over("handles", format!("held more than its {} handles", limits.handles));
    }
    if says("exceeds limit") && says("requested len") {
        let text = format!("asked for more than {MAX_RANDOM_BYTES} random bytes at once");
        return over(RANDOM_BYTES, text);
    }
    if says("fuel allocated for hostcalls has been exhausted") {
        return over("host-call-bytes", "handed too many bytes to the host at once".to_owned());
    }
    None
}

/// The texts of an error and its causes, without the backtrace, which is one of them. The backtrace has many lines, and names of the
/// guest's choice. For that reason no text is written further than it is shown.
fn causes(error: &wasmtime::Error) -> impl Iterator<Item = String> {
    error.chain().map(bounded).filter(|cause| !cause.contains("wasm backtrace:"))
}

fn bounded(cause: &(dyn std::error::Error + 'static)) -> String {
    write_clipped(MAX_MESSAGE_BYTES, |out| write!(out, "{cause}"))
}

/// An error and its causes on one line, with the guest's functions in which it happened, if these have names.
fn message(error: &wasmtime::Error) -> String {
    let mut message = causes(error).collect::<Vec<_>>().join(": ");
    if let Some(names) = names(error) {
        message.push_str(", in ");
        message.push_str(&names);
    }
    message
}

/// The outcome of the outer cut, when the guest was not running.
pub(crate) fn of_deadline(deadline: Duration, waiting: Option<Waiting>) -> Outcome {
    let place = waiting.map(|Waiting { what, time }| format!(", waiting for {what} for {} ms", time.as_millis()));
    failed(FailureCause::Deadline, format!("{}{}", cut_after(deadline), place.unwrap_or_default()))
}

fn cut_after(deadline: Duration) -> String {
    format!("cut after {} ms", deadline.as_millis())
}

pub(crate) fn of_host(what: String) -> Outcome {
    failed(FailureCause::Host, clip_bytes(what, MAX_MESSAGE_BYTES))
}

pub(crate) fn of_panic(payload: &(dyn std::any::Any + Send)) -> Outcome {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
    of_host(format!("the host panicked: {text}"))
}

fn failed(cause: FailureCause, message: String) -> Outcome {
    // The guest chooses parts of the message: its answer, and the names of its functions.
    let message = match printable(&message) {
        Cow::Borrowed(_) => message,
        Cow::Owned(escaped) => escaped,
    };
    Outcome::Failed { cause, message }
}

/// The word for a trap. Journals and metrics store it, so it is ours and does not change with the engine.
fn trap_word(trap: Trap) -> String {
    match trap {
        Trap::UnreachableCodeReached => "unreachable".to_owned(),
        Trap::StackOverflow => "stack-overflow".to_owned(),
        Trap::MemoryOutOfBounds => "out-of-bounds-memory".to_owned(),
        Trap::TableOutOfBounds => "out-of-bounds-table".to_owned(),
        Trap::IndirectCallToNull => "indirect-call-to-null".to_owned(),
        Trap::BadSignature => "indirect-call-type-mismatch".to_owned(),
        Trap::IntegerDivisionByZero => "integer-divide-by-zero".to_owned(),
        Trap::IntegerOverflow => "integer-overflow".to_owned(),
        Trap::BadConversionToInteger => "bad-conversion-to-integer".to_owned(),
        // Rare traps of the component model: the engine's name, as a word.
        other => kebab(&format!("{other:?}")),
    }
}

fn kebab(camel: &str) -> String {
    let mut word = String::with_capacity(camel.len() + 4);
    for c in camel.chars() {
        if c.is_ascii_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(c.to_ascii_lowercase());
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trap_has_a_stable_word() {
        assert_eq!(trap_word(Trap::UnreachableCodeReached), "unreachable");
        assert_eq!(trap_word(Trap::CannotEnterComponent), "cannot-enter-component");
    }

    /// Counts the characters that it has written of itself.
    #[derive(Clone, Debug, Default)]
    struct Long(std::sync::Arc<std::sync::atomic::AtomicUsize>);

    impl fmt::Display for Long {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            for _ in 0..1_000_000 {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                f.write_str("ä")?;
            }
            Ok(())
        }
    }

    impl std::error::Error for Long {}

    #[test]
    fn an_error_is_not_written_further_than_it_is_shown() {
        let long = Long::default();
        let message = message(&wasmtime::Error::from(long.clone()).context("first"));
        assert!(message.starts_with("first: ää") && message.ends_with('…'), "{}", message.len());
        let written = long.0.load(std::sync::atomic::Ordering::Relaxed);
        assert!(written <= MAX_MESSAGE_BYTES, "{written} characters were written");
    }
}
