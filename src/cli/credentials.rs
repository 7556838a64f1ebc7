//! As whom datapoints are sent. Each secret goes to its own target, and none is ever shown.

use super::settings::{Setting, Settings};
use crate::error::{BadInput, Error};
use crate::remote_write::{Auth, Secret};

/// Returns the token that every Cisco environment needs.
///
/// # Errors
/// There is none, or it cannot be used.
pub(super) fn preset_auth(env: &Setting, settings: &Settings<'_>) -> Result<Auth, Error> {
    if let Some((_, token)) = secret("CDO_TOKEN", settings, check_token)? {
        return Ok(Auth::Bearer(token));
    }
    let problem = format!("is not set, and {} '{}' needs it", env.place, env.value);
    let way_out = "set it in the environment or .env, or name its file in CDO_TOKEN_FILE";
    Err(BadInput::new("CDO_TOKEN", None, &problem, way_out).into())
}

/// Returns the credentials for a URL, which may have a token, or a user name with a password.
///
/// # Errors
/// There are both kinds, only half of one, or one that cannot be used.
pub(super) fn url_auth(settings: &Settings<'_>) -> Result<Auth, Error> {
    let token = secret("REMOTE_WRITE_TOKEN", settings, check_token)?;
    let username = settings.get("REMOTE_WRITE_USERNAME")?;
    let password = secret("REMOTE_WRITE_PASSWORD", settings, check_text)?;
    match (token, username, password) {
        (None, None, None) => Ok(Auth::None),
        (Some((_, token)), None, None) => Ok(Auth::Bearer(token)),
        (None, Some(username), Some((_, password))) => {
            check_text(&username.value)
                .and(if username.value.contains(':') { Err("has a ':' in it") } else { Ok(()) })
                .map_err(|problem| {
                    BadInput::new(&username.place, None, problem, "set another one")
                })?;
            Ok(Auth::Basic { username: username.value, password })
        }
        (Some((place, _)), Some(Setting { place: other, .. }), _)
        | (Some((place, _)), None, Some((other, _))) => {
            let problem = format!("is set together with {other}");
            Err(BadInput::new(&place, None, &problem, "keep the token or the password, not both")
                .into())
        }
        (None, Some(Setting { place, .. }), None) => {
            let problem = "is set without REMOTE_WRITE_PASSWORD";
            Err(BadInput::new(&place, None, problem, "set both or none").into())
        }
        (None, None, Some((place, _))) => {
            let problem = "is set without REMOTE_WRITE_USERNAME";
            Err(BadInput::new(&place, None, problem, "set both or none").into())
        }
    }
}

/// Says what is wrong with a secret, without showing it.
type SecretCheck = fn(&str) -> Result<(), &'static str>;

/// Returns the secret in `NAME` or in the file that `NAME_FILE` names, and the place of it.
fn secret(
    name: &str,
    settings: &Settings<'_>,
    check: SecretCheck,
) -> Result<Option<(String, Secret)>, Error> {
    let way_out = "set it again";
    match (settings.get(name)?, settings.get_filled(&format!("{name}_FILE"))?) {
        (None, None) => Ok(None),
        (Some(value), Some(file)) => {
            let problem = format!("is set together with {}", file.place);
            Err(BadInput::new(&value.place, None, &problem, "keep one of them").into())
        }
        (Some(Setting { place, value }), None) => {
            check(&value).map_err(|problem| BadInput::new(&place, None, problem, way_out))?;
            Ok(Some((place, Secret::Inline(value))))
        }
        (None, Some(Setting { place, value: path })) => {
            let secret = Secret::File((&path).into());
            check(&secret.read()?).map_err(|problem| {
                BadInput::new(
                    &place,
                    Some(&path),
                    &format!("names a file that {problem}"),
                    "write it again",
                )
            })?;
            Ok(Some((place, secret)))
        }
    }
}

/// Source: RFC 6750, section 2.1, but for any visible ASCII.
fn check_token(token: &str) -> Result<(), &'static str> {
    check_text(token)?;
    if token.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(())
    } else {
        Err("has a character in it that no token has")
    }
}

