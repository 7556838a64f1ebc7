//! (Tests) Whom to trust: every combination of places for target, secret, proxy and certificates.
//!
//! Flags, the environment and `--env-file` were asked for; a `.env` in the folder was only found,
//! and anyone may have put it there.

use super::env::Source;
use super::testing::{Setup, start};
use crate::http::{Auth, Secret};

const SOURCES: [Source; 4] = [Source::Flag, Source::Environment, Source::EnvFile, Source::Found];

/// A command line, variables and files, to be filled in.
#[derive(Default)]
struct Places {
    flags: Vec<String>,
    variables: Vec<(&'static str, String)>,
    env_file: String,
    found: String,
}

impl Places {
    /// Puts a value into a place: into a flag, or into a variable somewhere.
    fn put(mut self, source: Source, flag: &str, variable: &'static str, value: &str) -> Places {
        let line = format!("{variable}={value}\n");
        match source {
            Source::Flag => self.flags.push(format!("{flag}{value}")),
            Source::Environment => self.variables.push((variable, value.into())),
            Source::EnvFile => self.env_file += &line,
            Source::Found => self.found += &line,
        }
        self
    }

    fn setup(&self) -> Setup {
        let mut setup = start().file(".env", &self.found);
        for (name, value) in &self.variables {
            setup = setup.variable(name, value);
        }
        if !self.env_file.is_empty() {
            setup = setup.file("vars", &self.env_file).flags(&["--env-file=vars"]);
        }
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        setup.flags(&flags)
    }
}

/// Tells in a word what becomes of the secret.
fn fate(setup: &Setup) -> &'static str {
    match setup.parse("") {
        Ok(_) => match setup.live().target {
            target if target.auth != Auth::None || !target.headers.is_empty() => "sent",
            _ => "none",
        },
        Err(error) => {
            let error = error.to_string();
            let says = |text| error.contains(text);
            match () {
                () if says("would go to the address of REMOTE_WRITE_URL in .env") => "refused",
                () if says("target: is not named") => "no target",
                () if says("CDO_TOKEN: is not set") => "no token",
                () => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_found_url_gets_found_secrets_only() {
    // The secret's places, from left to right: flag, environment, --env-file, ./.env. With
    // --env-file, ./.env is not read.
    for (target, fates) in [
        (Source::Flag, ["sent", "sent", "sent", "sent"]),
        (Source::Environment, ["sent", "sent", "sent", "sent"]),
        (Source::EnvFile, ["sent", "sent", "sent", "none"]),
        (Source::Found, ["refused", "refused", "no target", "sent"]),
    ] {
        for variable in ["REMOTE_WRITE_TOKEN", "REMOTE_WRITE_PASSWORD"] {
            let seen = SOURCES.map(|secret| {
                let url = "https://receiver.example/";
                let places = Places::default().put(target, "--url=", "REMOTE_WRITE_URL", url);
                let places = places.put(secret, "--header=X-Api-Key:", variable, "s3cret");
                let places = match (secret, variable) {
                    (Source::Flag, _) | (_, "REMOTE_WRITE_TOKEN") => places,
                    _ => places.put(secret, "", "REMOTE_WRITE_USERNAME", "user"),
                };
                fate(&places.setup())
            });
            assert_eq!(seen, fates, "{variable}");
        }
    }
}

#[test]
fn the_hosts_of_environments_are_fixed_so_that_any_token_may_go_there() {
    for (target, fates) in [
        (Source::Flag, ["sent", "sent", "sent"]),
        (Source::Environment, ["sent", "sent", "sent"]),
        (Source::EnvFile, ["sent", "sent", "no token"]),
        (Source::Found, ["sent", "no target", "sent"]),
    ] {
        let seen = [Source::Environment, Source::EnvFile, Source::Found].map(|secret| {
            let places = Places::default().put(target, "--env=", "ENV", "us");
            fate(&places.put(secret, "", "CDO_TOKEN", "s3cret").setup())
        });
        assert_eq!(seen, fates);
    }
}

#[test]
fn a_found_file_names_neither_proxy_nor_certificates() {
    for target in SOURCES {
        for secret in SOURCES {
            for proxy in [Source::Environment, Source::EnvFile, Source::Found] {
                for certificates in SOURCES {
                    check([target, secret, proxy, certificates]);
                }
            }
        }
    }
}

fn check([target, secret, proxy, certificates]: [Source; 4]) {
    let places = Places::default()
        .put(target, "--url=", "REMOTE_WRITE_URL", "https://receiver.example/")
        .put(secret, "--header=X-Api-Key:", "REMOTE_WRITE_TOKEN", "s3cret");
    let variable = ["HTTPS_PROXY", "https_proxy"][usize::from(certificates == Source::Found)];
    let places = places.put(proxy, "", variable, "http://proxy:1");
    // Any file that is there.
    let ca_file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let setup = places.put(certificates, "--ca-file=", "SSL_CERT_FILE", ca_file).setup();
    let uses_env_file = [target, secret, proxy, certificates].contains(&Source::EnvFile);
    if target == Source::Found && (secret != Source::Found || uses_env_file) {
        assert_ne!(fate(&setup), "sent");
        return;
    }
    let target = setup.live().target;
    let expected = (proxy != Source::Found).then(|| Secret::Inline("http://proxy:1".into()));
    assert_eq!(target.proxy.map(|proxy| proxy.url), expected);
    assert_eq!(target.tls.ca_file.is_some(), certificates != Source::Found);
}
