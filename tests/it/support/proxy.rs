//! A proxy in front of a real receiver that injects faults, at random but by a seed.
//!
//! It serves one sender, which it takes to send one tick a request, oldest first: it keeps a
//! ledger of who knows what of each tick, and notes what no sender may do (send a tick again
//! that it has a 2xx for, or another one before it has). It never changes a byte.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::receivers::free_port;

const POLL: Duration = Duration::from_micros(200);
/// No exchange with the receiver takes longer.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(10);

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Answered, then the connection is closed, and new ones are refused for a while.
    Refuse,
    /// Answered, then the connection is closed although it was to be kept.
    CloseIdle,
    /// Reset before the receiver has seen any of it.
    Reset,
    /// Stored, and the connection reset in place of the answer.
    LoseAnswer,
    /// Stored, and the connection closed in the middle of the answer.
    CutAnswer,
    /// Not stored; silence until the sender gives up.
    Stall,
    /// Silence until the sender gives up; reaches the receiver later, beside newer ones.
    StallThenDeliver,
    /// Stored, then silence until the sender gives up.
    StallAnswer,
    /// Stored, and 500 in place of the answer.
    StoreThen500,
    /// Not stored; this status, with this `Retry-After`.
    Status(u16, Option<&'static str>),
}

impl Fault {
    pub(crate) const ALL: [Fault; 14] = [
        Fault::Refuse,
        Fault::CloseIdle,
        Fault::Reset,
        Fault::LoseAnswer,
        Fault::CutAnswer,
        Fault::Stall,
        Fault::StallThenDeliver,
        Fault::StallAnswer,
        Fault::StoreThen500,
        Fault::Status(500, None),
        Fault::Status(503, None),
        Fault::Status(503, Some("1")),
        Fault::Status(429, None),
        Fault::Status(429, Some("1")),
    ];
}

/// Chooses the faults: each of them once in every fourteen, after at most so many requests.
struct Chooser {
    rng: fastrand::Rng,
    gap_max: u32,
    left: Vec<Fault>,
    requests_until_next: u32,
}

impl Chooser {
    fn new(seed: u64, gap_max: u32) -> Chooser {
        let mut rng = fastrand::Rng::with_seed(seed);
        let requests_until_next = rng.u32(1..=gap_max);
        Chooser { rng, gap_max, left: Vec::new(), requests_until_next }
    }

    /// Returns what happens to the next request.
    fn next(&mut self) -> Option<Fault> {
        self.requests_until_next -= 1;
        if self.requests_until_next > 0 {
            return None;
        }
        // Now and then the retry of a request fails, too.
        let is_next_at_once = self.rng.u32(..8) == 0;
        self.requests_until_next = if is_next_at_once { 1 } else { self.rng.u32(1..=self.gap_max) };
        if self.left.is_empty() {
            self.left = Fault::ALL.to_vec();
            self.rng.shuffle(&mut self.left);
        }
        self.left.pop()
    }

    fn duration(&mut self, ms: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.u64(ms))
    }
}

/// What is known of a tick.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Times it was sent.
    pub(crate) attempt_count: u32,
    /// When the receiver answered it with 2xx.
    pub(crate) stored: Vec<Instant>,
    /// Other answers of the receiver that the sender was given.
    pub(crate) refusals: Vec<u16>,
    told: Told,
}

/// What the sender knows of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    /// A final answer left for it when it may have given up waiting.
    Perhaps,
    Settled,
}

#[derive(Default)]
struct Ledger {
    last_body: Vec<u8>,
    /// One for each tick, in the order of their first attempts.
    entries: Vec<Entry>,
    violations: Vec<String>,
}

impl Ledger {
    /// Notes an attempt; returns its tick's place.
    fn attempt(&mut self, body: &[u8]) -> usize {
        let told = self.entries.last().map(|entry| entry.told);
        let place = self.entries.len();
        if place > 0 && self.last_body == body {
            if told == Some(Told::Settled) {
                self.violations.push(format!("tick {place} was sent again after a final answer"));
            }
            self.entries[place - 1].attempt_count += 1;
            return place - 1;
        }
        if told == Some(Told::Nothing) {
            self.violations.push(format!("tick {} overtook the one before", place + 1));
        }
        self.last_body = body.to_vec();
        let (stored, refusals, told) = (Vec::new(), Vec::new(), Told::Nothing);
        self.entries.push(Entry { attempt_count: 1, stored, refusals, told });
        place
    }
}

