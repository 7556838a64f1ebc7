//! What the proxy does to a request, and the seeded choice of it.

use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Answered, then the connection is closed, and new ones are refused for a while.
    Refuse,
    /// Answered, then the connection is closed although it was to be kept.
    CloseIdle,
    /// Reset before the receiver has seen any of it.
    Reset,
    /// Not stored, and the connection closed, without a reset, in place of an answer.
    LoseRequest,
    /// Stored, and the connection reset in place of the answer.
    ResetAnswer,
    /// Stored, and the connection closed, without a reset, in place of the answer.
    LoseAnswer,
    /// Stored, and the connection closed in the middle of the answer.
    CutAnswer,
    /// Not stored; silence until the sender gives up.
    Stall,
    /// Silence until the sender gives up; reaches the receiver later, beside newer ones.
    StallThenDeliver,
    /// Stored, then silence until the sender gives up.
    StallAnswer,
    /// Stored, and this status in place of the answer.
    StoreThen(u16),
    /// Stored, and the answer handed on without its `Written` headers.
    StripWritten,
    /// Not stored; this status, with this `Retry-After`.
    Status(u16, Option<&'static str>),
}

impl Fault {
    /// Those that are chosen at random. The quiet losses, which are told from a reset by
    /// nothing but the reason in the log, are for tests that name theirs.
    pub(crate) const ALL: [Fault; 17] = [
        Fault::Refuse,
        Fault::CloseIdle,
        Fault::Reset,
        Fault::ResetAnswer,
        Fault::CutAnswer,
        Fault::Stall,
        Fault::StallThenDeliver,
        Fault::StallAnswer,
        Fault::StoreThen(500),
        Fault::StoreThen(502),
        Fault::StoreThen(503),
        Fault::StoreThen(504),
        Fault::Status(500, None),
        Fault::Status(503, None),
        Fault::Status(503, Some("1")),
        Fault::Status(429, None),
        Fault::Status(429, Some("1")),
    ];
}

/// What happens to a request, and how long the pause is where the fault has one.
pub(crate) type Injected = (Fault, Duration);

/// Returns a choice of `faults`: each of them once before any comes again, after at most `gap_max`
/// requests.
pub(crate) fn at_random(
    seed: u64,
    gap_max: u32,
    faults: &'static [Fault],
) -> impl FnMut(usize) -> Option<Injected> + Send + 'static {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut requests_until_next = rng.u32(1..=gap_max);
    let mut left = Vec::new();
    move |_| {
        let mut fault = None;
        requests_until_next -= 1;
        if requests_until_next == 0 {
            // Now and then the retry of a request fails, too.
            let is_next_at_once = rng.u32(..8) == 0;
            requests_until_next = if is_next_at_once { 1 } else { rng.u32(1..=gap_max) };
            if left.is_empty() {
                left = faults.to_vec();
                rng.shuffle(&mut left);
            }
            fault = left.pop();
        }
        // Drawn for each request, so that a seed gives the faults that it always gave.
        let pause = Duration::from_millis(rng.u64(100..1500));
        fault.map(|fault| (fault, pause))
    }
}
