//! URLs of receivers and proxies: what would fail at the first request is refused before it.

use std::net::{IpAddr, Ipv6Addr};

use ureq::http::Uri;

use crate::error::{BadInput, unusable};

/// An absolute http or https URL without user name, password and fragment.
pub struct HttpUrl {
    /// The URL, its host in lower case: a name in a hosts file is found by some C libraries only
    /// so.
    pub text: String,
    /// Whether the scheme is https.
    pub https: bool,
    /// The host in lower case, without the brackets of an IPv6 address.
    pub host: String,
    /// The port, given or the scheme's own.
    port: u16,
}

impl HttpUrl {
    /// Parses a URL.
    ///
    /// # Errors
    /// It is not an absolute http or https URL, or has credentials or a fragment.
    pub fn parse(text: &str) -> Result<HttpUrl, BadInput> {
        // The parser drops it.
        if text.contains('#') {
            return Err(unusable(
                "has a fragment, which is never sent",
                "leave out # and the rest",
            ));
        }
        let hint = "write http://HOST:PORT/PATH, with %20 for a space";
        let not_a_url = |error| unusable(format!("is not a URL ({error})"), hint);
        let uri: Uri = text.parse().map_err(not_a_url)?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(unusable("does not begin with http:// or https://", hint)),
        };
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            let hint = "set REMOTE_WRITE_USERNAME and REMOTE_WRITE_PASSWORD instead; for \
                        --alert-url, ALERT_URL_USERNAME and ALERT_URL_PASSWORD";
            return Err(unusable("has credentials in it, which would be logged", hint));
        }
        let given = uri.host().unwrap_or_default();
        let host = given.trim_matches(['[', ']']).to_ascii_lowercase();
        let is_host_char = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if host.is_empty() || !host.chars().all(is_host_char) {
            return Err(unusable("has no valid host", hint));
        }
        let port = match uri.port_u16() {
            Some(port @ 1..) => port,
            None if authority == given => default_port(&uri),
            _ => return Err(unusable("has no valid port", "give one from 1 to 65535")),
        };
        let text = uri.to_string().replacen(authority, &authority.to_ascii_lowercase(), 1);
        Ok(HttpUrl { text, https, host, port })
    }

    /// Returns whether requests to it stay on this host.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || address(&self.host).is_some_and(|ip| ip.is_loopback())
    }

    /// Returns whether one entry of a `NO_PROXY` list covers it.
    pub fn is_excluded_by(&self, no_proxy: &str) -> bool {
        no_proxy.split(',').any(|entry| self.matches(&entry.trim().to_ascii_lowercase()))
    }

    /// Matches `*`, a domain with its subdomains or an address, with a port or without, or a CIDR
    /// block. Source: Go's golang.org/x/net/http/httpproxy, which Prometheus uses; but `.a.b`
    /// covers `a.b` too, as curl has it.
    fn matches(&self, entry: &str) -> bool {
        if let Some((network, bits)) = entry.split_once('/') {
            return address(&self.host).is_some_and(|ip| is_in_block(ip, network, bits));
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if entry.parse::<Ipv6Addr>().is_err() && !port.contains(']') => {
                (host, Some(port))
            }
            _ => (entry, None),
        };
        if port.is_some_and(|port| port != self.port.to_string()) || host.is_empty() {
            return false;
        }
        let host = host.trim_matches(['[', ']']);
        let domain = host.trim_start_matches('.');
        host == "*"
            || self.host == domain
            || address(&self.host).is_some_and(|ip| address(host) == Some(ip))
            || self.host.strip_suffix(domain).is_some_and(|subdomain| subdomain.ends_with('.'))
    }
}

/// Returns the port of a URL's scheme.
pub(super) fn default_port(uri: &Uri) -> u16 {
    if uri.scheme_str() == Some("https") { 443 } else { 80 }
}

