//! Receivers' URLs, checked by hand: what ureq would refuse later is refused here, with a reason.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::{BadInput, unusable};

/// The longest URL, in bytes: what the libraries below take, with some room.
const URL_BYTES_MAX: usize = 64_000;

/// An absolute http or https URL without user name, password and fragment.
pub(super) struct HttpUrl {
    /// The URL as given, but for its scheme and host, which are in lower case: a name in a hosts
    /// file is found by some C libraries only so.
    pub(super) text: String,
    /// Whether the scheme is https.
    pub(super) https: bool,
    /// The host in lower case, without the brackets of an IPv6 address.
    pub(super) host: String,
    /// The port, given or the scheme's own.
    pub(super) port: u16,
}

impl HttpUrl {
    /// Parses a URL.
    pub(super) fn parse(text: &str) -> Result<HttpUrl, BadInput> {
        if text.len() > URL_BYTES_MAX {
            return Err(unusable("is longer than 64,000 bytes", "shorten it"));
        }
        let Some((scheme, after)) = text.split_once("://") else {
            return Err(unusable("has no scheme", "begin it with http:// or https://"));
        };
        let scheme = scheme.to_ascii_lowercase();
        let https = match scheme.as_str() {
            "http" => false,
            "https" => true,
            _ => {
                return Err(unusable(
                    "has another scheme than http and https",
                    "give one of these",
                ));
            }
        };
        if let Some(c) = text.chars().find(|c| !is_url_char(*c)) {
            let problem = match c {
                ' ' => "has a space in it".into(),
                c => format!("has the character {c:?} in it"),
            };
            return Err(unusable(problem, "write it percent-encoded, as in %20 for a space"));
        }
        if text.contains('#') {
            return Err(unusable(
                "has a fragment, which is never sent",
                "leave out # and the rest",
            ));
        }
        let authority = after.split(['/', '?']).next().expect("split gives at least one part");
        if authority.contains('@') {
            let hint = "set REMOTE_WRITE_USERNAME and REMOTE_WRITE_PASSWORD instead";
            return Err(unusable("holds credentials, which would be logged", hint));
        }
        let (host, port) = split_port(authority);
        let host = check_host(host)?;
        let port = match port {
            None if https => 443,
            None => 80,
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| unusable("has an invalid port", "give one from 1 to 65535"))?,
        };
        let (authority, rest) = after.split_at(authority.len());
        let text = format!("{scheme}://{}{rest}", authority.to_ascii_lowercase());
        Ok(HttpUrl { text, https, host, port })
    }

    /// Returns whether requests to it stay on this host.
    pub(super) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.address().is_some_and(|address| address.is_loopback())
    }

    /// Returns the host where it is an address; an IPv4 address that is written as IPv6 is one.
    fn address(&self) -> Option<IpAddr> {
        address(&self.host)
    }

    /// Returns whether one entry of a `NO_PROXY` list covers it.
    pub(super) fn is_excluded_by(&self, no_proxy: &str) -> bool {
        no_proxy.split(',').any(|entry| self.matches(entry.trim()))
    }

    /// Matches `*`, a domain with its subdomains or an address, with a port or without, or a CIDR
    /// block. Source: Go's golang.org/x/net/http/httpproxy, which Prometheus uses; but `.a.b`
    /// covers `a.b` too, as curl has it.
    fn matches(&self, entry: &str) -> bool {
        let entry = entry.to_ascii_lowercase();
        if let Some((network, bits)) = entry.split_once('/') {
            return self.address().is_some_and(|address| is_in_block(address, network, bits));
        }
        let (host, port) = match entry.parse::<Ipv6Addr>() {
            Ok(_) => (entry.as_str(), None),
            Err(_) => split_port(&entry),
        };
        if port.is_some_and(|port| port != self.port.to_string()) || host.is_empty() {
            return false;
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let domain = host.trim_start_matches('.');
        host == "*"
            || (self.address().is_some() && self.address() == address(host))
            || self.host == domain
            || self.host.strip_suffix(domain).is_some_and(|subdomain| subdomain.ends_with('.'))
    }
}

fn address(host: &str) -> Option<IpAddr> {
    host.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// Returns whether the user and password of a proxy are written as a URL has them.
/// Source: RFC 3986, section 3.2.1; a password may have an `@` in it, which the last one ends.
pub(super) fn is_user_info(text: &str) -> bool {
    text.chars().all(|c| is_url_char(c) && !"/?#[]".contains(c))
}

/// Source: RFC 3986, section 2; `[` and `]` stand in IPv6 hosts.
fn is_url_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c)
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn check_host(host: &str) -> Result<String, BadInput> {
    let host = host.to_ascii_lowercase();
    if host.is_empty() {
        return Err(unusable("has no host", "write http://HOST:PORT/PATH"));
    }
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
        && address.parse::<Ipv6Addr>().is_ok()
    {
        return Ok(address.into());
    }
    if !host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) {
        return Err(unusable("has an invalid host", "write http://HOST:PORT/PATH"));
    }
    Ok(host)
}

fn is_in_block(ip: IpAddr, network: &str, bits: &str) -> bool {
    let Ok(bits) = bits.parse::<u32>() else { return false };
    match (ip, network.parse()) {
        (IpAddr::V4(ip), Ok(IpAddr::V4(network))) if bits <= 32 => {
            let differing = Ipv4Addr::to_bits(ip) ^ network.to_bits();
            differing.leading_zeros() >= bits
        }
        (IpAddr::V6(ip), Ok(IpAddr::V6(network))) if bits <= 128 => {
            (ip.to_bits() ^ network.to_bits()).leading_zeros() >= bits
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
        check("", "has no scheme");
        check(&format!("http://h/{}", "x".repeat(64_000)), "is longer than 64,000 bytes");
        check("localhost:9090/api", "has no scheme");
        check("ftp://host/", "has another scheme than http and https");
        check("http://host/a b", "has a space in it");
        check("http://host/a\n", "has the character '\\n' in it");
        check("http://hôst/", "has the character 'ô' in it");
        check("http://user:pass@host/", "holds credentials, which would be logged");
        check("http://localhost@evil.example/", "holds credentials, which would be logged");
        check("http://host/#x", "has a fragment, which is never sent");
        check("http:///path", "has no host");
        check("http://:80/", "has no host");
        check("http://host:/", "has an invalid port");
        check("http://host:0/", "has an invalid port");
        check("http://host:65536/", "has an invalid port");
        check("http://[::1/", "has an invalid host");
        check("http://a:b:1/", "has an invalid host");
    }

    #[test]
    fn scheme_and_host_are_in_lower_case_and_the_rest_is_as_given() {
        for (given, text) in [
            ("HTTP://LOCALHOST:9090/API/v1?Db=X", "http://localhost:9090/API/v1?Db=X"),
            ("https://[2001:DB8::1]?A", "https://[2001:db8::1]?A"),
            ("http://A", "http://a"),
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
