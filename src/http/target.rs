//! A receiver: where it is, how to reach it and with which credentials.
//!
//! Secrets are never printed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::base64;
use super::client::USER_AGENT;
use super::redact::{Secrets, looks_secret, redacted};
use super::secret::{self, Problem, Secret};
use crate::error::{Error, unusable};

/// A receiver, how to reach it and with which credentials.
#[derive(Clone)]
pub struct Target {
    /// Absolute URL without user and password. Its query may hold a secret: log `shown_url`.
    pub url: String,
    /// Where the URL came from, in words, as in "--url" or "ENV in .env".
    pub source: String,
    /// Credentials for this target only.
    pub auth: Auth,
    /// The variable that they come from, as in "REMOTE_WRITE_TOKEN in .env"; empty without any.
    pub auth_source: String,
    /// What to add to a message where the host name is not found; may be empty.
    pub name_hint: String,
    /// Additional request headers, none of them reserved.
    pub headers: Vec<(String, Secret)>,
    /// Certificates and verification.
    pub tls: TlsOptions,
    /// The proxy for this URL, chosen by its scheme; may hold credentials.
    pub proxy: Option<ProxySetting>,
    /// Limit for one attempt, from connect to the end of the answer.
    pub timeout: Duration,
}

impl Target {
    /// Returns where the URL came from, and its proxy, for the log.
    pub fn shown_source(&self) -> String {
        match &self.proxy {
            Some(proxy) => format!("{}, through the proxy of {}", self.source, proxy.source),
            None => self.source.clone(),
        }
    }

    /// Returns the URL with the secrets in it replaced.
    pub fn shown_url(&self) -> String {
        let mut secrets = Secrets::default();
        let headers = self.headers.iter().filter(|header| is_secret_header(header));
        let auth = self.auth.secret().map(|(_, secret)| secret);
        for secret in headers.map(|(_, secret)| secret).chain(auth) {
            if let Secret::Inline(value) | Secret::Once(value) = secret {
                secrets.add(value);
            }
        }
        secrets.hide(&redacted(&self.url))
    }

    /// Returns the headers that every request to the target has, with secrets replaced. Reads no
    /// file.
    pub fn shown_headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![("User-Agent".into(), USER_AGENT.into())];
        let auth = self.auth.secret();
        let auth =
            auth.map(|(scheme, secret)| ("Authorization".into(), format!("{scheme} {secret:?}")));
        let own = self.headers.iter().map(|(name, value)| (name.clone(), format!("{value:?}")));
        headers.extend(auth.into_iter().chain(own));
        headers
    }

    /// Returns the headers that the target adds to a request, and the secrets to hide in what is
    /// logged of it, with `secrets` among them. Reads the files.
    ///
    /// # Errors
    /// A file cannot be read, or holds what no header can carry.
    pub(super) fn own_headers(
        &self,
        mut secrets: Secrets,
    ) -> Result<(OwnHeaders<'_>, Secrets), Error> {
        let mut headers = Vec::new();
        if let Some(proxy) = &self.proxy {
            secrets.add_url(&proxy.url.read()?);
        }
        match &self.auth {
            Auth::None => {}
            Auth::Bearer(token) => {
                let token = checked("the bearer token", token, secret::check_token)?;
                headers.push(("Authorization", format!("Bearer {token}")));
                secrets.add(&token);
            }
            Auth::Basic { username, password } => {
                let password = checked("the password", password, secret::check_text)?;
                let user_info = base64::encode(format!("{username}:{password}").as_bytes());
                secrets.add(&user_info);
                secrets.add(&password);
                headers.push(("Authorization", format!("Basic {user_info}")));
            }
        }
        for header in &self.headers {
            let (name, value) = header;
            let value = checked(name, value, secret::check_header_value)?;
            if is_secret_header(header) {
                secrets.add_header(&value);
            }
            headers.push((name, value));
        }
        Ok((headers, secrets))
    }
}

/// Names and values of headers.
pub(super) type OwnHeaders<'a> = Vec<(&'a str, String)>;

/// Returns whether a header holds a secret, by its name or because it is kept in a file.
pub fn is_secret_header((name, value): &(String, Secret)) -> bool {
    looks_secret(name) || !matches!(value, Secret::Inline(_))
}

/// Reads the secret, and checks that a header can carry it.
fn checked(
    name: &str,
    secret: &Secret,
    check: fn(&str) -> Result<(), Problem>,
) -> Result<String, Error> {
    let value = secret.read()?;
    check(&value).map_err(|problem| unusable(problem, "write it again").at(name, None))?;
    Ok(value)
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target {{ {}, {:?} }}", self.shown_url(), self.auth)
    }
}

/// A proxy, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySetting {
    /// Its URL, perhaps with credentials.
    pub url: Secret,
    /// The variable, as in "HTTPS_PROXY".
    pub source: String,
}

/// Credentials of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// None.
    None,
    /// `Authorization: Bearer TOKEN`.
    Bearer(Secret),
    /// `Authorization: Basic`.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
}

impl Auth {
    /// Returns the scheme and the secret.
    fn secret(&self) -> Option<(&'static str, &Secret)> {
        match self {
            Auth::None => None,
            Auth::Bearer(token) => Some(("Bearer", token)),
            Auth::Basic { password, .. } => Some(("Basic", password)),
        }
    }
}

/// TLS settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// PEM file of the roots that replace the bundled ones.
    pub ca_file: Option<PathBuf>,
    /// PEM files of the client certificate chain and its key.
    pub client_cert: Option<(PathBuf, PathBuf)>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
}