fn check_text(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("is empty"),
        text if text.contains(['\n', '\r']) => Err("has a line end in it"),
        text if text.contains(char::is_control) => Err("has a control character in it"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Setup, check_error, start};
    use super::*;

    const URL: &str = "--url=https://receiver.example/write";

    #[test]
    fn each_token_goes_to_its_own_target() {
        let auth = |setup: Setup| {
            let tokens = setup.variable("CDO_TOKEN", "cdo").variable("REMOTE_WRITE_TOKEN", "other");
            tokens.live().target.auth
        };
        let bearer = |token: &str| Auth::Bearer(Secret::Inline(token.into()));
        assert_eq!(auth(start().flags(&["--env=us"])), bearer("cdo"));
        assert_eq!(auth(start().flags(&[URL])), bearer("other"));
        assert_eq!(start().flags(&[URL]).variable("CDO_TOKEN", "c").live().target.auth, Auth::None);
        check_error(
            &start().flags(&["--env=us"]).variable("REMOTE_WRITE_TOKEN", "t"),
            "CDO_TOKEN: is not set, and --env 'us' needs it; \
             set it in the environment or .env, or name its file in CDO_TOKEN_FILE",
        );
    }

    #[test]
    fn basic_authentication_needs_both_halves() {
        let url = |name| start().flags(&[URL]).variable(name, "s3cret");
        let (username, password) = ("REMOTE_WRITE_USERNAME", "REMOTE_WRITE_PASSWORD");
        let both = url(username).variable(password, "p w");
        let password_secret = Secret::Inline("p w".into());
        let expected = Auth::Basic { username: "s3cret".into(), password: password_secret };
        assert_eq!(both.live().target.auth, expected);
        check_error(
            &url(username),
            "REMOTE_WRITE_USERNAME: is set without REMOTE_WRITE_PASSWORD; set both or none",
        );
        check_error(
            &url(password),
            "REMOTE_WRITE_PASSWORD: is set without REMOTE_WRITE_USERNAME; set both or none",
        );
        let both_kinds = |other| {
            format!(
                "REMOTE_WRITE_TOKEN: is set together with {other}; \
                 keep the token or the password, not both"
            )
        };
        check_error(&both.variable("REMOTE_WRITE_TOKEN", "t"), &both_kinds(username));
        check_error(&url(password).variable("REMOTE_WRITE_TOKEN", "t"), &both_kinds(password));
    }

    #[test]
    fn secrets_may_stand_in_files() {
        let setup = start().file("token", "s3cret\n").file("two", "a\nb").file("none", "\n");
        let path = setup.path("");
        let with = |file: &str| format!("{path}{file}");
        let setup = setup.flags(&[URL]).variable("REMOTE_WRITE_TOKEN_FILE", &with("token"));
        let expected = Auth::Bearer(Secret::File(with("token").into()));
        assert_eq!(setup.live().target.auth, expected);
        let setup = setup.variable("REMOTE_WRITE_TOKEN_FILE", &with("two"));
        let problem = "names a file that has a line end in it; write it again";
        check_error(&setup, &format!("REMOTE_WRITE_TOKEN_FILE '{path}two': {problem}"));
        let setup = setup.variable("REMOTE_WRITE_TOKEN_FILE", &with("none"));
        let problem = "names a file that is empty; write it again";
        check_error(&setup, &format!("REMOTE_WRITE_TOKEN_FILE '{path}none': {problem}"));
        let setup = setup.variable("REMOTE_WRITE_TOKEN", "t");
        check_error(
            &setup,
            "REMOTE_WRITE_TOKEN: is set together with REMOTE_WRITE_TOKEN_FILE; keep one of them",
        );
    }

    #[test]
    fn unusable_secrets_are_named_and_not_shown() {
        let url = |token| start().flags(&[URL]).variable("REMOTE_WRITE_TOKEN", token);
        check_error(&url(""), "REMOTE_WRITE_TOKEN: is empty; set it again");
        check_error(&url("s3c\nret"), "REMOTE_WRITE_TOKEN: has a line end in it; set it again");
        check_error(
            &url("s3c\tret"),
            "REMOTE_WRITE_TOKEN: has a control character in it; set it again",
        );
        check_error(
            &url("s3c ret"),
            "REMOTE_WRITE_TOKEN: has a character in it that no token has; set it again",
        );
        let debug = format!("{:?}", url("s3cret").flags(&["--header=X-Key: s3cret"]).live());
        assert!(!debug.contains("s3cret"), "{debug}");
    }
}
