//! Looks up the addresses of a host, with a time limit.
//!
//! The system's look-up can hang and cannot be ended, so it runs on a thread of its own: one at a
//! time, and none for a literal address. A thread that cannot be started is an error, not a panic.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{self, ResolvedSocketAddrs};
use ureq::unversioned::transport::NextTimeout;

use super::url::default_port;

/// How long an answer is used again while requests succeed.
const ANSWER_AGE_MAX: Duration = Duration::from_secs(15);
/// How many addresses ureq takes.
const ADDRESSES_MAX: usize = 16;

type Answer = io::Result<Vec<SocketAddr>>;
type LookUp = fn(&str, u16) -> Answer;

/// Looks up one host at a time; clones share what they know.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    known: Arc<Mutex<Known>>,
    look_up: LookUp,
}

/// What is known of the last host that was asked for.
#[derive(Debug, Default)]
struct Known {
    host: String,
    port: u16,
    found: Option<(Instant, Vec<SocketAddr>)>,
    under_way: Option<Receiver<Answer>>,
}

impl Resolver {
    /// Returns a resolver that asks the system.
    pub(super) fn new() -> Self {
        let look_up: LookUp = |host, port| Ok((host, port).to_socket_addrs()?.collect());
        Self { known: Arc::default(), look_up }
    }

    /// Has the next request look the host up again: its address may have changed.
    pub(super) fn forget(&self) {
        self.lock().found = None;
    }

    /// Returns the addresses of a host; None where there is no answer within `limit`.
    fn addresses(
        &self,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> io::Result<Option<Vec<SocketAddr>>> {
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Some(vec![SocketAddr::new(address, port)]));
        }
        let mut known = self.lock();
        if (known.host.as_str(), known.port) != (host, port) {
            *known = Known { host: host.into(), port, ..Known::default() };
        }
        if let Some((since, addresses)) = &known.found
            && since.elapsed() < ANSWER_AGE_MAX
        {
            return Ok(Some(addresses.clone()));
        }
        let under_way = match known.under_way.take() {
            Some(under_way) => under_way,
            None => self.start(host.to_owned(), port)?,
        };
        match under_way.recv_timeout(limit) {
            Ok(answer) => {
                let addresses = answer?;
                known.found = Some((Instant::now(), addresses.clone()));
                Ok(Some(addresses))
            }
            Err(RecvTimeoutError::Timeout) => {
                known.under_way = Some(under_way);
                Ok(None)
            }
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the look-up ended")),
        }
    }

    fn start(&self, host: String, port: u16) -> io::Result<Receiver<Answer>> {
        let look_up = self.look_up;
        let (sender, receiver) = sync_channel(1);
        // The receiver may be gone by then.
        let run = move || drop(sender.send(look_up(&host, port)));
        let started = thread::Builder::new().spawn(run);
        let failed = |error| io::Error::other(format!("no thread can be started: {error}"));
        started.map(|_| receiver).map_err(failed)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl resolver::Resolver for Resolver {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let (host, port) = host_and_port(uri).ok_or(Error::HostNotFound)?;
        let found = self.addresses(host, port, *timeout.after).map_err(|error| {
            let reason = error.to_string();
            let reason = reason.trim_start_matches("failed to lookup address information: ");
            Error::Other(format!("the host name cannot be looked up: {reason}").into())
        })?;
        let mut taken = self.empty();
        for address in found.ok_or(Error::Timeout(timeout.reason))?.into_iter().take(ADDRESSES_MAX)
        {
            taken.push(address);
        }
        if taken.is_empty() { Err(Error::HostNotFound) } else { Ok(taken) }
    }
}

/// Returns the host of a URL, an IPv6 address in brackets, and its port, or that of its scheme.
pub(super) fn host_and_port(uri: &Uri) -> Option<(&str, u16)> {
    Some((uri.host()?, uri.port_u16().unwrap_or(default_port(uri))))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn resolver(look_up: LookUp) -> Resolver {
        Resolver { look_up, ..Resolver::new() }
    }

    #[test]
    fn an_address_is_not_looked_up() {
        let resolver = resolver(|_, _| panic!("looked up"));
        for (host, expected) in [("127.0.0.1", "127.0.0.1:80"), ("[::1]", "[::1]:80")] {
            let addresses = resolver.addresses(host, 80, LIMIT).unwrap().unwrap();
            assert_eq!(addresses, [expected.parse().unwrap()]);
        }
    }

    #[test]
    fn an_answer_is_used_for_some_seconds_unless_it_is_forgotten() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let resolver = resolver(|_, port| {
            COUNT.fetch_add(1, Ordering::Relaxed);
            Ok(vec![SocketAddr::new("127.0.0.1".parse().unwrap(), port)])
        });
        let check = |host: &str, port: u16, look_ups: usize| {
            let addresses = resolver.addresses(host, port, LIMIT).unwrap().unwrap();
            assert_eq!(addresses[0].port(), port);
            assert_eq!(COUNT.load(Ordering::Relaxed), look_ups);
        };
        check("a", 1, 1);
        check("a", 1, 1);
        check("a", 2, 2);
        check("b", 2, 3);
        let mut known = resolver.known.lock().unwrap();
        let (since, _) = known.found.as_mut().unwrap();
        *since = since.checked_sub(ANSWER_AGE_MAX).unwrap();
        drop(known);
        check("b", 2, 4);
        check("b", 2, 4);
        resolver.forget();
        check("b", 2, 5);
    }

    #[test]
    fn a_look_up_that_hangs_has_a_limit_and_is_not_started_again() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let resolver = resolver(|_, _| {
            COUNT.fetch_add(1, Ordering::Relaxed);
            thread::park();
            Err(io::ErrorKind::NotFound.into())
        });
        for _ in 0..3 {
            let found = resolver.addresses("a", 1, Duration::from_millis(20)).unwrap();
            assert_eq!(found, None);
        }
        assert!(COUNT.load(Ordering::Relaxed) <= 1);
    }

    #[test]
    fn a_failure_is_asked_for_again() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let resolver = resolver(|_, _| {
            COUNT.fetch_add(1, Ordering::Relaxed);
            Err(io::Error::other("no such name"))
        });
        for _ in 0..2 {
            let error = resolver.addresses("a", 1, LIMIT).unwrap_err();
            assert_eq!(error.to_string(), "no such name");
        }
        assert_eq!(COUNT.load(Ordering::Relaxed), 2);
    }
}
