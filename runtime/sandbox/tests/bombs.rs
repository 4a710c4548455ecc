//! Components that are made to hurt whoever loads them: each is refused, or loaded, in bounded time.

mod common;

use common::{call_end, load, name, sandbox};
use lastword_events::Outcome;
use lastword_sandbox::{Limits, LoadError, Source};
use lastword_test_guests::bombs;

#[tokio::test]
async fn what_cannot_fit_is_refused_before_anything_is_compiled() {
    let sandbox = sandbox();
    for (bomb, says) in [
        (bombs::long_names(50_000), "iiii…"),
        (bombs::nested(1_000), "more than 64"),
        (bombs::nested(100_000), "more than 64"),
        (bombs::many_exports(100_000), "type size exceeds"),
        (bombs::doubling_type(60), "type size exceeds"),
        (bombs::long_names(1 << 20), "string size out of bounds"),
        (bombs::many_instances(200), "maximum of 64"),
        (bombs::many_memories(8), "needs 9 linear memories, and no plugin can have more than 8"),
    ] {
        let refused = sandbox.load(name("bomb"), &Source::Bytes(bomb), Limits::default());
        let message = refused.err().map(|error: LoadError| error.to_string()).unwrap_or_default();
        assert!(message.contains(says), "{says}: {message:?}");
    }
    let good = load(&sandbox, "good", Limits::default());
    assert_eq!(call_end(&sandbox, &good).await.outcome, Outcome::Delivered, "others are served as before");
}

#[tokio::test]
async fn what_is_only_large_is_loaded_and_called() {
    let sandbox = sandbox();
    for bomb in [bombs::nested(50), bombs::padded(200 << 20), bombs::many_types(100_000), bombs::many_functions(1_000)]
    {
        let plugin = sandbox.load(name("large"), &Source::Bytes(bomb), Limits::default()).expect("it fits");
        assert_eq!(call_end(&sandbox, &plugin).await.outcome, Outcome::Delivered);
    }
}
