//! Where datapoints go, and where they are read. No secret in an address is ever shown.

mod credentials;
mod headers;

use std::path::PathBuf;

use crate::cli::args::Args;
use crate::cli::env::{self, Setting, Settings, Source};
use crate::cli::values;
use crate::error::{BadInput, Error, Escaped, unusable};
use crate::http::{
    Auth, HttpUrl, ProxySetting, Secret, Target, TlsOptions, has_secret_parameter,
    is_secret_header, redacted,
};
use crate::read_back::{ReadApi, ReadConfig};
use credentials::{check_trust, preset_auth, url_auth};
use headers::headers;

/// Hosts of the environments that are known by name; others are `www.NAME.cdo.cisco.com`.
const PRESETS: &[(&str, &str)] = &[
    ("scale", "edge.scale.cdo.cisco.com"),
    ("staging", "edge.staging.cdo.cisco.com"),
    ("ci", "edge.ci.cdo.cisco.com"),
    ("us", "www.defenseorchestrator.com"),
    ("eu", "www.defenseorchestrator.eu"),
];
const PRESET_PATH: &str = "/api/platform/ai-ops-data-ingest/v2/healthmetrics";

/// How a receiver was named; commands that continue the run repeat it.
pub(in crate::cli) enum Name {
    /// By any URL.
    Url(Setting),
    /// As a Cisco environment.
    Preset(Setting),
}

/// A receiver that was named.
pub(in crate::cli) struct Receiver<'a> {
    /// Its name.
    pub(in crate::cli) name: Name,
    /// Where they come from.
    pub(in crate::cli) settings: &'a Settings<'a>,
}

/// Picks the name: flag, environment, file; in each the URL first.
///
/// # Errors
/// Nothing names a receiver.
pub(in crate::cli) fn name(settings: &Settings<'_>) -> Result<Name, BadInput> {
    if let Some(url) = settings.flag("url") {
        return Ok(Name::Url(url));
    }
    if let Some(env) = settings.flag("env") {
        return Ok(Name::Preset(env));
    }
    let mut unknown = None;
    for place in [Settings::in_environment, Settings::in_file] {
        let filled = |name| -> Result<Option<Setting>, BadInput> {
            Ok(place(settings, name)?.filter(|setting| !setting.value.is_empty()))
        };
        if let Some(url) = filled("REMOTE_WRITE_URL")? {
            return Ok(Name::Url(url));
        }
        match filled("ENV")? {
            // Shells and hosts set ENV for other purposes, so there only a known name counts.
            Some(env) if env.source == Source::Environment && preset_host(&env.value).is_none() => {
                unknown = Some(env);
            }
            Some(env) => return Ok(Name::Preset(env)),
            None => {}
        }
    }
    let mut problem = "is not named".to_owned();
    if let Some(env) = unknown {
        let name = env.shown().unwrap_or("...");
        problem = format!("{problem} (ENV '{name}' is not a known environment)");
    }
    if let Some(unreadable) = &settings.unreadable {
        problem = format!("{problem}; {unreadable}");
    }
    let hint = "give --url (a local Prometheus: http://localhost:9090/api/v1/write), \
                   --env, or set REMOTE_WRITE_URL or ENV, also in .env";
    Err(unusable(problem, hint).at("target", None))
}

