//! A proxy in front of a real receiver that injects faults: those that a test names, or at
//! random but by a seed (`fault::at_random`).
//!
//! It serves one sender, which it takes to send one tick a request, oldest first: it keeps a
//! ledger of who knows what of each tick (`record.rs`), and notes what no sender may do (send a
//! tick again that it has a final answer for, or another one before it has). A batch of a
//! backfill is a tick to it. It changes no byte but those that a fault names.

pub(crate) mod fault;
mod http;
mod record;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::scripted_receiver::own_address;
use fault::{Fault, Injected};
use http::{exchange, peek_request, response, seen, status_of, without_written};
use record::{Attempt, Ticks};
pub(crate) use record::{Entry, Record};

const POLL: Duration = Duration::from_micros(200);

/// Chooses what happens to a request by its number, counted from 0.
type Choose = Box<dyn FnMut(usize) -> Option<Injected> + Send>;

struct State {
    choose: Choose,
    request_count: usize,
    ticks: Ticks,
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
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts one in front of `upstream`. `timeout` is how long the sender waits for an answer.
    pub(crate) fn start(
        upstream: SocketAddr,
        timeout: Duration,
        choose: impl FnMut(usize) -> Option<Injected> + Send + 'static,
    ) -> Proxy {
        let state = State {
            choose: Box::new(choose),
            request_count: 0,
            ticks: Ticks::default(),
            faults: Vec::new(),
            gone_count: 0,
            refuse_until: None,
            is_listening: true,
            is_over: false,
        };
        let shared = Arc::new(Shared { upstream, timeout, state: Mutex::new(state) });
        // Of its own, so that nobody takes the port while it refuses.
        let listener = listen((own_address(), 0).into());
        let address = listener.local_addr().expect("it is bound");
        let acceptor = Arc::clone(&shared);
        let acceptor = thread::spawn(move || accept(address, listener, &acceptor));
        Proxy { address, shared, acceptor: Some(acceptor) }
    }

    pub(crate) fn write_url(&self) -> String {
        format!("http://{}/api/v1/write", self.address)
    }

    /// Returns the number of ticks that came so far.
    pub(crate) fn tick_count(&self) -> usize {
        self.shared.state().ticks.entries.len()
    }

    /// Returns what it has seen and done so far.
    pub(crate) fn record(&self) -> Record {
        let state = self.shared.state();
        Record {
            entries: state.ticks.entries.clone(),
            faults: state.faults.clone(),
            gone_count: state.gone_count,
            violations: state.ticks.violations.clone(),
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

fn listen(address: SocketAddr) -> TcpListener {
    let listener = TcpListener::bind(address).expect("the address is ours");
    listener.set_nonblocking(true).expect("a listener can be polled");
    listener
}

/// Accepts connections, and closes the listener for as long as they are to be refused.
fn accept(address: SocketAddr, first: TcpListener, shared: &Arc<Shared>) {
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
        let Ok((stream, _)) = listener.get_or_insert_with(|| listen(address)).accept() else {
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
        let (place, injected) = {
            let mut state = shared.state();
            let place = state.ticks.attempt(&request[body_start..]);
            let number = state.request_count;
            state.request_count += 1;
            let injected = (state.choose)(number);
            state.faults.extend(injected.map(|(fault, _)| fault));
            (place, injected)
        };
        let exchange = Exchange { stream, shared, request, place, begin };
        if !exchange.perform(injected)? {
            return Ok(());
        }
    }
}

/// A request of the sender and where its answer goes.
struct Exchange<'a> {
    stream: &'a TcpStream,
    shared: &'a Shared,
    request: Vec<u8>,
    /// That of its tick, and of this attempt.
    place: (usize, usize),
    begin: Instant,
}

impl Exchange<'_> {
    /// Returns whether the connection goes on.
    fn perform(&self, injected: Option<Injected>) -> io::Result<bool> {
        let Some((fault, pause)) = injected else {
            return self.relay(b"").map(|()| true);
        };
        match fault {
            Fault::CloseIdle => self.relay(b"").map(|()| false),
            Fault::Refuse => {
                self.refuse_for(pause);
                self.relay(b"Connection: close\r\n").map(|()| false)
            }
            Fault::Reset => Ok(false),
            Fault::LoseRequest => self.answer(b"").map(|()| false),
            Fault::ResetAnswer => self.forward().map(|_| false),
            Fault::LoseAnswer => {
                self.forward()?;
                self.answer(b"").map(|()| false)
            }
            Fault::CutAnswer => {
                let answer = self.forward()?;
                self.answer(&answer[..answer.len() / 2]).map(|()| false)
            }
            Fault::Stall => self.stay_silent().map(|()| false),
            Fault::StallThenDeliver => {
                self.stay_silent()?;
                thread::sleep(pause);
                // Nobody is there to be told; the receiver may refuse it, as too late.
                self.forward().map(|_| false)
            }
            Fault::StallAnswer => {
                self.forward()?;
                self.stay_silent().map(|()| false)
            }
            Fault::StoreThen(status) => {
                self.forward()?;
                self.answer(&response(status, None)).map(|()| true)
            }
            Fault::StripWritten => {
                let answer = without_written(&self.forward()?);
                self.answer(&answer).map(|()| true)
            }
            Fault::Status(status, retry_after) => {
                self.answer(&response(status, retry_after)).map(|()| true)
            }
        }
    }

    /// Hands the receiver's answer on, with a header added.
    fn relay(&self, header: &[u8]) -> io::Result<()> {
        let answer = self.forward()?;
        let line_end = answer.windows(2).position(|two| two == b"\r\n").map_or(0, |at| at + 2);
        self.answer(&[&answer[..line_end], header, &answer[line_end..]].concat())
    }

    /// Reads the request and writes this as its answer.
    fn answer(&self, answer: &[u8]) -> io::Result<()> {
        let is_late = self.begin.elapsed() >= self.shared.timeout / 2;
        let (status, written) = seen(answer);
        // Noted first: the next request may come before this thread goes on.
        let attempt = Attempt { status, written, is_late };
        self.shared.state().ticks.answer(self.place, attempt);
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
                state.ticks.entries[self.place.0].stored.push(Instant::now());
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
