//! Why a request got no answer, in words, and what that means for what it carried.

use std::io::{self, ErrorKind, Read};

use ureq::http::Uri;
use ureq::{Proxy, Timeout};

use super::Outcome;
use super::resolver::host_and_port;
use super::tls_errors::{TlsProblem, tls_problem};
use crate::error::Escaped;

/// The body of a request, which notes when any of it is taken to be written.
pub(super) struct Watched<'a> {
    /// What is not written yet.
    pub(super) rest: &'a [u8],
    /// Whether any of it may have been written.
    pub(super) is_begun: bool,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_begun = true;
        self.rest.read(buffer)
    }
}

/// Where requests go, in words: what every failure names.
#[derive(Debug)]
pub(super) struct Route {
    /// `HOST:PORT`, and by which proxy.
    whole: String,
    /// The proxy, or `HOST:PORT` where there is none.
    first: String,
}

impl Route {
    /// Returns the way to the host of a URL.
    pub(super) fn new(url: &str, proxy: Option<&Proxy>) -> Self {
        let uri: Option<Uri> = url.parse().ok();
        let host = uri.as_ref().and_then(host_and_port);
        let host = host.map_or(String::new(), |(host, port)| format!("{host}:{port}"));
        match proxy {
            None => Self { whole: host.clone(), first: host },
            Some(proxy) => {
                let first = format!("proxy {}:{}", proxy.host(), proxy.port());
                Self { whole: format!("{host} through {first}"), first }
            }
        }
    }

    /// Returns the outcome of what a proxy answered, or not, when it was asked to CONNECT.
    fn not_connected(&self, text: &str) -> Outcome {
        let status = text.split_once("responded ").and_then(|(_, rest)| rest.split('/').next());
        let reason = match status {
            Some(status) => format!("{}: it answered CONNECT with HTTP {status}", self.first),
            None => format!("{}: it closed the connection without an answer", self.first),
        };
        let hint = match status {
            Some("403" | "405") => "allow this host and port there, or list the host in NO_PROXY",
            Some("407") => "put credentials into HTTPS_PROXY or HTTP_PROXY",
            _ => return not_sent(reason),
        };
        Outcome::Blocked { reason: format!("{reason}; {hint}") }
    }
}

/// Returns the outcome of a request that did not go out.
pub(super) fn not_sent(reason: String) -> Outcome {
    Outcome::Retryable { after: None, maybe_stored: false, reason }
}

/// Classifies an attempt that got no valid answer. Until its body is begun, which is after the
/// connect and the handshake of TLS, nothing of it can be stored.
pub(super) fn failure(error: &ureq::Error, is_begun: bool, route: &Route) -> Outcome {
    let text = error.to_string();
    let text = text.strip_prefix("io: ").unwrap_or(&text);
    let first = if is_begun { &route.whole } else { &route.first };
    let (peer, problem) = match (error, tls_problem(text)) {
        (_, Some(TlsProblem::Certificate(words))) => {
            return Outcome::Blocked { reason: format!("{}: {}", route.whole, Escaped(&words)) };
        }
        // What began as TLS has broken off.
        (_, Some(TlsProblem::Other(_))) if is_begun => {
            (&route.whole, "what came is not valid TLS".into())
        }
        (_, Some(TlsProblem::Other(words))) => (&route.whole, words),
        (ureq::Error::ConnectProxyFailed(text), _) => return route.not_connected(text),
        (ureq::Error::LargeResponseHeader(..), _) => {
            (&route.whole, "the answer has more than 64 KiB of headers".into())
        }
        // Ours: the resolver's.
        (ureq::Error::Other(reason), _) => (first, reason.to_string()),
        (ureq::Error::HostNotFound, _) => (first, "the host name has no address".into()),
        (ureq::Error::Timeout(Timeout::Resolve), _) => {
            (first, "timed out looking up the host name".into())
        }
        (ureq::Error::Timeout(Timeout::Connect), _) => {
            (&route.whole, "timed out while connecting".into())
        }
        (ureq::Error::Timeout(_), _) => (&route.whole, "timed out without an answer".into()),
        (ureq::Error::Io(error), _) => (first, io_words(error)),
        (ureq::Error::Protocol(_), _) => {
            let detail = text.rsplit(": ").next().unwrap_or_default();
            (&route.whole, format!("the answer is not valid HTTP/1 ({detail})"))
        }
        _ => (&route.whole, text.to_owned()),
    };
    let reason = format!("{peer}: {}", Escaped(&problem));
    Outcome::Retryable { after: None, maybe_stored: is_begun, reason }
}

fn io_words(error: &io::Error) -> String {
    let words = match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::ConnectionReset => "connection reset",
        ErrorKind::UnexpectedEof if error.to_string().contains("handshake") => {
            "the connection ended in the TLS handshake"
        }
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
            "the connection ended without an answer"
        }
        ErrorKind::HostUnreachable => "the host cannot be reached",
        ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => "the network cannot be reached",
        ErrorKind::AddrNotAvailable => "no local address or port is free",
        ErrorKind::TimedOut => "timed out",
        ErrorKind::NotConnected => "the request was cancelled",
        _ => {
            let text = error.to_string();
            return text.split(" (os error").next().unwrap_or_default().to_owned();
        }
    };
    words.into()
}
