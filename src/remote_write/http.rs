//! One attempt: posts a message, or a question, and says what the answer means.
//!
//! Never retries, never follows a redirect; what it reads of an answer is bounded.
//! Source: Remote-Write 1.0 specification, "Protocol"; statuses: REMOTE_WRITE.md 3F.

use std::io::{self, Read};
use std::time::Duration;

use ureq::config::AutoHeaderValue;
use ureq::http::{HeaderMap, HeaderValue, Response};
use ureq::{Agent, Body, Proxy, RequestBuilder, Timeout};

use super::headers::{USER_AGENT, protocol_headers};
use super::hints::{is_certificate_problem, other_roots};
use super::{Auth, Secret, Target, Version, base64, header_time, redacted};
use crate::error::{BadInput, Error, Escaped};
use crate::series::TimestampMs;

/// What is read, and shown, of the body of an error.
const ERROR_BODY_BYTES_MAX: u64 = 1024;
/// What is taken of response headers; also ureq's buffer, which has to hold them.
const RESPONSE_HEADER_BYTES_MAX: usize = 16 * 1024;

/// What an attempt means for the samples it carried. The only thing that is branched on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx.
    Accepted,
    /// The same bytes may be sent again.
    Retryable {
        /// The receiver's `Retry-After`.
        after: Option<Duration>,
        /// The receiver may have stored the samples although it did not say so.
        fate_unknown: bool,
        /// For the log.
        reason: String,
    },
    /// Final for these samples.
    Rejected {
        /// The HTTP status: 3xx, or 4xx other than 429.
        status: u16,
        /// For the log.
        reason: String,
    },
    /// One end does not trust the other's certificate; nothing was sent.
    Untrusted {
        /// For the log.
        reason: String,
    },
}

/// The outcome of an attempt and what else the answer said.
#[derive(Clone, Debug)]
pub struct Reply {
    /// What it means for the samples.
    pub outcome: Outcome,
    /// The answer's `Date`.
    pub date: Option<TimestampMs>,
    /// The samples that a receiver of 2.0 says it wrote; means nothing after a 1.0 message.
    pub written: Option<u64>,
}

impl Reply {
    fn without_answer(outcome: Outcome) -> Self {
        Self { outcome, date: None, written: None }
    }
}

/// What is asked of a receiver.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The address, on the target's host.
    pub url: &'a str,
    /// Headers that say what the body is.
    pub headers: &'a [(&'static str, &'static str)],
    /// What is posted.
    pub body: &'a [u8],
}

/// Ends the request that a sender has under way.
#[derive(Debug)]
pub struct Canceller(Agent);

impl Canceller {
    /// Ends it. The sender is of no use afterwards; a connect or a name look-up is not ended.
    pub fn cancel(&self) {
        self.0.clone().shutdown();
    }
}

/// Posts messages to one target over one connection at a time.
#[derive(Debug)]
pub struct Sender {
    agent: Agent,
    target: Target,
}

impl Sender {
    /// Returns a sender to `target`; connects to nothing yet.
    ///
    /// # Errors
    /// When a certificate file cannot be read or used, or the proxy's URL is none.
    pub fn new(target: &Target) -> Result<Self, Error> {
        if cfg!(not(feature = "tls")) && target.url.starts_with("https:") {
            let problem = "needs TLS, which this binary was built without";
            let way_out = "use the ordinary binary, or an http URL";
            let url = target.shown_url();
            return Err(BadInput::new(&target.source, Some(&url), problem, way_out).into());
        }
        let proxy = target.proxy.as_ref().map(proxy).transpose()?;
        // Below the limit of the whole, so that an attempt that never got through says so.
        let connect_timeout = target.timeout.mul_f64(0.75);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .user_agent(USER_AGENT)
            .accept(AutoHeaderValue::None)
            .accept_encoding(AutoHeaderValue::None)
            .max_response_header_size(RESPONSE_HEADER_BYTES_MAX)
            .input_buffer_size(RESPONSE_HEADER_BYTES_MAX)
            .output_buffer_size(16 * 1024)
            .timeout_global(Some(target.timeout))
            .timeout_resolve(Some(connect_timeout))
            .timeout_connect(Some(connect_timeout));
        #[cfg(feature = "tls")]
        let config = config.tls_config(super::tls::config(&target.tls)?);
        Ok(Self { agent: config.build().new_agent(), target: target.clone() })
    }