/// What a proxy has seen and done.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) entries: Vec<Entry>,
    pub(crate) faults: Vec<Fault>,
    /// Attempts that found the receiver gone.
    pub(crate) gone_count: u32,
    /// What the sender must not do, and did.
    pub(crate) violations: Vec<String>,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempt_count: u32 = self.entries.iter().map(|entry| entry.attempt_count).sum();
        let stored_twice = self.entries.iter().filter(|entry| entry.stored.len() > 1).count();
        writeln!(
            f,
            "{} ticks in {attempt_count} attempts; {} faults, {} times the receiver was gone; \
             {stored_twice} ticks took more than one 2xx from it",
            self.entries.len(),
            self.faults.len(),
            self.gone_count
        )?;
        for fault in Fault::ALL {
            let count = self.faults.iter().filter(|injected| **injected == fault).count();
            writeln!(f, "  {count:4} {fault:?}")?;
        }
        Ok(())
    }
}

struct State {
    chooser: Chooser,
    ledger: Ledger,
    faults: Vec<Fault>,
    gone_count: u32,
    /// The listener is, or is to be, closed until then.
    refuse_until: Option<Instant>,
    is_listening: bool,
    is_over: bool,
}

struct Shared {
    upstream: SocketAddr,
    /// The sender's `--timeout`.
    timeout: Duration,
    state: Mutex<State>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running proxy; dropping it ends it.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts one in front of `upstream`, with a fault in every `gap_max` requests or less.
    /// `timeout` is how long the sender waits for an answer.
    pub(crate) fn start(upstream: SocketAddr, timeout: Duration, seed: u64, gap_max: u32) -> Proxy {
        let port = free_port();
        let state = State {
            chooser: Chooser::new(seed, gap_max),
            ledger: Ledger::default(),
            faults: Vec::new(),
            gone_count: 0,
            refuse_until: None,
            is_listening: true,
            is_over: false,
        };
        let shared = Arc::new(Shared { upstream, timeout, state: Mutex::new(state) });
        let (listener, acceptor) = (listen(port), Arc::clone(&shared));
        let acceptor = thread::spawn(move || accept(port, listener, &acceptor));
        Proxy { port, shared, acceptor: Some(acceptor) }
    }

    pub(crate) fn write_url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/write", self.port)
    }

    /// Returns the number of ticks that came so far.
    pub(crate) fn tick_count(&self) -> usize {
        self.shared.state().ledger.entries.len()
    }

    /// Returns what it has seen and done so far.
    pub(crate) fn record(&self) -> Record {
        let state = self.shared.state();
        Record {
            entries: state.ledger.entries.clone(),
            faults: state.faults.clone(),
            gone_count: state.gone_count,
            violations: state.ledger.violations.clone(),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().is_over = true;
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn listen(port: u16) -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is ours");
    listener.set_nonblocking(true).expect("a listener can be polled");
    listener
}

/// Accepts connections, and closes the listener for as long as they are to be refused.
fn accept(port: u16, first: TcpListener, shared: &Arc<Shared>) {
    let mut listener = Some(first);
    loop {
        let refuse_until = {
            let state = shared.state();
            if state.is_over {
                return;
            }
            state.refuse_until
        };
        if let Some(until) = refuse_until {
            listener = None;
            shared.state().is_listening = false;
            thread::sleep(until.saturating_duration_since(Instant::now()));
            let mut state = shared.state();
            (state.refuse_until, state.is_listening) = (None, true);
        }
        let Ok((stream, _)) = listener.get_or_insert_with(|| listen(port)).accept() else {
            thread::sleep(POLL);
            continue;
        };
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // Its end is the connection's, whatever the reason.
            let _ = serve(&stream, &shared);
        });
    }
}

/// Serves a connection until it ends.
fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    loop {
        // Still unread: when the connection is dropped now, the kernel resets it.
        let (request, body_start) = peek_request(stream)?;
        let begin = Instant::now();
        let (place, fault, pause) = {
            let mut state = shared.state();
            let place = state.ledger.attempt(&request[body_start..]);
            let fault = state.chooser.next();
            state.faults.extend(fault);
            (place, fault, state.chooser.duration(100..1500))
        };
        let exchange = Exchange { stream, shared, request, place, begin };
        if !exchange.perform(fault, pause)? {
            return Ok(());
        }
    }
}

/// A request of the sender and where its answer goes.
struct Exchange<'a> {
    stream: &'a TcpStream,
    shared: &'a Shared,
    request: Vec<u8>,
    place: usize,
    begin: Instant,
}

