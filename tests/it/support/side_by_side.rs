//! Runs cases side by side: nearly all that a case with a receiver does is wait.

use std::panic;
use std::thread;

/// Checks every case in a thread of its own; fails as the first one that does.
pub(crate) fn side_by_side<T: Send>(cases: impl IntoIterator<Item = T>, check: impl Fn(T) + Sync) {
    thread::scope(|scope| {
        let check = &check;
        let threads: Vec<_> =
            cases.into_iter().map(|case| scope.spawn(move || check(case))).collect();
        for thread in threads {
            if let Err(payload) = thread.join() {
                panic::resume_unwind(payload);
            }
        }
    });
}
