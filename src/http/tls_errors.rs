//! What goes wrong with TLS, in words: the library's own are for who writes programs with it.

use std::fs;

/// What the library reports.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TlsProblem {
    /// A certificate that one end does not accept, which is so at every attempt.
    Certificate(String),
    /// Anything else.
    Other(String),
}

/// Returns the words for a text of rustls; None where it is none of its texts.
pub(super) fn tls_problem(text: &str) -> Option<TlsProblem> {
    const BROKEN: [&str; 7] = [
        "received corrupt message",
        "received unexpected",
        "peer misbehaved",
        "peer sent",
        "cannot decrypt",
        "unexpected error",
        "handshake not complete",
    ];
    let text = text.strip_prefix("rustls: ").unwrap_or(text);
    if let Some(problem) = text.strip_prefix("invalid peer certificate: ") {
        return Some(TlsProblem::Certificate(certificate(problem)));
    }
    if let Some(alert) = text.strip_prefix("received fatal alert: ") {
        return Some(received(alert));
    }
    let words = if text.contains("InvalidContentType") {
        "no TLS is spoken there; is it http in place of https?"
    } else if text.starts_with("peer is incompatible") {
        NOTHING_IN_COMMON
    } else if text == "Rustls invalid dns name error" {
        "its certificate cannot be checked, because no certificate can be for this host name"
    } else if BROKEN.iter().any(|broken| text.starts_with(broken)) {
        "what came is not valid TLS"
    } else {
        return None;
    };
    Some(TlsProblem::Other(words.into()))
}

const NOTHING_IN_COMMON: &str = "it has no version or cipher of TLS in common with this program, \
                                 which speaks 1.2 and 1.3";

/// Returns the words for a certificate that is not accepted here.
fn certificate(problem: &str) -> String {
    if problem.contains("UnknownIssuer") {
        return format!("its certificate is from an issuer that is not trusted here{}", roots());
    }
    if problem.contains("CaUsedAsEndEntity") {
        return "its certificate is one for an authority (CA:TRUE), which no server can use; make \
                one with: openssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout key.pem \
                -out cert.pem -subj /CN=HOST -addext basicConstraints=critical,CA:FALSE -addext \
                subjectAltName=DNS:HOST (IP:ADDRESS for an address)"
            .into();
    }
    if problem.starts_with("certificate expired") {
        return format!("its certificate expired {} days ago", days(problem));
    }
    if problem.starts_with("certificate not valid yet") {
        let days = days(problem);
        return format!(
            "its certificate is not valid yet, for {days} days; check this host's clock"
        );
    }
    if let Some((_, names)) = problem.split_once("certificate is only valid for ") {
        let names = names.replace("DnsName(\"", "").replace("IpAddress(", "").replace("\")", "");
        return format!("its certificate is for another name: {}", names.replace(')', ""));
    }
    if problem.starts_with("certificate not valid for name") {
        return "its certificate is for no name (subjectAltName)".into();
    }
    if problem.starts_with("certificate does not allow") {
        return "its certificate is not one for servers (extendedKeyUsage)".into();
    }
    if problem.contains("BadSignature") {
        return "its certificate is signed with another key than that of its issuer".into();
    }
    if problem.contains("UnsupportedCertVersion") {
        return "its certificate is not of X.509 version 3".into();
    }
    let name = problem.trim_start_matches("Other(OtherError(").trim_end_matches(')');
    format!("its certificate is not accepted ({name})")
}

/// Returns whole days, from `(N seconds ago)`.
fn days(problem: &str) -> u64 {
    let seconds = problem.rsplit_once('(').and_then(|(_, rest)| rest.split(' ').next());
    seconds.and_then(|seconds| seconds.parse::<u64>().ok()).unwrap_or(0) / 86_400
}

/// Returns the words for what the other end has ended the connection with.
/// Source: RFC 8446, section 6.2.
fn received(alert: &str) -> TlsProblem {
    let words = match alert {
        "CertificateRequired" => {
            "it asks for a client certificate: give --client-cert and --client-key"
        }
        "BadCertificate" | "NoCertificate" | "UnsupportedCertificate" | "CertificateUnknown" => {
            "it does not accept our client certificate, or asks for one (--client-cert)"
        }
        "CertificateExpired" => "our client certificate has expired",
        "CertificateRevoked" => "our client certificate was revoked",
        "UnknownCA" => "it does not know the issuer of our client certificate",
        "AccessDenied" => "it gives our client certificate no access",
        "HandshakeFailure" | "ProtocolVersion" | "InsufficientSecurity" => {
            return TlsProblem::Other(NOTHING_IN_COMMON.into());
        }
        "UnrecognisedName" => return TlsProblem::Other("it does not know this host name".into()),
        "InternalError" => return TlsProblem::Other("it failed (TLS alert internal_error)".into()),
        _ => return TlsProblem::Other("it ended the connection by a TLS alert".into()),
    };
    TlsProblem::Certificate(words.into())
}

/// Where distributions keep the host's own roots.
const HOST_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Returns what to try when the issuer is unknown: the host may know it.
fn roots() -> String {
    match HOST_BUNDLES.iter().find(|path| fs::metadata(path).is_ok_and(|m| m.is_file())) {
        Some(path) => format!("; if this host trusts it, try --ca-file {path}"),
        None => "; name its issuer with --ca-file".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let words = match tls_problem(text) {
            None => "none".into(),
            Some(TlsProblem::Certificate(words)) => format!("certificate: {words}"),
            Some(TlsProblem::Other(words)) => words,
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
        check_invalid("Other(OtherError(CaUsedAsEndEntity))", "is one for an authority (CA:TRUE)");
        check_invalid("Other(OtherError(PathTooLong))", "is not accepted (PathTooLong)");
        check_invalid("Revoked", "is not accepted (Revoked)");
        let expired = "certificate expired: verification time 1 (UNIX), but certificate is not \
                       valid after 1 (864005 seconds ago)";
        check_invalid(expired, "expired 10 days ago");
        let not_yet = "certificate not valid yet: verification time 1 (UNIX), but certificate is \
                       not valid before 1 (172800 seconds in future)";
        check_invalid(not_yet, "is not valid yet, for 2 days");
        let names = "certificate not valid for name \"a\"; certificate is only valid for \
                     DnsName(\"b.example\") or IpAddress(10.0.0.1)";
        check_invalid(names, "is for another name: b.example or 10.0.0.1");
        check("received fatal alert: CertificateRequired", "certificate: it asks for a client");
        check("received fatal alert: HandshakeFailure", "it has no version or cipher");
        check("received fatal alert: Unknown(7)", "it ended the connection");
        check("received corrupt message of type InvalidContentType", "no TLS is spoken there");
        check("received corrupt message of type MessageTooLarge", "what came is not valid TLS");
        check("Connection refused (os error 111)", "none");
    }
}