impl Receiver<'_> {
    /// Checks its credentials, headers, certificates and proxy.
    ///
    /// # Errors
    /// Any of them cannot be used, or credentials would travel unencrypted.
    pub(in crate::cli) fn target(&self, warnings: &mut Vec<String>) -> Result<Target, Error> {
        let Self { name, settings } = self;
        let args = settings.args;
        let (url, source, (auth, auth_source)) = match name {
            Name::Url(url) => {
                (parse_url(url)?, &url.place, url_auth("REMOTE_WRITE", url, settings)?)
            }
            Name::Preset(env) => {
                let url = preset_url(env)?;
                let auth = match preset_auth(env, settings) {
                    Err(error) if args.has("dry-run") => {
                        warnings.push(error.to_string());
                        (Auth::None, String::new())
                    }
                    auth => auth?,
                };
                (url, &env.place, auth)
            }
        };
        let headers = headers(args)?;
        if let Name::Url(url) = name
            && let Some((name, _)) = headers.iter().find(|header| is_secret_header(header))
        {
            check_trust(url, Source::Flag, &format!("--header '{name}'"))?;
        }
        // It may contain a token that this receiver needs.
        if auth == Auth::None
            && let Some(unreadable) = &settings.unreadable
        {
            warnings.push(format!("{unreadable} and is ignored"));
        }
        self.check_encryption(&url, source, &auth, &headers)?;
        let name_hint = match name {
            Name::Preset(env) if preset_host(&env.value).is_none() => {
                let presets: Vec<&str> = PRESETS.iter().map(|(preset, _)| *preset).collect();
                format!(" ({source} '{}' is not one of {})", env.value, presets.join(", "))
            }
            _ => String::new(),
        };
        Ok(Target {
            source: source.clone(),
            auth,
            auth_source,
            name_hint,
            headers,
            tls: self.tls(&url, warnings)?,
            proxy: proxy(&url, settings)?,
            timeout: args.parsed("timeout", values::duration)?,
            url: url.text,
        })
    }

    /// Returns where to read back what goes to `target`, with the same credentials and headers.
    ///
    /// # Errors
    /// The address cannot be used or is not known, or credentials would go to another host.
    pub(in crate::cli) fn read_config(&self, target: &Target) -> Result<ReadConfig, Error> {
        let place = "--read-url";
        let url = match self.settings.flag("read-url") {
            Some(url) => parse_url(&url)?,
            None => derived_read_url(self.settings.args, &target.url)?,
        };
        if let Name::Preset(env) = &self.name {
            let own = preset_url(env)?;
            if (&url.host, url.https) != (&own.host, own.https) {
                let problem =
                    format!("is not on https://{}, the only host for CDO_TOKEN", own.host);
                let hint = "name an address there, or push with --url";
                return Err(unusable(problem, hint).at(place, Some(&redacted(&url.text))).into());
            }
        }
        self.read_at(place, url, target.clone())
    }

    /// Returns where to read alerts, if it is not where datapoints are read. The secrets of
    /// `target` do not go there.
    ///
    /// # Errors
    /// The address or its own credentials cannot be used.
    pub(in crate::cli) fn alert_config(
        &self,
        target: &Target,
    ) -> Result<Option<ReadConfig>, Error> {
        let Some(setting) = self.settings.flag("alert-url") else { return Ok(None) };
        let url = parse_url(&setting)?;
        let (auth, mut auth_source) = url_auth("ALERT_URL", &setting, self.settings)?;
        if auth == Auth::None {
            auth_source = "ALERT_URL_TOKEN".into();
        }
        let mut target = Target { auth, auth_source, ..target.clone() };
        target.headers.retain(|header| !is_secret_header(header));
        self.read_at(&setting.place, url, target).map(Some)
    }

    fn read_at(&self, place: &str, url: HttpUrl, target: Target) -> Result<ReadConfig, Error> {
        self.check_encryption(&url, place, &target.auth, &target.headers)?;
        let apis =
            [("prometheus", ReadApi::Prometheus), ("victoriametrics", ReadApi::VictoriaMetrics)];
        let api = |text: &str| values::choice(text, "a way to read", &apis);
        let api = self.settings.args.parsed_if_given("read-api", api)?;
        Ok(ReadConfig {
            api: api.unwrap_or(ReadApi::Auto),
            give_up_after: self.settings.args.parsed("flush-timeout", values::duration_or_zero)?,
            target: Target {
                source: place.into(),
                name_hint: String::new(),
                // The warnings were logged for the target itself.
                tls: self.tls(&url, &mut Vec::new())?,
                proxy: proxy(&url, self.settings)?,
                url: url.text,
                ..target
            },
        })
    }

    /// Refuses to send credentials unencrypted to `url`.
    fn check_encryption(
        &self,
        url: &HttpUrl,
        source: &str,
        auth: &Auth,
        headers: &[(String, Secret)],
    ) -> Result<(), BadInput> {
        let is_private = url.https || url.is_loopback();
        let has_credentials = *auth != Auth::None
            || headers.iter().any(is_secret_header)
            || has_secret_parameter(&url.text);
        if is_private || !has_credentials || self.settings.args.has("allow-plain-http-credentials")
        {
            return Ok(());
        }
        let problem = "is plain http, which would show the credentials to anyone on the way";
        let hint = "use https, or add --allow-plain-http-credentials";
        Err(unusable(problem, hint).at(source, Some(&redacted(&url.text))))
    }

    fn tls(&self, url: &HttpUrl, warnings: &mut Vec<String>) -> Result<TlsOptions, Error> {
        let args = self.settings.args;
        let client_cert = args.given("client-cert").zip(args.given("client-key"));
        let client_cert = client_cert.map(|(cert, key)| (cert.into(), key.into()));
        let mut ca_file = args.given("ca-file").map(PathBuf::from);
        // Some hosts set SSL_CERT_FILE to a file that does not exist; the bundled roots are better.
        if ca_file.is_none()
            && url.https
            && let Some(setting) = self.settings.get_filled("SSL_CERT_FILE")?
        {
            if env::is_readable(setting.value.as_ref()) {
                ca_file = Some(setting.value.into());
            } else {
                let (place, file) = (&setting.place, Escaped(setting.shown().unwrap_or("...")));
                warnings.push(format!("{place} '{file}' cannot be read and is ignored"));
            }
        }
        let insecure_skip_verify = args.has("insecure-skip-verify");
        if insecure_skip_verify && url.https {
            warnings.push("any certificate is accepted (--insecure-skip-verify)".into());
        }
        Ok(TlsOptions { ca_file, client_cert, insecure_skip_verify })
    }
}

