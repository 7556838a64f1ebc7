//! Variables, from the environment first and `.env` second. Contents are never part of an error.

mod dotenv;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::cli::args::Args;
use crate::error::{BadInput, Error, Escaped, unusable};
use crate::http::{Secret, Secrets, read_small};
use dotenv::Variable;

/// The variables and the directory of the process. Not `Debug`: it holds secrets.
#[derive(Default)]
pub struct Environment {
    variables: HashMap<OsString, OsString>,
    directory: PathBuf,
}

impl Environment {
    /// Returns this process's variables and current directory.
    pub fn of_process() -> Environment {
        Environment { variables: std::env::vars_os().collect(), directory: PathBuf::new() }
    }

    /// Returns an environment for tests, with `.env` looked for in `directory`.
    pub fn new(variables: HashMap<OsString, OsString>, directory: PathBuf) -> Environment {
        Environment { variables, directory }
    }
}

/// Where a setting stands. All but `Found` were asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Source {
    /// The command line.
    Flag,
    /// The environment.
    Environment,
    /// The file of `--env-file`.
    EnvFile,
    /// The `.env` of the current directory, which anyone may have put there.
    Found,
}

/// A variable or flag that is set.
pub(in crate::cli) struct Setting {
    /// Its name and place, as in `ENV` or `ENV in .env`.
    pub(in crate::cli) place: String,
    /// Its value, perhaps a secret, perhaps empty.
    pub(in crate::cli) value: String,
    /// Where it stands.
    pub(in crate::cli) source: Source,
}

impl Setting {
    /// Returns the value if an error may show it: not if it seems to contain other variables.
    pub(in crate::cli) fn shown(&self) -> Option<&str> {
        let is_shown = self.source == Source::Flag || !self.value.contains([' ', '\t']);
        is_shown.then_some(&self.value)
    }

    /// Returns the error of the setting, with its value where it may be shown.
    pub(in crate::cli) fn bad(&self, problem: &str, hint: &str) -> BadInput {
        unusable(problem, hint).at(&self.place, self.shown())
    }
}

/// The variables that a `.env` that was found can set. Not a proxy or certificates: they could
/// send secrets of the environment to anyone.
const FOUND: &[&str] = &[
    "ENV",
    "CDO_TOKEN",
    "CDO_TOKEN_FILE",
    "REMOTE_WRITE_URL",
    "REMOTE_WRITE_TOKEN",
    "REMOTE_WRITE_TOKEN_FILE",
    "REMOTE_WRITE_USERNAME",
    "REMOTE_WRITE_PASSWORD",
    "REMOTE_WRITE_PASSWORD_FILE",
    "ALERT_URL_TOKEN",
    "ALERT_URL_TOKEN_FILE",
    "ALERT_URL_USERNAME",
    "ALERT_URL_PASSWORD",
    "ALERT_URL_PASSWORD_FILE",
];

/// Flags, and the variables of the environment and of one file.
pub(in crate::cli) struct Settings<'a> {
    /// The flags.
    pub(in crate::cli) args: &'a Args,
    environment: &'a Environment,
    file: Vec<Variable>,
    file_name: &'a str,
    file_source: Source,
    /// Says that there is a `.env` that cannot be read, and why.
    pub(in crate::cli) unreadable: Option<String>,
}

