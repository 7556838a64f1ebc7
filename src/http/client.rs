//! One attempt: posts a body once, and says what the answer means.
//!
//! Never retries, never follows a redirect; what it reads of an answer is bounded.
//! Source of what a status means: docs/protocol.md 3F.

use std::io::{self, Read};
use std::time::Duration;

use ureq::config::AutoHeaderValue;
use ureq::http::{HeaderMap, HeaderValue, Response};
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Body, Proxy, SendBody};

use super::outcome::{Route, failure, not_sent};
use super::resolver::Resolver;
use super::transport::{FewCalls, HEAD_BYTES_MAX};
use super::{Outcome, ProxySetting, Secrets, Target, dates, redacted};
use crate::clock::Step;
use crate::error::{Error, Escaped, unusable};
use crate::series::TimestampMs;

/// The program's name in requests.
pub(super) const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
/// How much is read of a body that the caller does not want: of an error for the log, of a success
/// to reuse the connection.
const BODY_BYTES_MAX: usize = 1024;
/// How long such a body is read, at most.
const BODY_TIME_MAX: Duration = Duration::from_secs(1);
/// The largest head of an answer.
const RESPONSE_HEADER_BYTES_MAX: usize = 64 * 1024;
/// The longest line of a request's head: ureq's buffer has to hold it.
const REQUEST_LINE_BYTES_MAX: usize = 64 * 1024;

/// One request, without the target's own headers.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The address, on the target's host.
    pub url: &'a str,
    /// Headers that say what the body is.
    pub headers: &'a [(&'static str, &'a str)],
    /// The body, sent unchanged.
    pub body: &'a [u8],
    /// The largest body of a success that the caller wants. One byte more is read, so that the
    /// caller sees that a body is longer.
    pub answer_bytes_max: Option<usize>,
}

/// The outcome of an attempt, and the rest of the answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// What the answer means for the samples sent.
    pub outcome: Outcome,
    /// The body of a success, if the caller wants it.
    pub body: Vec<u8>,
    headers: HeaderMap,
}

impl Reply {
    /// Returns a header of the answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Returns the answer's `Date`.
    pub fn date(&self) -> Option<TimestampMs> {
        dates::imf_date(self.header("Date")?)
    }
}

/// Posts to one target over one connection at a time.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    resolver: Resolver,
    route: Route,
    target: Target,
    /// The secrets of its URL, found once because each request would pay for the search.
    url_secrets: Secrets,
}

impl Client {
    /// Returns a client of `target`; connects to nothing yet.
    ///
    /// # Errors
    /// When a certificate file cannot be read or used, or the proxy's URL is not a URL.
    pub fn new(target: &Target) -> Result<Self, Error> {
        if cfg!(not(feature = "tls")) && target.url.starts_with("https:") {
            let problem = "needs TLS, which this binary was built without";
            let hint = "use the ordinary binary, or an http URL";
            let url = target.shown_url();
            return Err(unusable(problem, hint).at(&target.source, Some(&url)).into());
        }
        let proxy = target.proxy.as_ref().map(proxy).transpose()?;
        let route = Route::new(target, proxy.as_ref());
        // Shorter than the overall timeout, so that the error says that the connect failed.
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
            // One byte more, or a longer head would look like a connection that ended.
            .input_buffer_size(RESPONSE_HEADER_BYTES_MAX + 1)
            .output_buffer_size(REQUEST_LINE_BYTES_MAX + HEAD_BYTES_MAX)
            .timeout_global(Some(target.timeout))
            .timeout_recv_body(Some(BODY_TIME_MAX))
            .timeout_resolve(Some(connect_timeout))
            .timeout_connect(Some(connect_timeout));
        #[cfg(feature = "tls")]
        let config = config.tls_config(super::tls::config(&target.tls)?);
        let resolver = Resolver::new();
        let connector = DefaultConnector::new().chain(FewCalls);
        let agent = Agent::with_parts(config.build(), connector, resolver.clone());
        let mut url_secrets = Secrets::default();
        url_secrets.add_url(&target.url);
        Ok(Self { agent, resolver, route, target: target.clone(), url_secrets })
    }

    /// Returns the variable that the credentials come from; empty where there are none.
    pub fn auth_source(&self) -> &str {
        &self.target.auth_source
    }

    /// Returns the target's URL.
    pub fn url(&self) -> &str {
        &self.target.url
    }

    /// Returns a step that ends the current request from another thread, but not a connect or a
    /// name look-up. The client cannot be used afterwards.
    pub fn canceller(&self) -> Step {
        let agent = self.agent.clone();
        Box::new(move || agent.clone().shutdown())
    }

