//! The words of errors: what a status asks for, and what is about certificates.

use std::fs;

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
        415 => "the receiver does not take this message: give --protocol 1, or auto",
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
