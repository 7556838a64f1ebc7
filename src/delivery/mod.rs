//! Delivery: samples of one tick or more, request by request, until the fate of each is known.
//!
//! Holds the order that everything rests on: a request is settled before the next one is
//! touched, so samples of a series go out in timestamp order, and one whose fate is unknown
//! never travels together with a new one.

mod courier;
mod cut;
mod push;
mod rejection;
mod request;
mod rerun;
mod summary;
mod tally;

pub use courier::Courier;
pub use cut::Cut;
pub use push::{Pusher, Requests};
pub use request::{Delivered, Request, RetryLimits};
pub use rerun::Rerun;
pub use summary::{Ending, Missing, RunEnder, Summary};
pub use tally::{Fate, IndexRange, Ranges, Remedy, Tally};