impl Exchange<'_> {
    /// Returns whether the connection goes on.
    fn perform(&self, fault: Option<Fault>, pause: Duration) -> io::Result<bool> {
        match fault {
            None => self.relay(b"").map(|()| true),
            Some(Fault::CloseIdle) => self.relay(b"").map(|()| false),
            Some(Fault::Refuse) => {
                self.refuse_for(pause);
                self.relay(b"Connection: close\r\n").map(|()| false)
            }
            Some(Fault::Reset) => Ok(false),
            Some(Fault::LoseAnswer) => self.forward().map(|_| false),
            Some(Fault::CutAnswer) => {
                let answer = self.forward()?;
                self.answer(&answer[..answer.len() / 2]).map(|()| false)
            }
            Some(Fault::Stall) => self.stay_silent().map(|()| false),
            Some(Fault::StallThenDeliver) => {
                self.stay_silent()?;
                thread::sleep(pause);
                // Nobody is there to be told; the receiver may refuse it, as too late.
                self.forward().map(|_| false)
            }
            Some(Fault::StallAnswer) => {
                self.forward()?;
                self.stay_silent().map(|()| false)
            }
            Some(Fault::StoreThen500) => {
                self.forward()?;
                self.answer(&response(500, None)).map(|()| true)
            }
            Some(Fault::Status(status, retry_after)) => {
                self.answer(&response(status, retry_after)).map(|()| true)
            }
        }
    }

    /// Hands the receiver's answer on, with a header added.
    fn relay(&self, header: &[u8]) -> io::Result<()> {
        let answer = self.forward()?;
        // Noted first: the next request may come before this thread goes on.
        let is_in_time = self.begin.elapsed() < self.shared.timeout / 2;
        let told = if is_in_time { Told::Settled } else { Told::Perhaps };
        if let Some(status) = status_of(&answer) {
            let mut state = self.shared.state();
            let entry = &mut state.ledger.entries[self.place];
            match status / 100 {
                2 => entry.told = told,
                // What is refused for good must not be sent again, either.
                // Refused for good, unless it is 429, which Prometheus does not answer.
                4 => entry.told = told,
                _ => {}
            }
            if status / 100 != 2 {
                entry.refusals.push(status);
            }
        }
        let line_end = answer.windows(2).position(|two| two == b"\r\n").map_or(0, |at| at + 2);
        self.answer(&[&answer[..line_end], header, &answer[line_end..]].concat())
    }

    /// Reads the request and writes this as its answer.
    fn answer(&self, answer: &[u8]) -> io::Result<()> {
        let mut stream = self.stream;
        stream.read_exact(&mut vec![0; self.request.len()])?;
        stream.write_all(answer)
    }

    /// Returns the receiver's answer.
    fn forward(&self) -> io::Result<Vec<u8>> {
        let answer = exchange(self.shared.upstream, &self.request);
        let mut state = self.shared.state();
        match &answer {
            Err(_) => state.gone_count += 1,
            Ok(answer) if status_of(answer).is_some_and(|status| status / 100 == 2) => {
                state.ledger.entries[self.place].stored.push(Instant::now());
            }
            Ok(_) => {}
        }
        answer
    }

    /// Waits until the sender has gone.
    fn stay_silent(&self) -> io::Result<()> {
        let mut stream = self.stream;
        stream.read_exact(&mut vec![0; self.request.len()])?;
        stream.set_read_timeout(Some(self.shared.timeout * 20))?;
        let _ = stream.read(&mut [0; 1]);
        Ok(())
    }

    /// Closes the listener; returns when it is closed.
    fn refuse_for(&self, duration: Duration) {
        self.shared.state().refuse_until = Some(Instant::now() + duration);
        while self.shared.state().is_listening && self.shared.state().refuse_until.is_some() {
            thread::sleep(POLL);
        }
    }
}

/// Waits for a whole request and returns it and where its body begins, without reading it.
fn peek_request(stream: &TcpStream) -> io::Result<(Vec<u8>, usize)> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = stream.peek(&mut bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some((body_start, end)) = extent(&bytes[..count])
            && end <= count
        {
            bytes.truncate(end);
            return Ok((bytes, body_start));
        }
        thread::sleep(POLL);
    }
}

/// Returns where the body of a message begins and ends, once its head is there.
fn extent(bytes: &[u8]) -> Option<(usize, usize)> {
    let body_start = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..body_start]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    // 204 has none.
    let length: usize = length.map_or(Some(0), |length| length.trim().parse().ok())?;
    Some((body_start, body_start + length))
}

fn exchange(upstream: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&upstream, UPSTREAM_TIMEOUT)?;
    stream.set_read_timeout(Some(UPSTREAM_TIMEOUT))?;
    stream.set_nodelay(true)?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        let count = stream.read(&mut bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&bytes[..count]);
        if extent(&answer).is_some_and(|(_, end)| answer.len() >= end) {
            return Ok(answer);
        }
    }
}

/// Returns the status of an answer: `HTTP/1.1 204 ...`.
fn status_of(answer: &[u8]) -> Option<u16> {
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

fn response(status: u16, retry_after: Option<&str>) -> Vec<u8> {
    let retry_after =
        retry_after.map_or(String::new(), |value| format!("Retry-After: {value}\r\n"));
    format!("HTTP/1.1 {status} Chaos\r\n{retry_after}Content-Length: 6\r\n\r\nchaos\n").into_bytes()
}