    /// Returns what ends the request under way, from another thread.
    pub fn canceller(&self) -> Canceller {
        Canceller(self.agent.clone())
    }

    /// Posts a snappy-compressed message once; `retry_count` is 0 for its first attempt.
    ///
    /// `now` is what a date in `Retry-After` is counted from.
    pub fn attempt(
        &self,
        version: Version,
        body: &[u8],
        retry_count: u32,
        now: TimestampMs,
    ) -> Reply {
        let mut request = self.agent.post(&self.target.url);
        for (name, value) in protocol_headers(version) {
            request = request.header(name, value);
        }
        if retry_count > 0 {
            request = request.header("Retry-Attempt", retry_count.to_string());
        }
        let request = match self.with_own_headers(request) {
            Ok(request) => request,
            Err(outcome) => return Reply::without_answer(outcome),
        };
        match request.send(body) {
            Ok(response) => read_reply(response, now),
            Err(error) => Reply::without_answer(failure(&error)),
        }
    }

    /// Asks once; returns the body of a 2xx, of which at most `body_bytes_max` + 1 are read.
    ///
    /// # Errors
    /// Any other answer or none, as it would count for a message; never `Accepted`.
    pub fn ask(
        &self,
        question: Question<'_>,
        body_bytes_max: usize,
        now: TimestampMs,
    ) -> Result<Vec<u8>, Outcome> {
        let mut request = self.agent.post(question.url);
        for (name, value) in question.headers {
            request = request.header(*name, *value);
        }
        let response = self.with_own_headers(request)?.send(question.body);
        let mut response = response.map_err(|error| failure(&error))?;
        if !response.status().is_success() {
            return Err(read_reply(response, now).outcome);
        }
        let mut body = Vec::new();
        let read = response.body_mut().as_reader().take(body_bytes_max as u64 + 1);
        match { read }.read_to_end(&mut body) {
            Ok(_) => Ok(body),
            Err(error) => Err(unanswered(Escaped(&error.to_string()).to_string())),
        }
    }

    fn with_own_headers<B>(
        &self,
        mut request: RequestBuilder<B>,
    ) -> Result<RequestBuilder<B>, Outcome> {
        // A token that is being rotated: it may be there at the next attempt.
        let headers = self.own_headers().map_err(|error| not_sent(error.to_string()))?;
        for (name, value) in headers {
            request = request.header(name, value);
        }
        Ok(request)
    }

    fn own_headers(&self) -> Result<Vec<(&str, HeaderValue)>, Error> {
        let mut headers = Vec::new();
        match &self.target.auth {
            Auth::None => {}
            Auth::Bearer(token) => {
                let bearer = |token: &str| format!("Bearer {token}");
                headers.push(("Authorization", sensitive("the bearer token", token, bearer)?));
            }
            Auth::Basic { username, password } => {
                let basic = |password: &str| {
                    format!("Basic {}", base64::encode(format!("{username}:{password}").as_bytes()))
                };
                headers.push(("Authorization", sensitive("the password", password, basic)?));
            }
        }
        for (name, value) in &self.target.headers {
            headers.push((name, sensitive(name, value, str::to_owned)?));
        }
        Ok(headers)
    }
}

