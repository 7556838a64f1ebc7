//! (Tests) The files of variables, and whom to trust: every combination of places for target,
//! secret, proxy and certificates.
//!
//! Flags, the environment and `--env-file` were asked for; a `.env` in the folder was only found,
//! and anyone may have put it there.

use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::cli::testing::{Setup, start};
use crate::http::Auth;

const URL: &str = "--url=http://localhost/";

fn asked(text: &str) -> Setup {
    Setup::default().file("vars", text).flags(&["--env-file=vars"])
}

#[test]
fn errors_name_the_line_and_not_its_value() {
    let error = asked("A=b\nTOKEN s3cret").flags(&[URL]).error();
    assert_eq!(error, "vars line 2: has no '='; write KEY=VALUE");
    let setup = || Setup::default().file(".env", "X Y\nREMOTE_WRITE_TOKEN='s3cret\nZ=1'");
    let error = ".env line 2: has a quote that is not closed; write KEY=VALUE";
    assert_eq!(setup().flags(&[URL]).error(), error);
    // Nothing is needed of that line.
    setup().flags(&["--env=us"]).variable("CDO_TOKEN", "t").live();
}

#[test]
fn a_file_that_was_asked_for_is_bounded_and_utf_8() {
    let setup = asked(&"#".repeat(64 * 1024 + 1));
    let path = setup.path("vars");
    let expected = format!(
        "cannot read variables from '{path}': it is larger than 64 KiB; \
         check its name and permissions"
    );
    assert_eq!(setup.error(), expected);
    let setup = asked("");
    std::fs::write(setup.path("vars"), b"#\xff\nA=\xff").unwrap();
    assert_eq!(setup.error(), "vars line 2: is not UTF-8; write KEY=VALUE");
}

#[test]
fn a_dotenv_that_cannot_be_read_matters_when_something_is_needed_of_it() {
    let too_large = || Setup::default().file(".env", &"#".repeat(64 * 1024 + 1));
    let dangling = || {
        let setup = Setup::default().file("x", "");
        std::os::unix::fs::symlink("/nowhere/.env", setup.path(".env")).unwrap();
        setup
    };
    let pipe = || {
        let setup = Setup::default().file("x", "");
        let made = std::process::Command::new("mkfifo").arg(setup.path(".env")).status();
        assert!(made.unwrap().success());
        setup
    };
    let cases: [(&dyn Fn() -> Setup, &str); 3] = [
        (&too_large, ".env cannot be read (it is larger than 64 KiB)"),
        (&dangling, ".env cannot be read (No such file or directory (os error 2))"),
        (&pipe, ".env cannot be read (it is not a regular file)"),
    ];
    for (setup, unreadable) in cases {
        let warnings = setup().flags(&[URL]).invocation().warnings;
        assert_eq!(warnings, [format!("{unreadable} and is ignored")]);
        let with_token = setup().flags(&[URL]).variable("REMOTE_WRITE_TOKEN", "t");
        assert_eq!(with_token.invocation().warnings, Vec::<String>::new());
        let error = setup().error();
        assert!(error.starts_with(&format!("target: is not named; {unreadable}; ")), "{error}");
        let error = setup().flags(&["--env=us"]).error();
        assert!(error.starts_with("CDO_TOKEN: is not set, "), "{error}");
        assert!(error.contains(unreadable), "{error}");
    }
}

#[test]
fn a_value_that_swallowed_other_variables_is_not_shown() {
    for text in [
        "ENV=us CDO_TOKEN=s3cret",
        "REMOTE_WRITE_URL=http://h/ REMOTE_WRITE_TOKEN=s3cret",
        "REMOTE_WRITE_URL=http://localhost/\nREMOTE_WRITE_TOKEN_FILE=x CDO_TOKEN=s3cret",
        "ENV=s3cret.\nCDO_TOKEN=s3cret",
        "ENV=u.s\rCDO_TOKEN=s3cret",
    ] {
        for setup in [Setup::default().file(".env", text), asked(text)] {
            let error = setup.error();
            assert!(!error.contains("s3cret") && error.contains(" in "), "{text}: {error}");
        }
    }
}

