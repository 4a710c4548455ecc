//! What a schedule is made of, besides the order of its steps. shuttle draws it too, and keeps it with the order.

use shuttle::rand::{Rng, thread_rng};

/// True in so many cases of so many.
pub(crate) fn chance(cases: u32, of: u32) -> bool {
    thread_rng().gen_ratio(cases, of)
}

/// 0 to `most`.
pub(crate) fn up_to(most: usize) -> usize {
    thread_rng().gen_range(0..=most)
}

/// One of these.
pub(crate) fn one_of<T: Copy>(these: &[T]) -> T {
    these[up_to(these.len() - 1)]
}

/// Lets others go first for a while, which is often short and sometimes long.
pub(crate) fn linger() {
    for _ in 0..up_to(1 << up_to(6)) {
        shuttle::thread::yield_now();
    }
}

/// Lets others go first for a while, from within a task.
pub(crate) async fn linger_in_task() {
    for _ in 0..up_to(1 << up_to(6)) {
        shuttle::future::yield_now().await;
    }
}
