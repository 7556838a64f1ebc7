//! What a receiver does with one request: the answers, and the ways to give none.

use std::time::Duration;

use super::ledger::Meaning;

/// How much of a request is read before the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Nothing: the connection ends when it is accepted.
    Nothing,
    /// Half of the head.
    HalfHead,
    /// The head and half of the body.
    HalfBody,
    /// All of it: the receiver may have stored it.
    All,
}

/// What follows the last byte of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next request on the same connection.
    KeepAlive,
    /// The connection ends.
    Close,
    /// The connection stays open, and silent.
    Stall,
}

/// What happens to one request, or to one attempt to make it.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Nobody listens, until the test has somebody listen again.
    Refuse,
    /// The connection ends; with a reset if there are bytes that were not read.
    Close(Read),
    /// The connection is reset after everything has come.
    Reset,
    /// The request is read, and nothing comes back.
    Stall,
    /// Something comes back.
    Answer(Answer),
}

/// Bytes that come back, and how.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    head: String,
    body: Vec<u8>,
    is_chunked: bool,
    has_length: bool,
    raw: Option<Vec<u8>>,
    cut: Option<usize>,
    /// Repeated until the sender goes.
    pub(crate) endless: Vec<u8>,
    /// So many bytes at a time, and how long apart.
    pub(crate) pace: Option<(usize, Duration)>,
    pub(crate) then: Then,
    /// Whether the sender takes the connection to go on.
    pub(crate) status: u16,
    /// The samples that it says were written, as a receiver of 2.0 does.
    pub(crate) written: Option<u64>,
}

impl Answer {
    fn new(line: String, status: u16) -> Answer {
        Answer {
            head: line + "\r\n",
            body: Vec::new(),
            is_chunked: false,
            has_length: status != 204,
            raw: None,
            cut: None,
            endless: Vec::new(),
            pace: None,
            then: Then::KeepAlive,
            status,
            written: None,
        }
    }

    /// Returns an answer with a status, and nothing else.
    pub(crate) fn status(status: u16) -> Answer {
        Answer::new(format!("HTTP/1.1 {status} Some Reason"), status)
    }

    /// Returns a status as of HTTP/1.0, whose end is the end of the connection.
    pub(crate) fn http10(status: u16) -> Answer {
        let answer = Answer::new(format!("HTTP/1.0 {status} Some Reason"), status);
        Answer { has_length: false, then: Then::Close, ..answer }
    }

    /// Returns these very bytes, after which the connection ends.
    pub(crate) fn raw(bytes: impl AsRef<[u8]>) -> Answer {
        let raw = bytes.as_ref().to_vec();
        Answer { raw: Some(raw), then: Then::Close, ..Answer::new(String::new(), 0) }
    }

    /// Says what status raw bytes amount to.
    pub(crate) fn meaning(self, status: u16) -> Answer {
        Answer { status, ..self }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Answer {
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    /// Says how many samples were written.
    pub(crate) fn written(self, count: u64) -> Answer {
        let answer = self.header("X-Prometheus-Remote-Write-Samples-Written", &count.to_string());
        Answer { written: Some(count), ..answer }
    }

    /// Adds a body.
    pub(crate) fn body(self, body: impl AsRef<[u8]>) -> Answer {
        Answer { body: body.as_ref().to_vec(), ..self }
    }

    /// Sends the body in chunks of 7 bytes.
    pub(crate) fn chunked(self) -> Answer {
        Answer { is_chunked: true, has_length: false, ..self }
    }

    /// Sends only the first bytes; the status counts if it is `kept` nevertheless.
    pub(crate) fn cut(self, cut: usize, then: Then, kept: bool) -> Answer {
        let status = if kept { self.status } else { 0 };
        Answer { cut: Some(cut), then, status, ..self }
    }

    /// Goes on with `part` for ever.
    pub(crate) fn endless(self, part: &str) -> Answer {
        Answer { endless: part.into(), then: Then::Close, ..self }
    }

    /// Sends so many bytes at a time, so far apart.
    pub(crate) fn paced(self, bytes: usize, apart: Duration) -> Answer {
        Answer { pace: Some((bytes, apart)), ..self }
    }

    /// Ends the connection, or lets it stand, after the last byte.
    pub(crate) fn then(self, then: Then) -> Answer {
        Answer { then, ..self }
    }

    /// Returns the bytes to send; `is_last` where the connection is going to end.
    pub(crate) fn bytes(&self, is_last: bool) -> Vec<u8> {
        let mut bytes = match &self.raw {
            Some(raw) => raw.clone(),
            None => self.rendered(is_last),
        };
        bytes.truncate(self.cut.unwrap_or(usize::MAX));
        bytes
    }

    fn rendered(&self, is_last: bool) -> Vec<u8> {
        let mut bytes = self.head.clone().into_bytes();
        if is_last && self.then == Then::KeepAlive {
            bytes.extend(b"Connection: close\r\n");
        }
        if self.is_chunked {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in self.body.chunks(7) {
                bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
            return bytes;
        }
        if self.has_length {
            bytes.extend(format!("Content-Length: {}\r\n", self.body.len()).bytes());
        }
        if self.endless.is_empty() {
            bytes.extend(b"\r\n");
        }
        bytes.extend(&self.body);
        bytes
    }
}

impl From<Answer> for Step {
    fn from(answer: Answer) -> Step {
        Step::Answer(answer)
    }
}

impl Step {
    /// Returns an answer with a status, and nothing else.
    pub(crate) fn status(status: u16) -> Step {
        Answer::status(status).into()
    }

    /// Returns a 204 that says how many samples were written.
    pub(crate) fn written(count: u64) -> Step {
        Answer::status(204).written(count).into()
    }

    /// Returns an answer with a status and a `Retry-After`.
    pub(crate) fn retry_after(status: u16, value: &str) -> Step {
        Answer::status(status).header("Retry-After", value).into()
    }

    /// Returns the reset of a connection of which half a request was read.
    pub(crate) fn reset_halfway() -> Step {
        Step::Close(Read::HalfBody)
    }

    /// Tells whether it happens before there is a request.
    pub(crate) fn is_before_request(&self) -> bool {
        matches!(self, Step::Refuse | Step::Close(Read::Nothing))
    }

    /// Returns what it means to the sender.
    pub(crate) fn meaning(&self) -> Meaning {
        match self {
            Step::Answer(answer) if answer.status > 0 => Meaning::of_status(answer.status),
            _ => Meaning::Unanswered,
        }
    }

    /// Returns how many samples it says were written.
    pub(crate) fn written_count(&self) -> Option<u64> {
        if let Step::Answer(answer) = self { answer.written } else { None }
    }

    /// Returns the status that the sender sees, 0 for none.
    pub(crate) fn seen_status(&self) -> u16 {
        if let Step::Answer(answer) = self { answer.status } else { 0 }
    }
}