#[test]
fn a_found_file_names_secrets_in_its_own_folder_only() {
    let elsewhere = Setup::default().file("token", "t0ken\n");
    let setup = |text: &str| Setup::default().file("token", "t0ken\n").file(".env", text);
    let naming = |path: &str| {
        let text = format!("REMOTE_WRITE_URL=http://localhost/\nREMOTE_WRITE_TOKEN_FILE={path}");
        setup(&text)
    };
    let inside = setup("");
    let path = inside.path("token");
    let inside = inside.file(".env", &format!("REMOTE_WRITE_TOKEN_FILE={path}"));
    let inside = inside.flags(&[URL]);
    let Auth::Bearer(secret) = inside.live().target.auth else { panic!() };
    assert_eq!(secret.read().unwrap(), "t0ken");
    let outside = elsewhere.path("token");
    let refused = |setup: Setup, path: &str| {
        let expected = format!(
            "REMOTE_WRITE_TOKEN_FILE in .env '{path}': names a file that cannot be read: it \
             is not in or under the current directory; read .env with --env-file .env"
        );
        assert_eq!(setup.error(), expected);
    };
    refused(naming(&outside), &outside);
    let link = setup("");
    let path = link.path("link");
    std::os::unix::fs::symlink(&outside, &path).unwrap();
    refused(
        link.file(
            ".env",
            &format!("ENV=us\nREMOTE_WRITE_URL=http://localhost/\nREMOTE_WRITE_TOKEN_FILE={path}"),
        ),
        &path,
    );
    let dots = setup("");
    let path = format!("{}/../{}", dots.path(""), outside.rsplit_once("/tmp/").unwrap().1);
    refused(
        dots.file(
            ".env",
            &format!("REMOTE_WRITE_URL=http://localhost/\nREMOTE_WRITE_TOKEN_FILE={path}"),
        ),
        &path,
    );
    naming(&outside).flags(&["--env-file=.env"]).live();
}

#[test]
fn a_secret_that_others_may_read_is_warned_of() {
    let warnings = |text: &str, mode| {
        let setup = Setup::default().file(".env", text);
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(setup.path(".env"), permissions).unwrap();
        setup.flags(&["--url=http://localhost/"]).invocation().warnings
    };
    let warning = "\
        .env holds a secret and others may read it (mode 644); run chmod 600 .env";
    assert_eq!(warnings("CDO_TOKEN=t", 0o644), [warning]);
    assert_eq!(warnings("CDO_TOKEN=t", 0o600), Vec::<String>::new());
    assert_eq!(warnings("ENV=us", 0o644), Vec::<String>::new());
}

#[test]
fn a_directory_named_dotenv_is_somebody_elses() {
    let setup = Setup::default().file("x", "").flags(&["--url=http://localhost/"]);
    std::fs::create_dir(setup.path(".env")).unwrap();
    setup.live();
}

#[test]
fn variables_are_utf_8() {
    let name = OsString::from("ENV");
    let variables = HashMap::from([(name, OsString::from_vec(vec![0xff]))]);
    let environment = Environment::new(variables, PathBuf::from("/nowhere"));
    let args = Args::default();
    let settings = Settings::load(&args, &environment, &mut Vec::new()).unwrap();
    let error = settings.get("ENV").err().unwrap();
    assert_eq!(error.to_string(), "ENV: is not UTF-8; set it again");
}

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
    let expected = (proxy != Source::Found).then(|| Secret::Inline("http://proxy:1/".into()));
    assert_eq!(target.proxy.map(|proxy| proxy.url), expected);
    assert_eq!(target.tls.ca_file.is_some(), certificates != Source::Found);
}
