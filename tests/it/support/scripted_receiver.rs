//! A receiver that misbehaves as its script says, request by request, and insists on the
//! rules (ledger.rs) all the while.
//!
//! A rule that was broken, or a step that was never reached, fails the test when the receiver
//! is dropped.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::ledger::{Allowed, Ledger, Messages, Request};
use super::serving::{Choose, Now, PATIENCE, Shared, State, Wrap};
use super::step::Step;
use super::time::now_ms;
use super::wire::Point;

/// A receiver that is not started yet.
pub(crate) struct Script {
    steps: VecDeque<Step>,
    otherwise: Choose,
    now: Now,
    allowed: Allowed,
    wrap: Option<Wrap>,
    path: String,
}

impl Script {
    /// Begins with these steps; then every request is answered with 204.
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Script {
        Script {
            steps: steps.into_iter().collect(),
            otherwise: Box::new(|_, _| Step::status(204)),
            now: Arc::new(now_ms),
            allowed: Allowed::default(),
            wrap: None,
            path: "/api/v1/write".into(),
        }
    }

    /// Goes on with this step, again and again.
    pub(crate) fn otherwise(self, step: impl Into<Step>) -> Script {
        let step = step.into();
        self.choose(move |_, _| step.clone())
    }

    /// Goes on as chosen for each request.
    pub(crate) fn choose(
        self,
        choose: impl Fn(i64, usize) -> Step + Send + Sync + 'static,
    ) -> Script {
        Script { otherwise: Box::new(choose), ..self }
    }

    /// Goes by another clock.
    pub(crate) fn now(self, now: Now) -> Script {
        Script { now, ..self }
    }

    /// Takes what is against the usual rules.
    pub(crate) fn allow(mut self, allow: impl FnOnce(&mut Allowed)) -> Script {
        allow(&mut self.allowed);
        self
    }

    /// Takes one more header.
    pub(crate) fn header(self, name: &str) -> Script {
        self.allow(|allowed| allowed.headers.push(name.to_ascii_lowercase()))
    }

    /// Takes newer datapoints although an older one is not settled.
    pub(crate) fn giving_up(self) -> Script {
        self.allow(|allowed| allowed.giving_up = true)
    }

    /// Takes 2.0 messages, each with this many samples, and says that it wrote them; `messages`
    /// tells whether 1.0 ones may follow.
    pub(crate) fn v2(self, messages: Messages, sample_count: u64) -> Script {
        self.allow(|allowed| allowed.messages = messages).otherwise(Step::written(sample_count))
    }

    /// Takes any body: what is sent is not the question.
    pub(crate) fn unchecked(self) -> Script {
        self.allow(|allowed| allowed.anything = true)
    }

    /// Puts something between the socket and HTTP.
    #[cfg(feature = "tls")]
    pub(crate) fn wrapped(self, wrap: Wrap) -> Script {
        Script { wrap: Some(wrap), ..self }
    }

    /// Names another path and query.
    pub(crate) fn path(self, path: &str) -> Script {
        Script { path: path.into(), ..self }
    }

    /// Starts the receiver on a free port.
    pub(crate) fn start(mut self) -> ScriptedReceiver {
        let is_refusing = |step: &Step| matches!(step, Step::Refuse);
        self.allowed.unseen_attempts |= self.steps.iter().any(is_refusing);
        // Certificates are for the usual address.
        let ip = if self.wrap.is_some() { Ipv4Addr::LOCALHOST } else { own_address() };
        let listener = TcpListener::bind((ip, 0)).expect("a port on loopback");
        let address = listener.local_addr().expect("it is bound");
        let state = State {
            steps: self.steps,
            ledger: Ledger::new(self.allowed),
            requests: Vec::new(),
            attempt_count: 0,
            streams: HashMap::new(),
            workers: Vec::new(),
            is_closed: false,
            is_listening: true,
            is_stopping: false,
        };
        let shared = Arc::new(Shared {
            address,
            otherwise: self.otherwise,
            now: self.now,
            wrap: self.wrap,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let acceptor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.accept_all(listener))
        };
        // A script that begins with a closed door.
        shared.prepare_next();
        ScriptedReceiver { shared, path: self.path, acceptor: Some(acceptor) }
    }
}

/// Returns a loopback address that no other receiver or proxy has, so that a port which is
/// closed for a while is not taken meanwhile. Linux has all of 127.0.0.0/8.
pub(crate) fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = u8::try_from(process::id() % 250).expect("below 250") + 2;
    Ipv4Addr::new(127, process, high, low)
}

/// A receiver that is running. Dropping it stops it and says what was against the rules.
pub(crate) struct ScriptedReceiver {
    shared: Arc<Shared>,
    path: String,
    acceptor: Option<JoinHandle<()>>,
}

impl ScriptedReceiver {
    /// Starts a receiver that takes these steps, and then answers with 204.
    pub(crate) fn start(steps: impl IntoIterator<Item = Step>) -> ScriptedReceiver {
        Script::new(steps).start()
    }

