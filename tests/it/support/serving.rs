//! The threads of a receiver: one accepts, one serves each connection; every wait has an end.

use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::ledger::{Ledger, Request};
use super::step::{Read, Step};
use super::transport::{Transport, Wrap};

/// No single wait, for the sender or for a thread, is longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Tells the time in milliseconds since the epoch.
pub(crate) type Now = Arc<dyn Fn() -> i64 + Send + Sync>;
/// Chooses a step by the receiver's time and the number of requests before.
pub(crate) type Choose = Box<dyn Fn(i64, usize) -> Step + Send + Sync>;

/// Whether somebody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// It is to be opened.
    Open,
    /// It is.
    Listening,
    /// It is to be closed.
    Close,
    /// It is.
    Closed,
    /// Nobody is to accept what comes.
    Deafen,
    /// Nobody does.
    Deaf,
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
    pub(super) gate: Gate,
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

    /// Lets `accept` return once.
    pub(super) fn wake(&self) {
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
    }

    pub(super) fn accept_all(self: &Arc<Self>, mut listener: Option<TcpListener>) {
        loop {
            if listener.is_none() {
                if !self.wait_while_closed() {
                    return;
                }
                listener = Some(self.listen_again());
            }
            {
                let mut state = self.lock();
                if state.gate == Gate::Open {
                    state.gate = Gate::Listening;
                    self.changed.notify_all();
                }
            }
            let accepted = listener.as_ref().expect("it was opened").accept();
            let mut state = self.lock();
            if state.is_stopping {
                return;
            }
            if state.gate == Gate::Deafen {
                state.gate = Gate::Deaf;
                self.changed.notify_all();
                let is_deaf = |state: &mut State| state.gate == Gate::Deaf && !state.is_stopping;
                let waited = self.changed.wait_timeout_while(state, PATIENCE, is_deaf);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                if state.is_stopping {
                    return;
                }
                continue;
            }
            if state.gate == Gate::Close {
                // Also what stands in the backlog.
                listener = None;
                state.gate = Gate::Closed;
                self.changed.notify_all();
                continue;
            }
            let Ok((stream, _)) = accepted else { continue };
            let (Ok(clone), id) = (stream.try_clone(), state.workers.len()) else { continue };
            state.streams.insert(id, clone);
            let shared = Arc::clone(self);
            state.workers.push(thread::spawn(move || {
                let transport = shared.serve(stream);
                shared.lock().streams.remove(&id);
                drop(transport);
            }));
            self.changed.notify_all();
        }
    }

    /// Returns whether the gate is to be opened again.
    fn wait_while_closed(&self) -> bool {
        let is_closed = |state: &mut State| state.gate == Gate::Closed && !state.is_stopping;
        let waited = self.changed.wait_while(self.lock(), is_closed);
        !waited.unwrap_or_else(PoisonError::into_inner).is_stopping
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

    /// Has the thread that accepts do something else; returns when it does.
    pub(super) fn set_gate(&self, gate: Gate) {
        self.lock().gate = gate;
        self.wake();
        let is_under_way = |state: &mut State| matches!(state.gate, Gate::Close | Gate::Deafen);
        let waited = self.changed.wait_timeout_while(self.lock(), PATIENCE, is_under_way);
        drop(waited);
    }

    /// Does what comes before the next request; returns whether that needs a new connection.
    pub(super) fn prepare_next(&self) -> bool {
        let mut state = self.lock();
        let is_new_needed = state.steps.front().is_some_and(Step::is_before_request);
        if let Some(Step::Refuse) = state.steps.front() {
            state.steps.pop_front();
            drop(state);
            self.set_gate(Gate::Close);
        }
        is_new_needed
    }

    pub(super) fn next_step(&self) -> Step {
        let now_ms = (self.now)();
        let mut state = self.lock();
        let count = state.attempt_count;
        state.attempt_count += 1;
        let step = state.steps.pop_front();
        drop(state);
        step.unwrap_or_else(|| (self.otherwise)(now_ms, count))
    }

    /// Serves one connection, where every error is the other side's going; returns what to drop.
    fn serve(&self, stream: TcpStream) -> Option<Transport> {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let _ = stream.set_write_timeout(Some(PATIENCE));
        let mut connection = Connection {
            shared: self,
            transport: Transport::new(stream, self.wrap.as_ref()).ok()?,
        };
        if !self.is_next_to_close() {
            while let Ok(true) = connection.serve_one() {}
        }
        Some(connection.transport)
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
