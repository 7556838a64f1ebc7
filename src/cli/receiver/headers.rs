//! Additional request headers, from `--header`. Their values may be secrets and are never shown.

use crate::cli::args::Args;
use crate::error::{Error, unusable};
use crate::http::{Secret, check_header_value};

/// Headers that a `--header` must not replace.
/// Source: Prometheus's `reservedHeaders` (docs/protocol.md 4.9), and what the connection needs.
const RESERVED_HEADERS: &str = "accept-encoding authorization connection content-encoding \
    content-length content-type expect host keep-alive proxy-authenticate proxy-authorization \
    retry-attempt te transfer-encoding upgrade user-agent www-authenticate x-amz-content-sha256 \
    x-amz-date x-amz-security-token x-prometheus-remote-read-version \
    x-prometheus-remote-write-version";

/// Returns the checked `--header` flags.
///
/// # Errors
/// One is malformed, reserved or given twice, or its file cannot be read.
pub(super) fn headers(args: &Args) -> Result<Vec<(String, Secret)>, Error> {
    let mut headers: Vec<(String, Secret)> = Vec::new();
    for typed in args.all("header") {
        // Without a colon any of it may be a secret.
        let (name, value) = typed.split_once(':').ok_or_else(|| {
            unusable("has no ':'", "write 'NAME: VALUE' or 'NAME: @FILE'").at("--header", None)
        })?;
        let (name, value) = (name.trim(), value.trim());
        let bad_header = |problem, hint| unusable(problem, hint).at("--header", Some(name));
        if name.is_empty() || !name.chars().all(is_token_char) {
            return Err(bad_header("is not a header's name", "write 'NAME: VALUE'").into());
        }
        let lower = name.to_ascii_lowercase();
        if lower == "authorization" {
            let hint = "set REMOTE_WRITE_TOKEN, or REMOTE_WRITE_USERNAME and _PASSWORD";
            return Err(bad_header("is reserved", hint).into());
        }
        if RESERVED_HEADERS.split(' ').any(|name| name == lower) {
            return Err(bad_header("is reserved", "leave it out").into());
        }
        if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(bad_header("is given twice", "leave one of them out").into());
        }
        let secret = match value.strip_prefix('@') {
            Some(path) => Secret::in_file(path.as_ref())?,
            None => Secret::Inline(value.into()),
        };
        check_header_value(&secret.read()?)
            .map_err(|problem| bad_header(problem, "give plain ASCII text"))?;
        headers.push((name.into(), secret));
    }
    Ok(headers)
}

/// Source: RFC 9110, section 5.6.2.
fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{check_error, start};

    #[test]
    fn headers_are_checked() {
        let setup = start().flags(&["--header", "X-Scope-OrgID:  a|b ", "--header=X-B: c:d"]);
        let inline = |value: &str| Secret::Inline(value.into());
        let expected = [("X-Scope-OrgID".into(), inline("a|b")), ("X-B".into(), inline("c:d"))];
        assert_eq!(setup.live().target.headers, expected);
        for name in RESERVED_HEADERS.split(' ').filter(|name| *name != "authorization") {
            let typed = format!("--header={}: x", name.to_ascii_uppercase());
            let expected =
                format!("--header '{}': is reserved; leave it out", name.to_ascii_uppercase());
            check_error(&start().flags(&[&typed]), &expected);
        }
        let with = |typed| start().flags(&["--header", typed]);
        check_error(
            &with("Authorization: Bearer s3cret"),
            "--header 'Authorization': is reserved; \
             set REMOTE_WRITE_TOKEN, or REMOTE_WRITE_USERNAME and _PASSWORD",
        );
        check_error(&with("s3cret"), "--header: has no ':'; write 'NAME: VALUE' or 'NAME: @FILE'");
        check_error(
            &with("X Y: s3cret"),
            "--header 'X Y': is not a header's name; write 'NAME: VALUE'",
        );
        check_error(
            &with("X-A: s3c\nret"),
            "--header 'X-A': has a control character in its value; give plain ASCII text",
        );
        check_error(&with("X-A:"), "--header 'X-A': has no value; give plain ASCII text");
        check_error(
            &with("X-A: é"),
            "--header 'X-A': has a value that is not ASCII; give plain ASCII text",
        );
        check_error(
            &with("X-A: 1").flags(&["--header=x-a: 2"]),
            "--header 'x-a': is given twice; leave one of them out",
        );
        check_error(
            &with("X-A: @/nowhere/x"),
            "cannot read the secret in '/nowhere/x': No such file or directory (os error 2); \
             check its name and permissions",
        );
    }
}