    /// Returns the address to write to.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.shared.wrap.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{}", self.shared.address, self.path)
    }

    /// Returns address and port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Returns every request that was read, in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// Returns the number of attempts, those that were not read too.
    pub(crate) fn attempt_count(&self) -> usize {
        self.shared.lock().attempt_count
    }

    /// Returns everything that was answered with 2xx, by time and labels.
    pub(crate) fn stored(&self) -> Vec<Point> {
        self.shared.lock().ledger.stored()
    }

    /// Has nobody listen any more; `open` ends that.
    pub(crate) fn close(&self) {
        self.shared.lock().ledger.allowed.unseen_attempts = true;
        self.shared.set_closed(true);
    }

    /// Has somebody listen again.
    pub(crate) fn open(&self) {
        self.shared.set_closed(false);
    }

    /// Returns how many connections have been accepted.
    pub(crate) fn connection_count(&self) -> usize {
        self.shared.lock().workers.len()
    }

    /// Waits until so many connections have been accepted.
    #[cfg(feature = "tls")]
    #[track_caller]
    pub(crate) fn wait_for_connections(&self, count: usize) {
        self.wait_for(count, "connections", |state| state.workers.len());
    }

    /// Waits until so many requests have been read.
    #[track_caller]
    pub(crate) fn wait_for_requests(&self, count: usize) {
        self.wait_for(count, "requests", |state| state.requests.len());
    }

    #[track_caller]
    fn wait_for(&self, count: usize, what: &str, so_far: impl Fn(&State) -> usize) {
        let (state, is_late) = self.shared.wait_while(|state| so_far(state) < count, PATIENCE);
        assert!(!is_late, "{} {what}, not {count}", so_far(&state));
    }

    /// Expects another sender, or another run of one.
    pub(crate) fn next_run(&self) {
        self.shared.lock().ledger.next_run();
    }

    /// Stops the receiver; fails where something was against the rules.
    #[track_caller]
    pub(crate) fn finish(mut self) {
        self.stop();
        self.check();
    }

    fn stop(&mut self) {
        let Some(acceptor) = self.acceptor.take() else { return };
        let workers = {
            let mut state = self.shared.lock();
            state.is_stopping = true;
            for (_, stream) in state.streams.drain() {
                // It may have ended by itself.
                let _ = stream.shutdown(Shutdown::Both);
            }
            self.shared.changed.notify_all();
            std::mem::take(&mut state.workers)
        };
        self.shared.wake();
        let joined = acceptor.join().is_ok();
        let joined = workers.into_iter().all(|worker| worker.join().is_ok()) && joined;
        if !joined {
            self.shared.lock().ledger.violation("a thread of the receiver panicked".into());
        }
    }

    #[track_caller]
    fn check(&self) {
        let state = self.shared.lock();
        let violations = state.ledger.violations();
        assert!(violations.is_empty(), "against the rules:\n{}", violations.join("\n"));
        let left = &state.steps;
        assert!(left.is_empty() || state.ledger.allowed.steps_left, "never reached: {left:?}");
    }
}

impl Drop for ScriptedReceiver {
    fn drop(&mut self) {
        let is_checked = self.acceptor.is_none();
        self.stop();
        if !is_checked && !thread::panicking() {
            self.check();
        }
    }
}

/// Takes connections and accepts none, or one: whoever else connects waits until his own timeout.
pub(crate) struct BlackHole {
    listener: TcpListener,
    /// They fill the backlog.
    waiting: Vec<TcpStream>,
}

impl BlackHole {
    /// Opens it.
    pub(crate) fn open() -> BlackHole {
        let mut hole = BlackHole::with_a_backlog();
        hole.fill();
        hole
    }

    /// Opens it; it will accept one connection.
    pub(crate) fn with_a_backlog() -> BlackHole {
        let listener = TcpListener::bind((own_address(), 0)).expect("a port on loopback");
        BlackHole { listener, waiting: Vec::new() }
    }

    /// Accepts one connection, reads from it, and ends it when no other one can be had.
    pub(crate) fn swallow_a_request(&mut self) {
        let (mut stream, _) = self.listener.accept().expect("somebody connects");
        let count = stream.read(&mut [0; 64 * 1024]).expect("he writes");
        assert!(count > 0, "he writes");
        self.fill();
    }

    /// Connects until nobody else can.
    fn fill(&mut self) {
        // Linux drops what comes when the backlog is full, so a connect times out.
        let (address, limit) = (self.address(), Duration::from_millis(200));
        while let Ok(stream) = TcpStream::connect_timeout(&address, limit) {
            self.waiting.push(stream);
            assert!(self.waiting.len() < 10_000, "the backlog has an end");
        }
    }

    /// Returns its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("it is bound")
    }

    /// Returns the address to write to.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/api/v1/write", self.address())
    }
}

/// Waits until somebody waits for a connection to `address`.
#[track_caller]
pub(crate) fn wait_for_connecting(address: SocketAddr) {
    let IpAddr::V4(ip) = address.ip() else { panic!("{address} is not of IPv4") };
    let remote = format!("{:08X}:{:04X}", u32::from_le_bytes(ip.octets()), address.port());
    let is_connecting = || {
        let table = fs::read_to_string("/proc/net/tcp").expect("Linux has it");
        // Source: proc(5); 02 is SYN_SENT.
        table.lines().any(|line| {
            let mut fields = line.split_whitespace().skip(2);
            (fields.next(), fields.next()) == (Some(&remote), Some("02"))
        })
    };
    let start = Instant::now();
    while !is_connecting() {
        assert!(start.elapsed() < PATIENCE, "nobody connects to {address}");
        thread::sleep(Duration::from_millis(1));
    }
}
