//! What an attempt means for what it carried, with reasons and hints for the log.

use std::io::{self, ErrorKind};
use std::time::Duration;

use ureq::http::Uri;
use ureq::{Proxy, Timeout};

use super::resolver::host_and_port;
use super::tls_errors::{BROKEN_TLS, TlsProblem, tls_problem};
use super::{Secrets, Target};
use crate::error::Escaped;

/// What an attempt means for what it carried. Nothing else of an answer is branched on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx.
    Accepted,
    /// The same bytes may be sent again.
    Retryable {
        /// The receiver's `Retry-After`.
        after: Option<Duration>,
        /// The receiver may have stored what it was sent, although it did not say so.
        maybe_stored: bool,
        /// For the log.
        reason: String,
    },
    /// Final for these bytes.
    Rejected {
        /// The HTTP status: 3xx, or 4xx other than 429.
        status: u16,
        /// For the log.
        reason: String,
    },
    /// No request can get through: a certificate is not accepted, or a proxy refuses.
    Blocked {
        /// For the log.
        reason: String,
    },
}

/// Returns the hint for a status that is about access. `auth_source` is the variable that the
/// credentials come from; empty without credentials.
pub fn status_hint(status: u16, auth_source: &str) -> Option<String> {
    let hint = match status {
        300..=399 => {
            "redirects are not followed: check the path (no slash at its end) and the scheme"
        }
        401 if auth_source.is_empty() => {
            "no credentials are set: set REMOTE_WRITE_TOKEN, or REMOTE_WRITE_USERNAME and \
             REMOTE_WRITE_PASSWORD; or the tenant header is missing (--header 'X-Scope-OrgID: ...')"
        }
        401 => {
            let tenant = "the tenant header (--header 'X-Scope-OrgID: ...')";
            return Some(format!("check {auth_source}, and {tenant}"));
        }
        403 => "the credentials are valid but have no access: check tenant and permissions",
        407 => "the proxy requires credentials: put them into HTTPS_PROXY or HTTP_PROXY",
        _ => return None,
    };
    Some(hint.into())
}

/// Where requests go; every failure names it.
#[derive(Debug)]
pub(super) struct Route {
    /// `HOST:PORT`, and the proxy.
    whole: String,
    /// The proxy, or `HOST:PORT` where there is none.
    first: String,
    /// What to add where the host name is not found; may be empty.
    name_hint: String,
}

impl Route {
    /// Returns the route to the host of a URL.
    pub(super) fn new(target: &Target, proxy: Option<&Proxy>) -> Self {
        let uri: Option<Uri> = target.url.parse().ok();
        let host = uri.as_ref().and_then(host_and_port);
        let host = host.map_or(String::new(), |(host, port)| format!("{host}:{port}"));
        let Some(proxy) = proxy else {
            return Self { whole: host.clone(), first: host, name_hint: target.name_hint.clone() };
        };
        let first = format!("proxy {}:{}", proxy.host(), proxy.port());
        Self { whole: format!("{host} through {first}"), first, name_hint: String::new() }
    }

    /// Returns the outcome of a CONNECT that a proxy did not grant.
    fn not_connected(&self, text: &str) -> Outcome {
        let status = text.split_once("responded ").and_then(|(_, rest)| rest.split('/').next());
        let Some(status) = status else {
            return not_sent(format!("{}: it closed the connection without an answer", self.first));
        };
        let reason = format!("{}: it answered CONNECT with HTTP {status}", self.first);
        let hint = match status {
            "403" | "405" => "allow this host and port in the proxy, or list the host in NO_PROXY",
            "407" => "put credentials into HTTPS_PROXY or HTTP_PROXY",
            _ => return not_sent(reason),
        };
        Outcome::Blocked { reason: format!("{reason}; {hint}") }
    }
}

/// Returns the outcome of a request that did not go out.
pub(super) fn not_sent(reason: String) -> Outcome {
    Outcome::Retryable { after: None, maybe_stored: false, reason }
}

/// Classifies an attempt that got no valid answer. `is_begun` says whether any of its body was
/// written, which happens after the connect and the TLS handshake: before, nothing is stored.
pub(super) fn failure(
    error: &ureq::Error,
    is_begun: bool,
    route: &Route,
    secrets: &Secrets,
) -> Outcome {
    let text = secrets.hide(&error.to_string());
    let text = text.strip_prefix("io: ").unwrap_or(&text);
    let Route { whole, first, name_hint } = route;
    let nearest = if is_begun { whole } else { first };
    let retryable = |peer: &str, problem: &str| {
        let reason = format!("{peer}: {}", Escaped(problem));
        Outcome::Retryable { after: None, maybe_stored: is_begun, reason }
    };
    match (tls_problem(text), error) {
        (Some(TlsProblem { is_certificate: true, words }), _) => {
            Outcome::Blocked { reason: format!("{whole}: {}", Escaped(&words)) }
        }
        (Some(_), _) if is_begun => retryable(whole, BROKEN_TLS),
        (Some(TlsProblem { words, .. }), _) => retryable(whole, &words),
        (_, ureq::Error::ConnectProxyFailed(_)) => route.not_connected(text),
        // The error is our resolver's.
        (_, ureq::Error::Other(reason)) => retryable(nearest, &format!("{reason}{name_hint}")),
        (_, ureq::Error::HostNotFound) => {
            retryable(nearest, &format!("the host name has no address{name_hint}"))
        }
        (_, ureq::Error::Io(error)) => retryable(nearest, &io_words(error)),
        (_, ureq::Error::Timeout(Timeout::Resolve)) => {
            retryable(nearest, "timed out looking up the host name")
        }
        (_, ureq::Error::Timeout(Timeout::Connect)) => {
            retryable(whole, "timed out while connecting")
        }
        (_, ureq::Error::Timeout(_)) => retryable(whole, "timed out without an answer"),
        (_, ureq::Error::LargeResponseHeader(..)) => {
            retryable(whole, "the answer has more than 64 KiB of headers")
        }
        (_, ureq::Error::Protocol(_)) => {
            let detail = text.rsplit(": ").next().unwrap_or_default();
            retryable(whole, &format!("the answer is not valid HTTP/1 ({detail})"))
        }
        _ => retryable(whole, text),
    }
}

fn io_words(error: &io::Error) -> String {
    let text = error.to_string();
    let words = match error.kind() {
        ErrorKind::UnexpectedEof if text.contains("handshake") => {
            "the connection ended in the TLS handshake"
        }
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
            "the connection ended without an answer"
        }
        ErrorKind::NotConnected => "the request was cancelled",
        // The system's words, as in "Connection refused (os error 111)".
        _ => match text.split_once(" (os error") {
            Some((words, _)) => return words[..1].to_lowercase() + &words[1..],
            None => &text,
        },
    };
    words.into()
}
