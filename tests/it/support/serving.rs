//! The threads of a receiver: one accepts; one serves each connection, reads requests to the byte
//! and does what the script says. Every wait has an end.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::ledger::{Ledger, Request};
use super::step::{Answer, Read, Step, Then};
use super::wire::WriteRequest;

/// No single wait, for the sender or for a thread, is longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// A head that is longer is none.
const HEAD_BYTES_MAX: usize = 256 * 1024;
/// An endless answer ends here, and that is a violation.
const ENDLESS_BYTES_MAX: usize = 64 << 20;

/// Tells the time in milliseconds since the epoch.
pub(crate) type Now = Arc<dyn Fn() -> i64 + Send + Sync>;
/// Chooses a step by the receiver's time and the number of requests before.
pub(crate) type Choose = Box<dyn Fn(i64, usize) -> Step + Send + Sync>;

/// What HTTP goes over: a socket, or something around one.
pub(crate) trait Stream: io::Read + io::Write + Send {}
impl<T: io::Read + io::Write + Send> Stream for T {}
/// Puts something around a socket.
pub(crate) type Wrap = Arc<dyn Fn(TcpStream) -> io::Result<Box<dyn Stream>> + Send + Sync>;

/// Waits until connections to an address whose listener was closed are refused. A process that
/// another test starts at that moment has the listener, too, until it runs its own program.
pub(super) fn wait_until_refused(address: SocketAddr) {
    let start = Instant::now();
    while TcpStream::connect_timeout(&address, PATIENCE).is_ok() {
        assert!(start.elapsed() < PATIENCE, "somebody listens at {address}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// What the threads of a receiver share and change.
pub(super) struct State {
    pub(super) steps: VecDeque<Step>,
    pub(super) ledger: Ledger,
    pub(super) requests: Vec<Request>,
    pub(super) attempt_count: usize,
    /// Handles to end connections by; each goes before its connection does.
    pub(super) streams: HashMap<usize, TcpStream>,
    pub(super) workers: Vec<JoinHandle<()>>,
    /// Whether nobody is to listen, and whether somebody does.
    pub(super) is_closed: bool,
    pub(super) is_listening: bool,
    pub(super) is_stopping: bool,
}

/// What the threads of a receiver share.
pub(super) struct Shared {
    pub(super) address: SocketAddr,
    pub(super) otherwise: Choose,
    pub(super) now: Now,
    pub(super) wrap: Option<Wrap>,
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while `condition` holds; returns whether it still does at the end of our patience.
    pub(super) fn wait_while(
        &self,
        condition: impl Fn(&State) -> bool,
        patience: Duration,
    ) -> (MutexGuard<'_, State>, bool) {
        let waited = self.changed.wait_timeout_while(self.lock(), patience, |s| condition(s));
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        (state, timeout.timed_out())
    }

    /// Lets `accept` return once.
    pub(super) fn wake(&self) {
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
    }

    /// Has somebody listen, or nobody; returns when that is so.
    pub(super) fn set_closed(&self, is_closed: bool) {
        self.lock().is_closed = is_closed;
        self.changed.notify_all();
        if is_closed {
            self.wake();
        }
        drop(self.wait_while(|state| state.is_listening == is_closed, PATIENCE));
        if is_closed {
            wait_until_refused(self.address);
        }
    }

    pub(super) fn accept_all(self: &Arc<Self>, listener: TcpListener) {
        let mut listener = Some(listener);
        loop {
            let mut state = self.lock();
            if state.is_stopping {
                return;
            }
            if state.is_closed {
                // Also what stands in the backlog.
                listener = None;
                state.is_listening = false;
                self.changed.notify_all();
                let is_to_wait = |state: &mut State| state.is_closed && !state.is_stopping;
                drop(self.changed.wait_while(state, is_to_wait));
                continue;
            }
            let listening = listener.get_or_insert_with(|| self.listen_again());
            state.is_listening = true;
            self.changed.notify_all();
            drop(state);
            let accepted = listening.accept();
            let mut state = self.lock();
            let Ok((stream, _)) = accepted else { continue };
            let (Ok(clone), id) = (stream.try_clone(), state.workers.len()) else { continue };
            if state.is_closed || state.is_stopping {
                continue;
            }
            state.streams.insert(id, clone);
            let shared = Arc::clone(self);
            state.workers.push(thread::spawn(move || {
                let connection = shared.serve(stream);
                shared.lock().streams.remove(&id);
                drop(connection);
            }));
            self.changed.notify_all();
        }
    }

    fn listen_again(&self) -> TcpListener {
        let start = Instant::now();
        loop {
            match TcpListener::bind(self.address) {
                Ok(listener) => return listener,
                Err(error) => assert!(start.elapsed() < PATIENCE, "{}: {error}", self.address),
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Does what comes before the next request; returns whether that needs a new connection.
    pub(super) fn prepare_next(&self) -> bool {
        let mut state = self.lock();
        let is_new_needed = state.steps.front().is_some_and(Step::is_before_request);
        if let Some(Step::Refuse) = state.steps.front() {
            state.steps.pop_front();
            drop(state);
            self.set_closed(true);
        }
        is_new_needed
    }

    fn next_step(&self) -> Step {
        let now_ms = (self.now)();
        let mut state = self.lock();
        let count = state.attempt_count;
        state.attempt_count += 1;
        let step = state.steps.pop_front();
        drop(state);
        step.unwrap_or_else(|| (self.otherwise)(now_ms, count))
    }

    /// Serves one connection, where every error is the other side's going; returns what to drop.
    fn serve(&self, socket: TcpStream) -> Option<Connection<'_>> {
        let _ = socket.set_nodelay(true);
        let _ = socket.set_read_timeout(Some(PATIENCE));
        let _ = socket.set_write_timeout(Some(PATIENCE));
        let stream = socket.try_clone().ok()?;
        let stream = match &self.wrap {
            Some(wrap) => wrap(stream).ok()?,
            None => Box::new(stream),
        };
        let mut connection = Connection { shared: self, stream, socket };
        if !self.is_next_to_close() {
            while let Ok(true) = connection.serve_one() {}
        }
        Some(connection)
    }

    /// Takes the step that ends a connection at once, if it is next.
    fn is_next_to_close(&self) -> bool {
        let mut state = self.lock();
        let is_next = matches!(state.steps.front(), Some(Step::Close(Read::Nothing)));
        if is_next {
            state.steps.pop_front();
            state.attempt_count += 1;
            state.ledger.receive_part();
            drop(state);
            self.prepare_next();
            self.changed.notify_all();
        }
        is_next
    }
}

/// One connection, and the socket below it.
struct Connection<'a> {
    shared: &'a Shared,
    stream: Box<dyn Stream>,
    socket: TcpStream,
}

impl Connection<'_> {
    /// Takes one step; returns whether another one may follow on this connection.
    fn serve_one(&mut self) -> io::Result<bool> {
        let Some(first) = self.read_byte()? else { return Ok(false) };
        let step = self.shared.next_step();
        let goes_on = match &step {
            Step::Refuse => unreachable!("it is done between requests"),
            Step::Close(Read::Nothing) => self.part(),
            Step::Close(Read::HalfHead) => {
                self.stream.read_exact(&mut [0; 60])?;
                self.part()
            }
            Step::Close(Read::HalfBody) => {
                let half = self.head(first)?.content_length / 2;
                self.stream.read_exact(&mut vec![0; half])?;
                self.wait_for_more()?;
                self.part()
            }
            Step::Close(Read::All) | Step::Reset => {
                self.request(first, &step)?;
                self.shared.prepare_next();
                false
            }
            Step::Stall => {
                self.request(first, &step)?;
                self.stall();
                false
            }
            Step::Answer(answer) => {
                self.request(first, &step)?;
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

    /// Reads one byte, and not one more; `None` at the end.
    fn read_byte(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        Ok((self.stream.read(&mut byte)? > 0).then_some(byte[0]))
    }

    /// Waits until more has come, which stays unread: closing then resets the connection.
    fn wait_for_more(&self) -> io::Result<u8> {
        let mut byte = [0];
        match self.socket.peek(&mut byte)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(byte[0]),
        }
    }

    fn head(&mut self, first: u8) -> io::Result<Head> {
        let mut bytes = vec![first];
        while !bytes.ends_with(b"\r\n\r\n") && bytes.len() < HEAD_BYTES_MAX {
            bytes.push(self.read_byte()?.ok_or(io::ErrorKind::UnexpectedEof)?);
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

    /// Reads a request and has the rules checked; leaves the last byte unread before a reset.
    fn request(&mut self, first: u8, step: &Step) -> io::Result<()> {
        let Head { line, headers, content_length } = self.head(first)?;
        let mut body = vec![0; content_length];
        match (step, body.split_last_mut()) {
            (Step::Reset, Some((last, before))) => {
                self.stream.read_exact(before)?;
                *last = self.wait_for_more()?;
            }
            _ => self.stream.read_exact(&mut body)?,
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
        while matches!(self.read_byte(), Ok(Some(_))) {}
        self.shared.prepare_next();
    }

    fn answer(&mut self, answer: &Answer) -> io::Result<bool> {
        let is_last = self.shared.prepare_next();
        let bytes = answer.bytes(is_last);
        let (count, apart) = answer.pace.unwrap_or((bytes.len().max(1), Duration::ZERO));
        for part in bytes.chunks(count) {
            self.stream.write_all(part)?;
            self.stream.flush()?;
            // Unless the receiver is stopped.
            if !apart.is_zero() && !self.shared.wait_while(|state| !state.is_stopping, apart).1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
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
            self.stream.write_all(part)?;
            sent += part.len();
        }
        self.shared.lock().ledger.violation(format!("{sent} bytes of an answer were taken"));
        Ok(())
    }
}

struct Head {
    line: String,
    headers: Vec<(String, String)>,
    content_length: usize,
}