/// Source: the paths of Prometheus, Cortex and Mimir.
fn derived_read_url(args: &Args, write_url: &str) -> Result<HttpUrl, BadInput> {
    const PATHS: &[(&str, &str)] = &[
        ("/api/v1/write", "/api/v1/read"),
        ("/api/prom/push", "/api/prom/api/v1/read"),
        ("/api/v1/push", "/prometheus/api/v1/read"),
    ];
    let (address, query) = match write_url.split_once('?') {
        Some((address, query)) => (address, format!("?{query}")),
        None => (write_url, String::new()),
    };
    // The cluster of VictoriaMetrics is read at another host.
    let is_vminsert = address.contains("/insert/");
    for (write, read) in PATHS.iter().filter(|_| !is_vminsert) {
        if let Some(base) = address.strip_suffix(write) {
            return HttpUrl::parse(&format!("{base}{read}{query}"));
        }
    }
    let problem = "is not given, and does not follow from the address to push to";
    Err(args.bad("read-url", problem, "give the remote-read address"))
}

fn parse_url(setting: &Setting) -> Result<HttpUrl, BadInput> {
    HttpUrl::parse(&setting.value).map_err(|error| {
        let shown = setting.shown().filter(|value| !value.contains('@')).map(redacted);
        error.at(&setting.place, shown.as_deref())
    })
}

fn preset_host(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    PRESETS.iter().find(|(preset, _)| *preset == name).map(|(_, host)| *host)
}

fn preset_url(env: &Setting) -> Result<HttpUrl, BadInput> {
    let name = &env.value;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || !name.chars().all(allowed) {
        let problem = "is not a name of letters, digits and '-'";
        return Err(env.bad(problem, "give one like us, or use --url"));
    }
    let host = preset_host(name).map_or(format!("www.{name}.cdo.cisco.com"), Into::into);
    let url = format!("https://{host}{PRESET_PATH}");
    Ok(HttpUrl::parse(&url).expect("the name holds nothing that a URL can't"))
}