/// Returns the host as an address, if it is one; an IPv4 address that is written as IPv6 is one.
fn address(host: &str) -> Option<IpAddr> {
    host.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

fn is_in_block(ip: IpAddr, network: &str, bits: &str) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse(), bits.parse::<u32>()) else { return false };
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            bits <= 32 && (ip.to_bits() ^ network.to_bits()).leading_zeros() >= bits
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            bits <= 128 && (ip.to_bits() ^ network.to_bits()).leading_zeros() >= bits
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::Random;
    use crate::http::redacted;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = match HttpUrl::parse(text) {
            Ok(url) => format!("{} {} loopback={}", url.host, url.port, url.is_loopback()),
            Err(BadInput { problem, .. }) => problem,
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn urls_are_absolute_and_plain() {
        check("http://localhost:9090/api/v1/write", "localhost 9090 loopback=true");
        check("HTTPS://Edge.Example.com?a=b", "edge.example.com 443 loopback=false");
        check("http://[::FFFF:127.0.0.1]/", "::ffff:127.0.0.1 80 loopback=true");
        check("http://127.8.0.1", "127.8.0.1 80 loopback=true");
        check("http://[::1]:9090/", "::1 9090 loopback=true");
        check("http://[2001:db8::1]/", "2001:db8::1 80 loopback=false");
        check("http://127.0.0.1.example.com/", "127.0.0.1.example.com 80 loopback=false");
        check("http://localhost.example.com/", "localhost.example.com 80 loopback=false");
        check("http://A", "a 80 loopback=false");
        for text in ["", "localhost:9090/api", "http://host/a b", "http://host/a\n"] {
            check_refused(text, "is not a URL (");
        }
        for text in ["http://hôst/", "http:///path", "http://[::1/", "http://a:b:1/"] {
            check_refused(text, "is not a URL (");
        }
        check_refused(&format!("http://h/{}", "x".repeat(65_536)), "is not a URL (");
        for text in ["/api", "localhost:9090", "ftp://host/"] {
            check_refused(text, "does not begin with http:// or https://");
        }
        check_refused("http://user:pass@host/", "has credentials in it");
        check_refused("http://localhost@evil.example/", "has credentials in it");
        check_refused("http://host/#x", "has a fragment");
        for text in ["http://:80/", "http://a*b/", "http://a,b/"] {
            check_refused(text, "has no valid host");
        }
        for port in ["", "0", "65536", "80x"] {
            check_refused(&format!("http://host:{port}/"), "has no valid port");
        }
    }

    #[track_caller]
    fn check_refused(text: &str, expected: &str) {
        let problem = HttpUrl::parse(text).err().map(|error| error.problem).unwrap_or_default();
        assert!(problem.starts_with(expected), "{text}: {problem}");
    }

    #[test]
    fn scheme_and_host_are_in_lower_case_and_the_rest_is_as_given() {
        for (given, text) in [
            ("HTTP://LOCALHOST:9090/API/v1?Db=X", "http://localhost:9090/API/v1?Db=X"),
            ("https://[2001:DB8::1]?A", "https://[2001:db8::1]/?A"),
            ("http://A", "http://a/"),
        ] {
            assert_eq!(HttpUrl::parse(given).unwrap().text, text);
        }
    }

    #[test]
    fn no_proxy_covers_hosts_domains_addresses_and_blocks() {
        #[track_caller]
        fn check(url: &str, no_proxy: &str, expected: bool) {
            let excluded = HttpUrl::parse(url).unwrap().is_excluded_by(no_proxy);
            assert_eq!(excluded, expected, "{url} {no_proxy}");
        }
        for no_proxy in ["*", "b.example", ".example", "x, a.B.example", "example:80"] {
            check("http://a.b.example/", no_proxy, true);
        }
        for no_proxy in ["", ",", "ample", "c.a.b.example", "example:8080", "10.0.0.0/8"] {
            check("http://a.b.example/", no_proxy, false);
        }
        check("http://10.1.2.3:9090/", "10.1.2.3", true);
        check("http://10.1.2.3:9090/", "10.1.2.3:9090", true);
        check("http://10.1.2.3/", "10.0.0.0/8", true);
        check("http://11.1.2.3/", "10.0.0.0/8", false);
        check("http://11.1.2.3/", "0.0.0.0/0", true);
        check("http://11.1.2.3/", "10.0.0.0/33", false);
        check("http://[2001:db8::1]/", "2001:db8::1", true);
        check("http://[2001:db8::1]/", "[2001:db8::1]:80", true);
        check("http://[2001:db8::7]/", "2001:DB8:0::7", true);
        check("http://[2001:DB8:0:0::7]/", "[2001:db8::0:7]:80", true);
        check("http://[2001:db8::7]/", "2001:db8::8", false);
        check("http://[::ffff:10.1.2.3]/", "10.1.2.3", true);
        check("http://[::ffff:10.1.2.3]/", "10.0.0.0/8", true);
        check("http://[2001:db8::1]/", "2001:db8::/32", true);
        check("http://[2001:db9::1]/", "2001:db8::/32", false);
    }

    #[test]
    fn generated_urls_never_panic() {
        let mut random = Random::new(3);
        for _ in 0..100_000 {
            let text = random.text("htps:/.@[]?#=1a é");
            let _ = (HttpUrl::parse(&text), redacted(&text));
            let mutated = random.mutated("https://[2001:db8::1]:9090/api?key=x");
            if let Ok(url) = HttpUrl::parse(&mutated) {
                url.is_excluded_by(&text);
            }
        }
    }
}
