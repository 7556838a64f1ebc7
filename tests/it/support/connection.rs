//! One connection of a receiver: reads requests to the byte and does what the script says.

use std::io::{self, Read as _, Write as _};
use std::sync::PoisonError;
use std::time::Duration;

use super::ledger::Request;
use super::serving::{Shared, State};
use super::step::{Answer, Read, Step, Then};
use super::transport::Transport;
use super::wire::WriteRequest;

/// A head that is longer is none.
const HEAD_BYTES_MAX: usize = 256 * 1024;
/// An endless answer ends here, and that is a violation.
const ENDLESS_BYTES_MAX: usize = 64 << 20;

/// One connection.
pub(super) struct Connection<'a> {
    pub(super) shared: &'a Shared,
    pub(super) transport: Transport,
}

impl Connection<'_> {
    /// Takes one step; returns whether another one may follow on this connection.
    pub(super) fn serve_one(&mut self) -> io::Result<bool> {
        let Some(first) = self.transport.read_byte()? else { return Ok(false) };
        let step = self.shared.next_step();
        let goes_on = match &step {
            Step::Refuse => unreachable!("it is done between requests"),
            Step::Close(Read::Nothing) => self.part(),
            Step::Close(Read::HalfHead) => {
                self.transport.read_exact(&mut [0; 60])?;
                self.part()
            }
            Step::Close(Read::HalfBody) => {
                let head = self.head(first)?;
                let mut half = vec![0; head.content_length / 2];
                self.transport.read_exact(&mut half)?;
                self.transport.wait_for_more()?;
                self.part()
            }
            Step::Close(Read::All) => {
                self.request(first, &step, false)?;
                self.shared.prepare_next();
                false
            }
            Step::Reset => {
                self.request(first, &step, true)?;
                self.shared.prepare_next();
                false
            }
            Step::Stall => {
                self.request(first, &step, false)?;
                self.stall();
                false
            }
            Step::Answer(answer) => {
                self.request(first, &step, false)?;
                self.answer(answer)?
            }
        };
        self.shared.changed.notify_all();
        Ok(goes_on)
    }

    fn part(&self) -> bool {
        self.shared.lock().ledger.receive_part();
        self.shared.prepare_next();
        false
    }

    fn head(&mut self, first: u8) -> io::Result<Head> {
        let mut bytes = vec![first];
        while !bytes.ends_with(b"\r\n\r\n") && bytes.len() < HEAD_BYTES_MAX {
            bytes.push(self.transport.read_byte()?.ok_or(io::ErrorKind::UnexpectedEof)?);
        }
        let text = String::from_utf8(bytes).map_err(io::Error::other)?;
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        for header in lines {
            match header.split_once(": ") {
                Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
                None => self.shared.lock().ledger.violation(format!("a header line {header:?}")),
            }
        }
        let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let content_length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        Ok(Head { line, headers, content_length })
    }

    /// Reads a request and has the rules checked; `keep_last` leaves its last byte unread.
    fn request(&mut self, first: u8, step: &Step, keep_last: bool) -> io::Result<()> {
        let Head { line, headers, content_length } = self.head(first)?;
        let mut body = vec![0; content_length];
        if keep_last {
            self.transport.read_exact(&mut body[..content_length - 1])?;
            body[content_length - 1] = self.transport.wait_for_more()?;
        } else {
            self.transport.read_exact(&mut body)?;
        }
        let at_ms = (self.shared.now)();
        let (content, status) = (WriteRequest::default(), step.seen_status());
        let written = step.written_count();
        let mut request = Request { line, headers, body, content, at_ms, status, written };
        let mut state = self.shared.lock();
        state.ledger.receive(&mut request);
        state.ledger.answer(&request, step.meaning());
        state.requests.push(request);
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Waits until the sender goes.
    fn stall(&mut self) {
        while matches!(self.transport.read_byte(), Ok(Some(_))) {}
        self.shared.prepare_next();
    }

    fn answer(&mut self, answer: &Answer) -> io::Result<bool> {
        let is_last = self.shared.prepare_next();
        let bytes = answer.bytes(is_last);
        match answer.pace {
            None => self.transport.write_all(&bytes)?,
            Some((count, apart)) => {
                for part in bytes.chunks(count) {
                    self.transport.write_all(part)?;
                    self.transport.flush()?;
                    self.pause(apart)?;
                }
            }
        }
        self.transport.flush()?;
        if !answer.endless.is_empty() {
            self.endless(&answer.endless)?;
        }
        if answer.then == Then::Stall {
            self.stall();
        }
        Ok(!is_last && answer.then == Then::KeepAlive)
    }

    fn endless(&mut self, part: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        while sent < ENDLESS_BYTES_MAX {
            self.transport.write_all(part)?;
            sent += part.len();
        }
        self.shared.lock().ledger.violation(format!("{sent} bytes of an answer were taken"));
        Ok(())
    }

    /// Lets time pass, unless the receiver is stopped.
    fn pause(&self, duration: Duration) -> io::Result<()> {
        let is_running = |state: &mut State| !state.is_stopping;
        let waited =
            self.shared.changed.wait_timeout_while(self.shared.lock(), duration, is_running);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.is_stopping { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

struct Head {
    line: String,
    headers: Vec<(String, String)>,
    content_length: usize,
}
