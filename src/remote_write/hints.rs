//! The words of errors: what a status asks for, and what is about certificates.

use std::fs;

use super::Version;

/// How Prometheus puts it that the series has another value at this time already.
const CONFLICT: &str = "duplicate sample for timestamp";

/// Returns a hint for a request that was refused, for the log; `untried` is a version of remote
/// write that the receiver was not asked to take.
pub fn describe_rejection(
    status: u16,
    reason: &str,
    untried: Option<Version>,
) -> Option<&'static str> {
    Some(match (status, untried) {
        (413, _) => "the receiver takes no request of this size: give a smaller --batch-size",
        (415, Some(Version::V1)) => {
            "the receiver does not take remote write 2.0: give --protocol 1, or auto"
        }
        (415, Some(Version::V2)) => {
            "the receiver does not take remote write 1.0: give --protocol 2"
        }
        (415, None) => "the receiver takes neither version of remote write: check the path",
        _ if is_conflict(reason) => "another run has put another value there",
        _ => return describe_status(status),
    })
}

/// Tells, for the words of hints only, whether the series has another value at this time already.
pub fn is_conflict(reason: &str) -> bool {
    reason.contains(CONFLICT)
}

/// Returns a hint for statuses that are about access or address, for the log.
pub fn describe_status(status: u16) -> Option<&'static str> {
    Some(match status {
        300..=399 => {
            "redirects are not followed: check the path (no slash at its end) and the scheme"
        }
        401 => "check the token or password, and the tenant header (--header 'X-Scope-OrgID: ...')",
        403 => "the credentials are known but may not write here: check tenant and permissions",
        404 => {
            "check the path (Prometheus /api/v1/write, Mimir /api/v1/push, Thanos \
             /api/v1/receive), and that Prometheus runs with --web.enable-remote-write-receiver"
        }
        405 => "this address does not take a POST: check the path",
        407 => "the proxy wants credentials: put them into HTTPS_PROXY or HTTP_PROXY",
        _ => return None,
    })
}

/// Tells a certificate that one end refuses by the words rustls has for it.
pub(super) fn is_certificate_problem(text: &str) -> bool {
    const ALERTS: [&str; 7] = [
        "AccessDenied",
        "BadCertificate",
        "CertificateExpired",
        "CertificateRequired",
        "CertificateUnknown",
        "UnknownCA",
        "UnsupportedCertificate",
    ];
    text.contains("invalid peer certificate")
        || text
            .split_once("received fatal alert: ")
            .is_some_and(|(_, alert)| ALERTS.iter().any(|name| alert.starts_with(name)))
}

/// Where distributions keep the host's own roots.
const HOST_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Returns what to try when the issuer is unknown: the host may know it.
pub(super) fn other_roots(text: &str) -> String {
    let bundle = HOST_BUNDLES.iter().find(|path| fs::metadata(path).is_ok_and(|m| m.is_file()));
    match bundle {
        Some(path) if text.contains("UnknownIssuer") => {
            format!("; if this host trusts it, try --ca-file {path}")
        }
        None if text.contains("UnknownIssuer") => "; name its issuer with --ca-file".into(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_problems_are_told_from_other_tls_trouble() {
        assert!(is_certificate_problem("invalid peer certificate: UnknownIssuer"));
        assert!(is_certificate_problem("received fatal alert: CertificateRequired"));
        assert!(!is_certificate_problem("received fatal alert: HandshakeFailure"));
        assert!(!is_certificate_problem("received corrupt message of type InvalidContentType"));
    }
}
