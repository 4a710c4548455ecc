//! Somebody who changes how many calls may be under way at once, while all the others go on.

use std::future::poll_fn;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use lastword_events::{EndReason, Outcome, PluginName, Session};
use lastword_fakes::sandbox::{CallReport, Plugin, Sandbox};
use lastword_fakes::sync::{Time, begin};
use lastword_on_shuttle::{EndRequest, Runtime, Tenants};
use shuttle::future::block_on;
use shuttle::thread;

use crate::disk::{Disk, Health};
use crate::draw::{linger, up_to};
use crate::guest::Calls;
use crate::medium::Medium;
use crate::trace::trace;

/// So many changes at most.
const MOST_CHANGES: usize = 6;
/// More than any test has calls, also of what one queue may hold.
const PLENTY: u32 = 64;

/// Changes the number until it has done all that it has to do. The sandbox has `room` for so many calls.
pub(crate) fn change_slots(runtime: &Runtime, room: u32, calls: &Calls) {
    for _ in 0..=up_to(MOST_CHANGES - 1) {
        linger();
        // Sometimes one more than there is room for.
        let slots = number(up_to(usize::try_from(room).unwrap()) + 1);
        trace!("operator: {slots} slots");
        calls.allow(|allowed| allowed.max(slots.get().min(room)));
        runtime.set_slots(slots);
        let stats = runtime.stats();
        assert_eq!(stats.slots, slots.get().min(room));
        // Those that hold a slot keep it, and no other one begins as long as they are more.
        calls.allow(|_| stats.slots.max(stats.slots_taken));
    }
}

/// Guests that wait until so many of them are under way: with fewer slots they wait for ever.
pub(crate) fn wait_for_more_slots() {
    begin(Time::Still);
    let (tenants, plugins, sessions) = (up_to(1) + 2, up_to(1) + 1, up_to(2) + 1);
    let disk = Disk::new(Health::AtOnce);
    let writer = thread::spawn({
        let disk = disk.clone();
        move || disk.run()
    });
    let all = tenants * plugins * sessions;
    let gate = Arc::new(Gate::new(up_to(all - 2) + 2));
    let too_few = number(up_to(gate.opens_at - 2) + 1);
    let guests = gate.clone();
    let sandbox = Sandbox::scripted(
        PLENTY,
        Arc::new(move |_, _, _| {
            let gate = guests.clone();
            Box::pin(async move {
                gate.come();
                poll_fn(|cx| gate.poll_open(cx)).await;
                CallReport::new(Outcome::Delivered)
            })
        }),
    );
    let mut builder = Runtime::builder()
        .sandbox(sandbox)
        .journal(disk.clone().journal())
        .slots(number(up_to(gate.opens_at - 2) + 1))
        .workers(NonZeroUsize::new(up_to(1) + 1).unwrap());
    for n in 0..plugins {
        let name = PluginName::new(&format!("p{n}")).unwrap();
        builder = builder.plugin(Plugin::scripted(name, false), Tenants::Every);
    }
    let runtime = builder.build().unwrap();
    let operator = thread::spawn({
        let runtime = runtime.clone();
        move || {
            linger();
            runtime.set_slots(too_few);
        }
    });
    for n in 0..tenants * sessions {
        let session = Session::new(&format!("t{}", n % tenants), &format!("s{n}"));
        let ended = block_on(runtime.end_session(EndRequest::new(session, EndReason::Reset)));
        assert_eq!(ended.unwrap().deliveries.len(), plugins);
    }
    operator.join().unwrap();
    // From here on nothing is accepted, and nobody asks whether all is settled: either would wake workers as well.
    trace!("operator: plenty of slots");
    runtime.set_slots(number(usize::try_from(PLENTY).unwrap()));
    block_on(poll_fn(|cx| gate.poll_open(cx)));
    block_on(runtime.settled());
    assert_eq!((runtime.undelivered_ends(), runtime.stats().slots_taken), (0, 0));
    drop(runtime);
    disk.close();
    writer.join().unwrap();
}

fn number(slots: usize) -> NonZeroU32 {
    NonZeroU32::new(u32::try_from(slots).unwrap()).unwrap()
}

/// Opens for good when so many guests have come. Of `std`: looking at it is no step of a schedule.
struct Gate {
    opens_at: usize,
    come: Mutex<(usize, Vec<Waker>)>,
}

impl Gate {
    fn new(opens_at: usize) -> Self {
        Self { opens_at, come: Mutex::default() }
    }

    fn come(&self) {
        let waiting = {
            let (come, waiting) = &mut *self.come.lock().unwrap();
            *come += 1;
            if *come < self.opens_at { Vec::new() } else { std::mem::take(waiting) }
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    fn poll_open(&self, cx: &mut Context<'_>) -> Poll<()> {
        let (come, waiting) = &mut *self.come.lock().unwrap();
        if *come >= self.opens_at {
            return Poll::Ready(());
        }
        waiting.push(cx.waker().clone());
        Poll::Pending
    }
}
