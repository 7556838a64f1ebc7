//! Connections with few system calls: the head of a request goes out with its body, not alone.
//!
//! Looks at bytes only to see where a head ends; all else is done by the transport below.

use std::mem;

use ureq::Error;
use ureq::unversioned::transport::time::Duration;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// The longest head that waits for its body, which leaves so much of the output buffer free.
pub(super) const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Timeouts are rounded up to this: each change of a socket's timeout is a system call.
const TIMEOUT_STEP_MS: u64 = 10;

/// Wraps connections so that they make few system calls.
#[derive(Debug)]
pub(super) struct FewCalls;

impl<In: Transport> Connector<In> for FewCalls {
    type Out = Connection<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| Connection { inner, head: Vec::new(), is_answered: false }))
    }
}

/// A connection with few system calls.
#[derive(Debug)]
pub(super) struct Connection<In> {
    inner: In,
    /// The head that waits for its body.
    head: Vec<u8>,
    /// Whether anything was read since the last call of `is_open`.
    is_answered: bool,
}

impl<In: Transport> Transport for Connection<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let output = self.inner.buffers().output();
        if self.head.is_empty() && is_head(&output[..amount]) {
            self.head.extend_from_slice(&output[..amount]);
            return Ok(());
        }
        let head_bytes = self.head.len();
        output.copy_within(..amount, head_bytes);
        output[..head_bytes].copy_from_slice(&self.head);
        self.head.clear();
        self.inner.transmit_output(head_bytes + amount, rounded(timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if !self.head.is_empty() {
            // It has no body.
            self.transmit_output(0, timeout)?;
        }
        self.is_answered = true;
        self.inner.await_input(rounded(timeout))
    }

    /// ureq calls this after an answer and again before the next request, and each call costs three
    /// system calls. Only the second one matters.
    fn is_open(&mut self) -> bool {
        mem::take(&mut self.is_answered) || self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// Tells whether these bytes are the whole head of a request that has a body.
fn is_head(bytes: &[u8]) -> bool {
    bytes.len() <= HEAD_BYTES_MAX && bytes.starts_with(b"POST ") && bytes.ends_with(b"\r\n\r\n")
}

fn rounded(timeout: NextTimeout) -> NextTimeout {
    if timeout.after.is_not_happening() {
        return timeout;
    }
    let left_ms = timeout.after.as_nanos().div_ceil(1_000_000);
    let left_ms = u64::try_from(left_ms).unwrap_or(u64::MAX - TIMEOUT_STEP_MS);
    NextTimeout {
        after: Duration::from_millis(left_ms.next_multiple_of(TIMEOUT_STEP_MS)),
        ..timeout
    }
}
