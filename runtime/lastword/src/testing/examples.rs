//! The values of which example records are made.

use std::sync::LazyLock;

use lastword_events::{DeliveryId, EndReason, Event, Session, SessionEnd, Timestamp};

/// The end of session `s1` of tenant `acme`, for plugin `memory`.
pub(crate) fn example_delivery() -> (&'static DeliveryId, &'static Session) {
    #[expect(clippy::expect_used, reason = "a constant")]
    static EXAMPLE: LazyLock<(DeliveryId, Session)> = LazyLock::new(|| {
        let id = "k3f9a2c1.1/session-end/memory".parse().expect("it is an id");
        (id, Session { generation: 1, ..Session::new("acme", "s1") })
    });
    let (id, session) = &*EXAMPLE;
    (id, session)
}

/// The event of the delivery: an end.
pub(crate) fn example_end() -> &'static Event {
    static EXAMPLE: LazyLock<Event> =
        LazyLock::new(|| Event::End(SessionEnd::new(EndReason::Reset, Timestamp::from_millisecond(0))));
    &EXAMPLE
}
