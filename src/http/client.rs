//! One attempt: posts a message, or a question, and says what the answer means.
//!
//! Never retries, never follows a redirect; what it reads of an answer is bounded.
//! Source: Remote-Write 1.0 specification, "Protocol"; statuses: docs/protocol.md 3F.

use std::io::Read;
use std::time::Duration;

use ureq::config::AutoHeaderValue;
use ureq::http::{HeaderMap, HeaderValue, Response};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, Proxy, RequestBuilder, SendBody};

use super::failure::{Route, Watched, failure, not_sent};
use super::resolver::Resolver;
use super::{ProxySetting, Secrets, Target, dates, redacted};
use crate::error::{BadInput, Error, Escaped};
use crate::remote_write::{Version, protocol_headers};
use crate::series::TimestampMs;

/// How the sender names itself.
pub const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// What is read of a body: an error's to be shown, a success's so that the connection is kept.
const BODY_BYTES_MAX: usize = 1024;
/// How long.
const BODY_TIME_MAX: Duration = Duration::from_secs(1);
/// What is taken of response headers.
const RESPONSE_HEADER_BYTES_MAX: usize = 64 * 1024;
/// The longest line of a request's head: ureq's buffer has to hold it.
const REQUEST_LINE_BYTES_MAX: usize = 64 * 1024;

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
        maybe_stored: bool,
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
    /// Nothing gets through: a certificate that one end does not accept, or a proxy that refuses.
    Blocked {
        /// For the log.
        reason: String,
    },
}

impl Outcome {
    fn without(mut self, secrets: &Secrets) -> Self {
        if let Outcome::Retryable { reason, .. }
        | Outcome::Rejected { reason, .. }
        | Outcome::Blocked { reason } = &mut self
        {
            *reason = secrets.hide(reason);
        }
        self
    }
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
    resolver: Resolver,
    route: Route,
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
        let route = Route::new(&target.url, proxy.as_ref());
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
            // One byte more, so that what is longer does not look like a connection that ended.
            .input_buffer_size(RESPONSE_HEADER_BYTES_MAX + 1)
            .output_buffer_size(REQUEST_LINE_BYTES_MAX)
            .timeout_global(Some(target.timeout))
            .timeout_resolve(Some(connect_timeout))
            .timeout_connect(Some(connect_timeout))
            .timeout_recv_body(Some(BODY_TIME_MAX));
        #[cfg(feature = "tls")]
        let config = config.tls_config(super::tls::config(&target.tls)?);
        let resolver = Resolver::new();
        let agent = Agent::with_parts(config.build(), DefaultConnector::new(), resolver.clone());
        Ok(Self { agent, resolver, route, target: target.clone() })
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
        let (request, secrets) = match self.with_own_headers(request) {
            Ok(request) => request,
            Err(outcome) => return Reply::without_answer(outcome),
        };
        let mut body = Watched { rest: body, is_begun: false };
        let request = request.header("Content-Length", body.rest.len().to_string());
        let reply = match request.send(SendBody::from_reader(&mut body)) {
            Ok(response) => read_reply(response, now, &secrets),
            Err(error) => {
                let outcome = failure(&error, body.is_begun, &self.route);
                Reply::without_answer(outcome.without(&secrets))
            }
        };
        if reply.outcome != Outcome::Accepted {
            // The name may have another address by now.
            self.resolver.forget();
        }
        reply
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
        let answer = self.ask_once(question, body_bytes_max, now);
        if answer.is_err() {
            self.resolver.forget();
        }
        answer
    }

    fn ask_once(
        &self,
        question: Question<'_>,
        body_bytes_max: usize,
        now: TimestampMs,
    ) -> Result<Vec<u8>, Outcome> {
        let request = self.agent.post(question.url);
        let mut request = request.config().timeout_recv_body(None).build();
        for (name, value) in question.headers {
            request = request.header(*name, *value);
        }
        let (request, secrets) = self.with_own_headers(request)?;
        let failed = |error: &ureq::Error| failure(error, false, &self.route).without(&secrets);
        let mut response = request.send(question.body).map_err(|error| failed(&error))?;
        if !response.status().is_success() {
            return Err(read_reply(response, now, &secrets).outcome);
        }
        let mut body = Vec::new();
        let read = response.body_mut().as_reader().take(body_bytes_max as u64 + 1);
        match { read }.read_to_end(&mut body) {
            Ok(_) => Ok(body),
            Err(error) => Err(failed(&error.into())),
        }
    }

    /// Returns the request with the target's own headers, and what to hide of its answer.
    fn with_own_headers<B>(
        &self,
        mut request: RequestBuilder<B>,
    ) -> Result<(RequestBuilder<B>, Secrets), Outcome> {
        // A token that is being rotated: it may be there at the next attempt.
        let own = self.target.own_headers();
        let (headers, secrets) = own.map_err(|error| not_sent(error.to_string()))?;
        for (name, value) in headers {
            // As in `NAME: VALUE`, with two line ends where it is the last one.
            let limit = REQUEST_LINE_BYTES_MAX;
            if name.len() + value.len() + 6 > limit {
                return Err(not_sent(format!("the header {name} is longer than {limit} bytes")));
            }
            let mut value = HeaderValue::try_from(value).expect("it was checked");
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        Ok((request, secrets))
    }
}