    /// Posts once. A date in `Retry-After` is counted from `now`.
    pub fn post(&self, request: Request<'_>, now: TimestampMs) -> Reply {
        let reply = self.attempt(request, now).unwrap_or_else(|outcome| Reply {
            outcome,
            body: Vec::new(),
            headers: HeaderMap::new(),
        });
        if matches!(reply.outcome, Outcome::Retryable { .. }) {
            self.resolver.forget();
        }
        reply
    }

    fn attempt(&self, request: Request<'_>, now: TimestampMs) -> Result<Reply, Outcome> {
        // Retryable: a token that is being rotated may be there at the next attempt.
        let own = self.target.own_headers(self.url_secrets.clone());
        let (own_headers, secrets) = own.map_err(|error| not_sent(error.to_string()))?;
        let mut post = self.agent.post(request.url);
        if request.answer_bytes_max.is_some() {
            // Only for such a request, because it copies the configuration.
            post = post.config().timeout_recv_body(None).build();
        }
        for (name, value) in request.headers {
            post = post.header(*name, *value);
        }
        for (name, value) in own_headers {
            // `NAME: VALUE` and two line ends.
            let limit = REQUEST_LINE_BYTES_MAX;
            if name.len() + value.len() + 6 > limit {
                return Err(not_sent(format!("the header {name} is longer than {limit} bytes")));
            }
            let mut value = HeaderValue::try_from(value).expect("it was checked");
            value.set_sensitive(true);
            post = post.header(name, value);
        }
        post = post.header("Content-Length", request.body.len().to_string());
        let mut body = Watched { rest: request.body, is_begun: false };
        let sent = post.send(SendBody::from_reader(&mut body));
        let failed = |error| failure(&error, body.is_begun, &self.route, &secrets);
        let mut response = sent.map_err(failed)?;
        let mut answer = Vec::new();
        if let Some(bytes_max) = request.answer_bytes_max.filter(|_| response.status().is_success())
        {
            let mut wanted = response.body_mut().as_reader().take(bytes_max as u64 + 1);
            wanted.read_to_end(&mut answer).map_err(|error| failed(error.into()))?;
        }
        let outcome = outcome(&mut response, now, &secrets);
        Ok(Reply { outcome, body: answer, headers: response.into_parts().0.headers })
    }
}

/// The body of a request, which notes when ureq begins to write it.
struct Watched<'a> {
    /// The part that is not written yet.
    rest: &'a [u8],
    /// Whether any of it may have been written.
    is_begun: bool,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_begun = true;
        // Leaves room for the head.
        let bytes_max = buffer.len().saturating_sub(HEAD_BYTES_MAX);
        self.rest.read(&mut buffer[..bytes_max])
    }
}

fn proxy(ProxySetting { url, source }: &ProxySetting) -> Result<Proxy, Error> {
    let problem = "is not a URL such as http://proxy.example:3128";
    let hint = "correct HTTPS_PROXY or HTTP_PROXY, or list the receiver's host in NO_PROXY";
    Proxy::new(&url.read()?).map_err(|_| unusable(problem, hint).at(source, None).into())
}

fn outcome(response: &mut Response<Body>, now: TimestampMs, secrets: &Secrets) -> Outcome {
    let status = response.status().as_u16();
    match status {
        200..=299 => {
            // The body, and what goes wrong with it, MUST be ignored (protocol.md 1.7).
            if is_short(response) {
                read_start(response);
            }
            Outcome::Accepted
        }
        429 | 500..=599 => Outcome::Retryable {
            after: header(response.headers(), "Retry-After")
                .and_then(|text| dates::retry_after(text, now)),
            // A gateway may have passed the request on before it answered: 503 as well as 502.
            maybe_stored: status != 429,
            reason: describe(response, secrets),
        },
        _ => Outcome::Rejected { status, reason: describe(response, secrets) },
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Returns whether a body can be read to its end, so that the connection can be used again.
fn is_short(response: &Response<Body>) -> bool {
    match response.body().content_length() {
        Some(length) => length <= BODY_BYTES_MAX as u64,
        // A body without chunks ends with the connection.
        None => response.headers().contains_key("Transfer-Encoding"),
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

/// Returns status, `Location` and body on one line, as they came, without our secrets.
fn describe(response: &mut Response<Body>, secrets: &Secrets) -> String {
    let mut text = format!("HTTP {}", response.status());
    if let Some(location) = header(response.headers(), "Location") {
        text.push_str(&format!(" to {}", Escaped(&secrets.hide(&redacted(location)))));
    }
    let body = secrets.hide(String::from_utf8_lossy(&read_start(response)).trim());
    if !body.is_empty() {
        text.push_str(&format!(": {}", Escaped(&body)));
    }
    text
}
