//! TLS problems in words for users: rustls' own texts are for programmers.

use std::path::Path;

/// A problem that rustls reports.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TlsProblem {
    /// Whether one end does not accept the other's certificate, so that every attempt will fail.
    pub(super) is_certificate: bool,
    /// The text for the log.
    pub(super) words: String,
}

/// The text for a connection that breaks after its TLS handshake.
pub(super) const BROKEN_TLS: &str = "the answer is not valid TLS";

const NOTHING_IN_COMMON: &str = "it has no version or cipher of TLS in common with this program, \
                                 which speaks 1.2 and 1.3";

/// How rustls' texts begin for messages that cannot be used.
const BROKEN: [&str; 7] = [
    "received corrupt message",
    "received unexpected",
    "peer misbehaved",
    "peer sent",
    "cannot decrypt",
    "unexpected error",
    "handshake not complete",
];

/// Returns our words for a text of rustls; None for any other text.
pub(super) fn tls_problem(text: &str) -> Option<TlsProblem> {
    let text = text.strip_prefix("rustls: ").unwrap_or(text);
    let (is_certificate, words) =
        if let Some(problem) = text.strip_prefix("invalid peer certificate: ") {
            (true, format!("its certificate {}", not_accepted(problem)))
        } else if let Some(alert) = text.strip_prefix("received fatal alert: ") {
            received(alert)
        } else if text.contains("InvalidContentType") {
            (false, "it does not speak TLS; should the URL begin with http://?".into())
        } else if text.starts_with("peer is incompatible") {
            (false, NOTHING_IN_COMMON.into())
        } else if BROKEN.iter().any(|broken| text.starts_with(broken)) {
            (false, BROKEN_TLS.into())
        } else {
            return None;
        };
    Some(TlsProblem { is_certificate, words })
}

/// Returns why the other end's certificate is not accepted here.
fn not_accepted(problem: &str) -> String {
    if problem.contains("UnknownIssuer") {
        return format!("is from an issuer that is not trusted here; {}", roots_hint());
    }
    if problem.contains("CaUsedAsEndEntity") {
        return "is that of an authority (CA:TRUE), which no server can use; make one with: \
                openssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout key.pem -out cert.pem \
                -subj /CN=HOST -addext basicConstraints=critical,CA:FALSE -addext \
                subjectAltName=DNS:HOST (IP:ADDRESS for an address)"
            .into();
    }
    if problem.starts_with("certificate expired") {
        return "expired: check the certificate and this host's clock".into();
    }
    if problem.starts_with("certificate not valid yet") {
        return "is not valid yet: check the certificate and this host's clock".into();
    }
    if let Some((_, names)) = problem.split_once("certificate is only valid for ") {
        let names = names.replace("DnsName(\"", "").replace("IpAddress(", "");
        return format!("is for another name: {}", names.replace("\")", "").replace(')', ""));
    }
    let name = problem.trim_start_matches("Other(OtherError(").trim_end_matches(')');
    format!("is not accepted ({name})")
}

/// Returns whether an alert of the other end is about our certificate, and what it means.
/// Source: RFC 8446, section 6.2.
fn received(alert: &str) -> (bool, String) {
    match alert {
        "CertificateRequired" => {
            (true, "it asks for a client certificate: give --client-cert and --client-key".into())
        }
        "BadCertificate"
        | "NoCertificate"
        | "UnsupportedCertificate"
        | "CertificateUnknown"
        | "UnknownCA"
        | "CertificateExpired"
        | "CertificateRevoked"
        | "AccessDenied" => {
            let words = "it does not accept our client certificate, or requires one";
            (true, format!("{words} ({alert}): check --client-cert and --client-key"))
        }
        "HandshakeFailure" | "ProtocolVersion" | "InsufficientSecurity" => {
            (false, NOTHING_IN_COMMON.into())
        }
        _ => (false, format!("it ended the connection with a TLS alert ({alert})")),
    }
}

/// Returns the hint for an unknown issuer, which the host may trust.
fn roots_hint() -> String {
    const HOST_BUNDLES: [&str; 2] =
        ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];
    match HOST_BUNDLES.iter().find(|path| Path::new(path).is_file()) {
        Some(path) => format!("if this host trusts it, try --ca-file {path}"),
        None => "name its issuer with --ca-file".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let words = match tls_problem(text) {
            None => "none".into(),
            Some(TlsProblem { is_certificate: true, words }) => format!("certificate: {words}"),
            Some(TlsProblem { words, .. }) => words,
        };
        let shown = words.get(..expected.len()).unwrap_or(&words);
        assert_eq!(shown, expected, "{text}: {words}");
    }

    #[test]
    fn problems_with_certificates_are_told_from_others() {
        let check_invalid = |problem: &str, expected: &str| {
            let text = format!("invalid peer certificate: {problem}");
            check(&text, &format!("certificate: its certificate {expected}"));
        };
        check_invalid("UnknownIssuer", "is from an issuer that is not trusted here; ");
        check_invalid("Other(OtherError(CaUsedAsEndEntity))", "is that of an authority (CA:TRUE)");
        check_invalid("Other(OtherError(PathTooLong))", "is not accepted (PathTooLong)");
        check_invalid("Revoked", "is not accepted (Revoked)");
        check_invalid("certificate expired: verification time 1 (UNIX)", "expired: ");
        check_invalid("certificate not valid yet: verification time 1", "is not valid yet: ");
        let names = "certificate not valid for name \"a\"; certificate is only valid for \
                     DnsName(\"b.example\") or IpAddress(10.0.0.1)";
        check_invalid(names, "is for another name: b.example or 10.0.0.1");
        check("received fatal alert: CertificateRequired", "certificate: it asks for a client");
        check("received fatal alert: HandshakeFailure", "it has no version or cipher");
        check("received fatal alert: Unknown(7)", "it ended the connection");
        check("received corrupt message of type InvalidContentType", "it does not speak TLS");
        check("received corrupt message of type MessageTooLarge", "the answer is not valid TLS");
        check("Connection refused (os error 111)", "none");
    }
}
