//! The credentials. Each secret goes to its own target, and none is ever shown.

use crate::cli::env::{Setting, Settings, Source};
use crate::error::{BadInput, Error, unusable};
use crate::http::{Auth, Problem, Secret, check_text, check_token};

/// Returns the token that every Cisco environment needs, and its variable.
///
/// # Errors
/// There is none, or it cannot be used.
pub(super) fn preset_auth(env: &Setting, settings: &Settings<'_>) -> Result<(Auth, String), Error> {
    if let Some((place, token)) = secret("CDO_TOKEN", settings, check_token)? {
        return Ok((Auth::Bearer(token), place));
    }
    let mut problem = format!("is not set, and {} '{}' needs it", env.place, env.value);
    if let Some(unreadable) = &settings.unreadable {
        problem = format!("{problem}; {unreadable}");
    }
    let hint = "set it in the environment or .env, or name its file in CDO_TOKEN_FILE";
    Err(unusable(problem, hint).at("CDO_TOKEN", None).into())
}

/// Returns the credentials for a URL, which may have a token, or a user name with a password, in
/// variables that begin with `prefix`; and their variable.
///
/// # Errors
/// There are both kinds, only half of one, or one that cannot be used or is not for this URL.
pub(super) fn url_auth(
    prefix: &str,
    url: &Setting,
    settings: &Settings<'_>,
) -> Result<(Auth, String), Error> {
    for name in ["TOKEN", "TOKEN_FILE", "USERNAME", "PASSWORD", "PASSWORD_FILE"] {
        if let Some(Setting { place, source, .. }) =
            settings.get_filled(&format!("{prefix}_{name}"))?
        {
            check_trust(url, source, &place)?;
        }
    }
    let token = secret(&format!("{prefix}_TOKEN"), settings, check_token)?;
    let username = settings.get(&format!("{prefix}_USERNAME"))?;
    let password = secret(&format!("{prefix}_PASSWORD"), settings, check_text)?;
    let (place, problem, hint) = match (token, username, password) {
        (None, None, None) => return Ok((Auth::None, String::new())),
        (Some((place, token)), None, None) => return Ok((Auth::Bearer(token), place)),
        (None, Some(Setting { place: name, value: username, .. }), Some((place, password))) => {
            check_text(&username)
                .and(if username.contains(':') { Err("has a ':' in it") } else { Ok(()) })
                .map_err(|problem| unusable(problem, "set another one").at(&name, None))?;
            return Ok((Auth::Basic { username, password }, place));
        }
        (Some((place, _)), username, password) => {
            let other =
                username.map(|username| username.place).or(password.map(|(place, _)| place));
            let problem = format!("is set together with {}", other.unwrap_or_default());
            (place, problem, "keep the token or the password, not both")
        }
        (None, Some(Setting { place, .. }), None) => {
            (place, format!("is set without {prefix}_PASSWORD"), "set both or none")
        }
        (None, None, Some((place, _))) => {
            (place, format!("is set without {prefix}_USERNAME"), "set both or none")
        }
    };
    Err(unusable(problem, hint).at(&place, None).into())
}

/// Refuses to send a secret from the environment to a URL from a `.env` that was only found.
///
/// # Errors
/// The secret would go to that URL.
pub(super) fn check_trust(url: &Setting, source: Source, place: &str) -> Result<(), BadInput> {
    if url.source != Source::Found || source == Source::Found {
        return Ok(());
    }
    let subject = match source {
        Source::Environment => format!("{place} in the environment"),
        _ => place.to_owned(),
    };
    let problem = format!("would go to the address of {}, which was found, not given", url.place);
    let hint = "name the address with --url, or that file with --env-file .env";
    Err(unusable(problem, hint).at(&subject, None))
}

/// Returns the secret in `NAME` or in the file that `NAME_FILE` names, and the place of it.
fn secret(
    name: &str,
    settings: &Settings<'_>,
    check: fn(&str) -> Result<(), Problem>,
) -> Result<Option<(String, Secret)>, Error> {
    match (settings.get(name)?, settings.get_filled(&format!("{name}_FILE"))?) {
        (None, None) => Ok(None),
        (Some(value), Some(file)) => {
            let problem = format!("is set together with {}", file.place);
            Err(unusable(problem, "keep one of them").at(&value.place, None).into())
        }
        (Some(Setting { place, value, .. }), None) => {
            check(&value).map_err(|problem| unusable(problem, "set it again").at(&place, None))?;
            Ok(Some((place, Secret::Inline(value))))
        }
        (None, Some(file)) => {
            let secret = settings.secret_in_file(&file)?;
            check(&secret.read()?).map_err(|problem| {
                file.bad(&format!("names a file that {problem}"), "write it again")
            })?;
            Ok(Some((file.place, secret)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{Setup, check_error, start};

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
        let expected = Auth::Bearer(Secret::File { path: with("token").into(), folder: None });
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
            "REMOTE_WRITE_TOKEN: has a character that a token cannot have; set it again",
        );
        for token in ["Bearer s3cret", "bearer\ts3cret", "Bearer", "BEARER  "] {
            let error = url(token).error();
            assert!(error.starts_with("REMOTE_WRITE_TOKEN: "), "{error}");
            let is_control = token.contains('\t');
            assert!(is_control || error.contains("'Bearer', which is added for you"), "{error}");
        }
        let debug = format!("{:?}", url("s3cret").flags(&["--header=X-Key: s3cret"]).live());
        assert!(!debug.contains("s3cret"), "{debug}");
    }
}