/// Picks the proxy by the URL's scheme, upper-case names first; none for loopback.
fn proxy(url: &HttpUrl, settings: &Settings<'_>) -> Result<Option<ProxySetting>, BadInput> {
    let either = |upper: &str| -> Result<Option<Setting>, BadInput> {
        match settings.get_filled(upper)? {
            None => settings.get_filled(&upper.to_ascii_lowercase()),
            set => Ok(set),
        }
    };
    if url.is_loopback() {
        return Ok(None);
    }
    let Some(Setting { place, value, .. }) =
        either(if url.https { "HTTPS_PROXY" } else { "HTTP_PROXY" })?
    else {
        return Ok(None);
    };
    if either("NO_PROXY")?.is_some_and(|list| url.is_excluded_by(&list.value)) {
        return Ok(None);
    }
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", &value));
    // A password may have an @ in it, but nothing that would end the host before it.
    let (user, host) = rest.split_at(rest.rfind('@').map_or(0, |at| at + 1));
    let hint = "write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with %2F for a slash";
    let bad = |problem: &str| unusable(problem, hint).at(&place, None);
    if user.contains(['/', '?', '#', ' ']) {
        return Err(bad("has a character in its user or password that a URL cannot contain"));
    }
    let url = HttpUrl::parse(&format!("{scheme}://{host}")).map_err(|error| bad(&error.problem))?;
    let url = url.text.replacen("://", &format!("://{user}"), 1);
    Ok(Some(ProxySetting { url: Secret::Inline(url), source: place }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;
    use crate::cli::testing::{Setup, check_error, start};

    const URL: &str = "--url=https://receiver.example/write";

    /// Shows where it goes and why.
    #[track_caller]
    fn check(setup: &Setup, expected: &str) {
        let target = setup.live().target;
        assert_eq!(format!("{} from {}", target.url, target.source), expected);
    }

    #[test]
    fn the_flag_comes_before_the_environment_before_the_file() {
        let dotenv = "REMOTE_WRITE_URL=http://file/\nENV=eu\nCDO_TOKEN=t\n";
        let file = || start().file(".env", dotenv);
        check(&file(), "http://file/ from REMOTE_WRITE_URL in .env");
        check(
            &start().file(".env", &dotenv[30..]),
            &format!("https://www.defenseorchestrator.eu{PRESET_PATH} from ENV in .env"),
        );
        let both = || file().variable("ENV", "us");
        check(&both(), &format!("https://www.defenseorchestrator.com{PRESET_PATH} from ENV"));
        let url = || both().variable("REMOTE_WRITE_URL", "http://variable/");
        check(&url(), "http://variable/ from REMOTE_WRITE_URL");
        check(&url().flags(&["--url", "http://flag/"]), "http://flag/ from --url");
        check(
            &url().flags(&["--env", "scale"]),
            &format!("https://edge.scale.cdo.cisco.com{PRESET_PATH} from --env"),
        );
        check_error(
            &url().flags(&["--env", "scale", URL]),
            "--env 'scale': is given together with --url; leave one of them out",
        );
    }

    #[test]
    fn other_names_count_in_the_flag_and_the_file_only() {
        let other = format!("https://www.qa-7.cdo.cisco.com{PRESET_PATH}");
        check(
            &start().flags(&["--env=qa-7"]).variable("CDO_TOKEN", "t"),
            &format!("{other} from --env"),
        );
        let dotenv = "ENV=qa-7\nCDO_TOKEN=t";
        check(
            &start().file(".env", dotenv).variable("ENV", "production"),
            &format!("{other} from ENV in .env"),
        );
        let ways = "give --url (a local Prometheus: http://localhost:9090/api/v1/write), --env, \
                    or set REMOTE_WRITE_URL or ENV, also in .env";
        check_error(
            &start().variable("ENV", "qa-7"),
            &format!("target: is not named (ENV 'qa-7' is not a known environment); {ways}"),
        );
        check_error(&start().variable("ENV", ""), &format!("target: is not named; {ways}"));
        check_error(
            &start().flags(&["--env=a.b"]),
            "--env 'a.b': is not a name of letters, digits and '-'; \
             give one like us, or use --url",
        );
    }

    #[test]
    fn an_env_file_takes_the_place_of_the_usual_one() {
        let setup = start().file(".env", "ENV=us").file("other", "REMOTE_WRITE_URL=http://other/");
        check(
            &setup.flags(&["--env-file", "other"]),
            "http://other/ from REMOTE_WRITE_URL in other",
        );
        let setup = start().file("other", "");
        let missing = setup.path("missing");
        check_error(
            &setup.flags(&["--env-file", &missing]),
            &format!(
                "cannot read variables from '{missing}': No such file or directory (os error 2); \
                 check its name and permissions"
            ),
        );
    }

    #[test]
    fn credentials_do_not_travel_unencrypted() {
        let plain = "--url=http://receiver.example/w?a=b";
        let problem = "is plain http, which would show the credentials to anyone on the way; \
                       use https, or add --allow-plain-http-credentials";
        let error = format!("--url 'http://receiver.example/w?a=REDACTED': {problem}");
        let token = || start().variable("REMOTE_WRITE_TOKEN", "t");
        check_error(&token().flags(&[plain]), &error);
        check_error(&start().flags(&[plain, "--header=X-Api-Key: s3cret"]), &error);
        let setup = start().file("id", "x");
        let header = format!("--header=X-Id: @{}", setup.path("id"));
        check_error(&setup.flags(&[plain, &header]), &error);
        check_error(
            &start().flags(&["--url=http://receiver.example/w?token=s3cret"]),
            &format!("--url 'http://receiver.example/w?token=REDACTED': {problem}"),
        );
        check_error(
            &start().flags(&["--url=http://receiver.example/w?sig=s3cret"]),
            &format!("--url 'http://receiver.example/w?sig=REDACTED': {problem}"),
        );
        for allowed in [
            token().flags(&[plain, "--allow-plain-http-credentials"]),
            token().flags(&["--url=http://127.0.0.1/"]),
            token().flags(&["--url=http://[::1]:9090/"]),
            token().flags(&[URL]),
            start().flags(&[plain, "--header=X-Scope-OrgID: demo"]),
            start().flags(&[plain, "--header=X-Author: me"]),
        ] {
            allowed.live();
        }
    }

    #[test]
    fn urls_with_credentials_are_not_shown() {
        check_error(
            &start().flags(&["--url=http://user:s3cret@h/"]),
            "--url: has credentials in it, which would be logged; \
             set REMOTE_WRITE_USERNAME and REMOTE_WRITE_PASSWORD instead; \
             for --alert-url, ALERT_URL_USERNAME and ALERT_URL_PASSWORD",
        );
        check_error(
            &start().flags(&["--url=ftp://h/?token=s3cret"]),
            "--url 'ftp://h/?token=REDACTED': does not begin with http:// or https://; \
             write http://HOST:PORT/PATH, with %20 for a space",
        );
    }

    #[test]
    fn certificates_come_from_the_flag_or_from_a_file_that_is_there() {
        let setup = start().file("ca.pem", "").flags(&[URL]);
        let path = setup.path("ca.pem");
        let setup = setup.variable("SSL_CERT_FILE", &path);
        assert_eq!(setup.live().target.tls.ca_file, Some(path.into()));
        let setup = setup.flags(&["--ca-file=x.pem"]);
        assert_eq!(setup.live().target.tls.ca_file, Some("x.pem".into()));
        let setup = start().flags(&[URL]).variable("SSL_CERT_FILE", "/nowhere/ca.pem");
        assert_eq!(setup.live().target.tls.ca_file, None);
        let warning = "SSL_CERT_FILE '/nowhere/ca.pem' cannot be read and is ignored";
        assert_eq!(setup.invocation().warnings, [warning]);
        let warnings = start().flags(&[URL, "--insecure-skip-verify"]).invocation().warnings;
        assert_eq!(warnings, ["any certificate is accepted (--insecure-skip-verify)"]);
        check_error(
            &start().flags(&["--client-cert=a.pem"]),
            "--client-cert 'a.pem': is given without --client-key; give both",
        );
        check_error(
            &start().flags(&["--client-key=a.pem"]),
            "--client-key 'a.pem': is given without --client-cert; give both",
        );
    }

    #[test]
    fn the_proxy_is_chosen_by_scheme() {
        let proxied = |url: &str, more: &[(&str, &str)]| {
            let all = [("https_proxy", "proxy:1"), ("HTTP_PROXY", "http://u:p@proxy:2/")];
            let mut setup = start().flags(&["--url", url]);
            for (name, value) in all.iter().chain(more) {
                setup = setup.variable(name, value);
            }
            setup.live().target.proxy.map(|proxy| proxy.url)
        };
        let proxy = |text: &str| Some(Secret::Inline(text.into()));
        assert_eq!(proxied("https://a.example/", &[]), proxy("http://proxy:1/"));
        assert_eq!(proxied("http://a.example/", &[]), proxy("http://u:p@proxy:2/"));
        assert_eq!(proxied("http://a.example/", &[("no_proxy", "b.example,.example")]), None);
        assert_eq!(proxied("http://localhost/", &[]), None);
        assert_eq!(proxied("https://127.0.0.1/", &[]), None);
        assert_eq!(
            proxied("https://a.example/", &[("HTTPS_PROXY", "HTTP://U:P@PROXY:1")]),
            proxy("http://U:P@proxy:1/"),
        );
        for value in ["http://user:a/b@proxy:1", "user:a b@proxy:1", "http://u:a?b#c@proxy"] {
            check_error(
                &start().flags(&[URL]).variable("HTTPS_PROXY", value),
                "HTTPS_PROXY: has a character in its user or password that a URL cannot contain; \
                 write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with %2F for a \
                 slash",
            );
        }
        check_error(
            &start().flags(&[URL]).variable("HTTPS_PROXY", "socks5://user:s3cret@proxy:1"),
            "HTTPS_PROXY: does not begin with http:// or https://; \
             write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with %2F for a slash",
        );
    }

    #[track_caller]
    fn check_read(setup: Setup, expected: &str) {
        let shown = match setup.flags(&["--verify"]).parse("").map(|parsed| parsed.command) {
            Ok(Command::Live(config)) => {
                let ReadConfig { target, api, .. } = config.read.expect("--verify reads");
                format!("{} {api:?} {:?}", target.url, target.auth)
            }
            Ok(other) => panic!("is {other:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_address_to_read_from_follows_from_the_one_to_push_to() {
        for (write, read) in [
            ("http://h:1/api/v1/write?a=b", "http://h:1/api/v1/read?a=b"),
            ("http://h/x/api/v1/write", "http://h/x/api/v1/read"),
            ("http://h/api/prom/push", "http://h/api/prom/api/v1/read"),
            ("http://h/api/v1/push", "http://h/prometheus/api/v1/read"),
        ] {
            check_read(start().flags(&["--url", write]), &format!("{read} Auto None"));
        }
        let setup = start().flags(&["--read-url=http://r/x", "--read-api", "victoriametrics"]);
        check_read(setup, "http://r/x VictoriaMetrics None");
        let error = "--read-url: is not given, and does not follow from the address to push to; \
                     give the remote-read address";
        check_read(start().flags(&["--url=http://h/api/v1/receive"]), error);
        check_read(start().flags(&["--url=http://h/insert/0/prometheus/api/v1/write"]), error);
        let env = || start().variable("CDO_TOKEN", "t").flags(&["--env=us"]);
        check_read(env(), error);
        let error = "--read-api 'x': is not a way to read; give prometheus or victoriametrics";
        check_read(start().flags(&["--read-api=x"]), error);
        let error = start().flags(&["--dry-run", "--read-url=h"]).error();
        assert!(error.starts_with("--read-url 'h': "), "{error}");
    }

    #[test]
    fn credentials_to_read_with_go_no_further_than_those_to_push() {
        let token = || start().variable("REMOTE_WRITE_TOKEN", "t").flags(&[URL]);
        check_read(token().flags(&["--read-url=https://r/"]), "https://r/ Auto Bearer(***)");
        check_read(
            token().flags(&["--read-url=http://r/"]),
            "--read-url 'http://r/': is plain http, which would show the credentials to anyone \
             on the way; use https, or add --allow-plain-http-credentials",
        );
        let env = || start().variable("CDO_TOKEN", "t").flags(&["--env=us"]);
        let own = "https://www.defenseorchestrator.com/read";
        check_read(env().flags(&["--read-url", own]), &format!("{own} Auto Bearer(***)"));
        check_read(
            env().flags(&["--read-url=https://r/"]),
            "--read-url 'https://r/': is not on https://www.defenseorchestrator.com, the only \
             host for CDO_TOKEN; name an address there, or push with --url",
        );
    }
}