fn proxy(ProxySetting { url, source }: &ProxySetting) -> Result<Proxy, Error> {
    let problem = "is not a URL such as http://proxy.example:3128";
    let way_out = "correct HTTPS_PROXY or HTTP_PROXY, or list the receiver's host in NO_PROXY";
    let bad = || BadInput::new(source, None, problem, way_out);
    Proxy::new(&url.read()?).map_err(|_| bad().into())
}

fn read_reply(mut response: Response<Body>, now: TimestampMs, secrets: &Secrets) -> Reply {
    let status = response.status().as_u16();
    let headers = response.headers();
    let date = header_text(headers, "Date").and_then(dates::imf_date);
    let written = samples_written(headers);
    let after = header_text(headers, "Retry-After").and_then(|text| dates::retry_after(text, now));
    let location = header_text(headers, "Location").map(str::to_owned);
    let outcome = match status {
        200..=299 => {
            read_past(&mut response);
            Outcome::Accepted
        }
        429 | 500..=599 => Outcome::Retryable {
            after,
            // A gateway may have passed the request on before it answered: 503 as well as 502.
            maybe_stored: status != 429,
            reason: describe(&mut response, None, secrets),
        },
        _ => Outcome::Rejected {
            status,
            reason: describe(&mut response, location.as_deref(), secrets),
        },
    };
    Reply { outcome, date, written }
}

/// Returns the samples that were written, 0 where only other kinds are counted.
/// Source: Remote-Write 2.0 specification, "Required Written Response Headers".
fn samples_written(headers: &HeaderMap) -> Option<u64> {
    let header = |kind| header_text(headers, &format!("X-Prometheus-Remote-Write-{kind}-Written"));
    match header("Samples") {
        Some(text) => text.parse().ok(),
        None => header("Histograms").or(header("Exemplars")).map(|_| 0),
    }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Reads a short body to its end, so that the connection can be used again. Whatever is in it,
/// or goes wrong with it: "MUST ignore".
fn read_past(response: &mut Response<Body>) {
    let is_short = match response.body().content_length() {
        Some(length) => length <= BODY_BYTES_MAX as u64,
        // Without chunks it ends with the connection.
        None => response.headers().contains_key("Transfer-Encoding"),
    };
    if is_short {
        read_start(response);
    }
}

fn read_start(response: &mut Response<Body>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // The end of a body is seen by the read after its last byte.
    let mut body = response.body_mut().as_reader().take(BODY_BYTES_MAX as u64 + 1);
    let _ = body.read_to_end(&mut bytes);
    bytes.truncate(BODY_BYTES_MAX);
    bytes
}

/// Returns status and body as they came, but for our secrets, on one line.
fn describe(response: &mut Response<Body>, location: Option<&str>, secrets: &Secrets) -> String {
    // A body that breaks off is shown as far as it came.
    let bytes = read_start(response);
    let body = secrets.hide(String::from_utf8_lossy(&bytes).trim());
    let mut text = format!("HTTP {}", response.status());
    if let Some(location) = location {
        text.push_str(&format!(" to {}", Escaped(&secrets.hide(&redacted(location)))));
    }
    if !body.is_empty() {
        text.push_str(&format!(": {}", Escaped(&body)));
    }
    text
}