/// Returns the value of a header, which `write` makes of a secret.
fn sensitive(
    name: &str,
    secret: &Secret,
    write: impl Fn(&str) -> String,
) -> Result<HeaderValue, Error> {
    let bad = |problem: &str, way_out| BadInput::new(name, None, problem, way_out);
    let secret = secret.read()?;
    if secret.is_empty() {
        return Err(bad("is empty", "write it again").into());
    }
    let problem = "holds a character that no HTTP header can carry";
    let mut value = HeaderValue::from_str(&write(&secret))
        .map_err(|_| bad(problem, "write it again, on one line"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn proxy(url: &Secret) -> Result<Proxy, Error> {
    let problem = "is not a URL such as http://proxy.example:3128";
    let way_out = "correct HTTPS_PROXY or HTTP_PROXY, or list the receiver's host in NO_PROXY";
    let bad = || BadInput::new("the proxy in the environment", None, problem, way_out);
    Proxy::new(&url.read()?).map_err(|_| bad().into())
}

fn read_reply(mut response: Response<Body>, now: TimestampMs) -> Reply {
    let status = response.status().as_u16();
    let headers = response.headers();
    let date = header_text(headers, "Date").and_then(header_time::imf_date);
    let written = header_text(headers, "X-Prometheus-Remote-Write-Samples-Written")
        .and_then(|text| text.parse().ok());
    let after =
        header_text(headers, "Retry-After").and_then(|text| header_time::retry_after(text, now));
    let location = header_text(headers, "Location").map(str::to_owned);
    let outcome = match status {
        // The body of a success is not read: "MUST ignore".
        200..=299 => Outcome::Accepted,
        429 | 500..=599 => Outcome::Retryable {
            after,
            // A gateway that has no answer from the receiver says nothing of the samples.
            fate_unknown: matches!(status, 502 | 504),
            reason: describe(&mut response, None),
        },
        _ => Outcome::Rejected { status, reason: describe(&mut response, location.as_deref()) },
    };
    Reply { outcome, date, written }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Returns status and body as they came, on one line.
fn describe(response: &mut Response<Body>, location: Option<&str>) -> String {
    let mut bytes = Vec::new();
    // A body that breaks off is shown as far as it came.
    let _ = response.body_mut().as_reader().take(ERROR_BODY_BYTES_MAX).read_to_end(&mut bytes);
    let body = String::from_utf8_lossy(&bytes);
    let mut text = format!("HTTP {}", response.status());
    if let Some(location) = location {
        text.push_str(&format!(" to {}", Escaped(&redacted(location))));
    }
    if !body.trim().is_empty() {
        text.push_str(&format!(": {}", Escaped(body.trim())));
    }
    text
}

fn not_sent(reason: String) -> Outcome {
    Outcome::Retryable { after: None, fate_unknown: false, reason }
}

/// Classifies an attempt that got no valid answer.
fn failure(error: &ureq::Error) -> Outcome {
    let text = error.to_string();
    let text = text.strip_prefix("io: ").unwrap_or(&text);
    let reason = Escaped(text).to_string();
    if is_certificate_problem(text) {
        return Outcome::Untrusted { reason: reason + &other_roots(text) };
    }
    match error {
        ureq::Error::ConnectProxyFailed(_) if text.contains("407") => {
            Outcome::Rejected { status: 407, reason: "the proxy answered HTTP 407".into() }
        }
        _ if text.contains("InvalidContentType") => {
            not_sent("no TLS is spoken there; is it http in place of https?".into())
        }
        ureq::Error::HostNotFound => not_sent("the host name was not found".into()),
        ureq::Error::ConnectionFailed | ureq::Error::ConnectProxyFailed(_) => not_sent(reason),
        ureq::Error::Timeout(phase @ (Timeout::Resolve | Timeout::Connect)) => {
            not_sent(format!("timed out ({phase})"))
        }
        ureq::Error::Timeout(_) => unanswered("timed out without an answer".into()),
        ureq::Error::Io(error) if never_connected(error.kind()) => not_sent(reason),
        ureq::Error::Io(_) if text.starts_with("failed to lookup address") => not_sent(reason),
        _ => unanswered(reason),
    }
}

fn unanswered(reason: String) -> Outcome {
    Outcome::Retryable { after: None, fate_unknown: true, reason }
}

fn never_connected(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, HostUnreachable, InvalidData, NetworkDown,
        NetworkUnreachable, NotConnected,
    };
    // InvalidData: the TLS handshake failed.
    matches!(
        kind,
        AddrNotAvailable
            | ConnectionRefused
            | HostUnreachable
            | InvalidData
            | NetworkDown
            | NetworkUnreachable
            | NotConnected
    )
}