impl<'a> Settings<'a> {
    /// Reads `--env-file`, or the `.env` that may be there.
    ///
    /// # Errors
    /// The file of `--env-file` cannot be read, or a line of it.
    pub(in crate::cli) fn load(
        args: &'a Args,
        environment: &'a Environment,
        warnings: &mut Vec<String>,
    ) -> Result<Settings<'a>, Error> {
        let (file_name, file_source, ours) = match args.given("env-file") {
            Some(name) => (name, Source::EnvFile, None),
            None => (".env", Source::Found, Some(FOUND)),
        };
        let is_strict = file_source == Source::EnvFile;
        let path = environment.directory.join(file_name);
        let (bytes, unreadable) =
            match if is_strict { read_small(&path) } else { read_found(&path) } {
                Ok(bytes) => (bytes, None),
                Err(source) if is_strict => {
                    let hint = "check its name and permissions";
                    return Err(Error::file("read variables from", &path, source, hint));
                }
                Err(error) => (Vec::new(), Some(format!("{file_name} cannot be read ({error})"))),
            };
        let file = dotenv::parse(file_name, &String::from_utf8_lossy(&bytes), ours);
        let bad_line = file.iter().find_map(|(_, value)| value.clone().err());
        if let Some(error) = bad_line.filter(|_| is_strict) {
            return Err(error.into());
        }
        let is_secret = |key: &str| key.ends_with("_TOKEN") || key.ends_with("_PASSWORD");
        if file.iter().any(|(key, _)| is_secret(key))
            && let Ok(metadata) = path.metadata()
            && metadata.mode() & 0o077 != 0
        {
            let (name, mode) = (Escaped(file_name), metadata.mode() & 0o777);
            warnings.push(format!(
                "{name} holds a secret and others may read it (mode {mode:o}); run chmod 600 {name}"
            ));
        }
        Ok(Settings { args, environment, file, file_name, file_source, unreadable })
    }

    /// Returns a flag, if it is given.
    pub(in crate::cli) fn flag(&self, name: &str) -> Option<Setting> {
        let value = self.args.given(name)?.to_owned();
        Some(Setting { place: format!("--{name}"), value, source: Source::Flag })
    }

    /// Returns a variable of the environment or else of the file.
    pub(in crate::cli) fn get(&self, name: &str) -> Result<Option<Setting>, BadInput> {
        match self.in_environment(name)? {
            None => self.in_file(name),
            set => Ok(set),
        }
    }

    /// Returns a variable where an empty one means none.
    pub(in crate::cli) fn get_filled(&self, name: &str) -> Result<Option<Setting>, BadInput> {
        Ok(self.get(name)?.filter(|setting| !setting.value.is_empty()))
    }

    /// Returns a variable of the environment.
    pub(in crate::cli) fn in_environment(&self, name: &str) -> Result<Option<Setting>, BadInput> {
        let Some(value) = self.environment.variables.get(&OsString::from(name)) else {
            return Ok(None);
        };
        let source = Source::Environment;
        match value.to_str() {
            Some(value) => Ok(Some(Setting { place: name.into(), value: value.into(), source })),
            None => Err(unusable("is not UTF-8", "set it again").at(name, None)),
        }
    }

    /// Returns a variable of the file; of several the last.
    pub(in crate::cli) fn in_file(&self, name: &str) -> Result<Option<Setting>, BadInput> {
        let Some((_, value)) = self.file.iter().rev().find(|(key, _)| key == name) else {
            return Ok(None);
        };
        let place = format!("{name} in {}", self.file_name);
        Ok(Some(Setting { place, value: value.clone()?, source: self.file_source }))
    }

    /// Returns the secret in the file that a variable names. A file that was found may name only
    /// what lies in or under the current directory.
    ///
    /// # Errors
    /// It cannot be read, or lies elsewhere.
    pub(in crate::cli) fn secret_in_file(&self, setting: &Setting) -> Result<Secret, Error> {
        let path = Path::new(&setting.value);
        let folder = match self.environment.directory.as_os_str().is_empty() {
            true => Path::new("."),
            false => &self.environment.directory,
        };
        let secret = match setting.source {
            Source::Found => Secret::in_file_under(path, folder),
            _ => Secret::in_file(path),
        };
        secret.map_err(|error| match error {
            Error::Io { source, hint, .. } => {
                let problem = format!("names a file that cannot be read: {source}");
                let hint = match setting.source {
                    Source::Found => format!("read {0} with --env-file {0}", self.file_name),
                    _ => hint.to_owned(),
                };
                setting.bad(&problem, &hint).into()
            }
            error => error,
        })
    }

    /// Returns an error whose value shows none of the secrets that are set.
    pub(in crate::cli) fn without_secrets(&self, error: Error) -> Error {
        let Error::BadInput(input) = error else { return error };
        let mut secrets = Secrets::default();
        for name in ["CDO_TOKEN", "REMOTE_WRITE_TOKEN", "REMOTE_WRITE_PASSWORD"] {
            let both = [self.in_environment(name), self.in_file(name)];
            let values = both.into_iter().flatten().flatten();
            values.for_each(|setting| secrets.add(&setting.value));
        }
        let value = input.value.map(|value| secrets.hide(&value));
        Error::BadInput(BadInput { value, ..input })
    }
}

/// Returns whether a file can be opened for reading.
pub(in crate::cli) fn is_readable(path: &Path) -> bool {
    path.is_file() && File::open(path).is_ok()
}

/// Reads the `.env` that may be there; a folder of this name is a Python environment.
fn read_found(path: &Path) -> io::Result<Vec<u8>> {
    let not_found = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
    if path.is_dir() || path.symlink_metadata().is_err_and(not_found) {
        return Ok(Vec::new());
    }
    // Opening a pipe would wait for its writer.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    read_small(path)
}
