//! Variables, from the environment first and `.env` second. Contents are never part of an error.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::dotenv;
use crate::error::{BadInput, Error, Escaped};

/// Largest `.env` in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What the process was started with, beside its arguments. Not `Debug`: it holds secrets.
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

/// A variable that is set.
pub(super) struct Setting {
    /// Its name and place, as in `ENV` or `ENV in .env`.
    pub(super) place: String,
    /// Its value, perhaps a secret, perhaps empty.
    pub(super) value: String,
}

/// Variables of the environment and of one file.
pub(super) struct Settings<'a> {
    environment: &'a Environment,
    file: Vec<(String, String)>,
    file_name: String,
}

impl<'a> Settings<'a> {
    /// Reads `--env-file`, which must be there, or `.env`, which may be.
    ///
    /// # Errors
    /// The file cannot be read, or a line of it.
    pub(super) fn load(
        environment: &'a Environment,
        env_file: Option<&str>,
        warnings: &mut Vec<String>,
    ) -> Result<Settings<'a>, Error> {
        let file_name = env_file.unwrap_or(".env").to_string();
        let path = environment.directory.join(&file_name);
        let mut settings = Settings { environment, file: Vec::new(), file_name };
        // A directory of this name is a Python environment, not ours.
        if env_file.is_none() && (path.is_dir() || is_missing(&path)) {
            return Ok(settings);
        }
        let (text, mode) = read(&path, "read variables from")?;
        settings.file = dotenv::parse(&text).map_err(|line| {
            let subject = format!("{} line {}", settings.file_name, line.number);
            BadInput::new(&subject, None, line.problem, "write KEY=VALUE")
        })?;
        let is_secret = |key: &str| key.ends_with("_TOKEN") || key.ends_with("_PASSWORD");
        if mode & 0o077 != 0 && settings.file.iter().any(|(key, _)| is_secret(key)) {
            let name = Escaped(&settings.file_name);
            warnings.push(format!(
                "{name} holds a secret and others may read it (mode {mode:o}); run chmod 600 {name}"
            ));
        }
        Ok(settings)
    }

    /// Returns a variable of the environment or else of the file.
    pub(super) fn get(&self, name: &str) -> Result<Option<Setting>, BadInput> {
        Ok(self.in_environment(name)?.or_else(|| self.in_file(name)))
    }

    /// Returns a variable where an empty one means none.
    pub(super) fn get_filled(&self, name: &str) -> Result<Option<Setting>, BadInput> {
        Ok(self.get(name)?.filter(|setting| !setting.value.is_empty()))
    }

    /// Returns a variable of the environment.
    pub(super) fn in_environment(&self, name: &str) -> Result<Option<Setting>, BadInput> {
        let Some(value) = self.environment.variables.get(&OsString::from(name)) else {
            return Ok(None);
        };
        match value.to_str() {
            Some(value) => Ok(Some(Setting { place: name.into(), value: value.into() })),
            None => Err(BadInput::new(name, None, "is not UTF-8", "set it again")),
        }
    }

    /// Returns a variable of the file; of several the last.
    pub(super) fn in_file(&self, name: &str) -> Option<Setting> {
        let (_, value) = self.file.iter().rev().find(|(key, _)| key == name)?;
        Some(Setting { place: format!("{name} in {}", self.file_name), value: value.clone() })
    }
}

/// Returns whether a file can be opened for reading.
pub(super) fn is_readable(path: &Path) -> bool {
    path.is_file() && File::open(path).is_ok()
}

fn is_missing(path: &Path) -> bool {
    matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// Returns the text of a small file and its permissions.
fn read(path: &Path, doing: &'static str) -> Result<(String, u32), Error> {
    let mut bytes = Vec::new();
    let mode = File::open(path)
        .and_then(|file| {
            let mode = file.metadata()?.permissions().mode() & 0o777;
            file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
            Ok(mode)
        })
        .map_err(|source| {
            let way_out = "check its name and permissions";
            Error::File { doing, path: path.into(), source, way_out }
        })?;
    let bad_file = |problem: &str, way_out: &str| {
        BadInput::new(&format!("file {}", path.display()), None, problem, way_out)
    };
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(bad_file("is larger than 64 KiB", "leave out what is not needed").into());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, mode)),
        Err(_) => Err(bad_file("is not UTF-8", "save it as UTF-8").into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::super::testing::Setup;
    use super::*;

    #[test]
    fn errors_name_the_line_and_not_its_value() {
        let error = Setup::default().file(".env", "A=b\nTOKEN s3cret").error();
        assert_eq!(error, ".env line 2: has no '='; write KEY=VALUE");
    }

    #[test]
    fn files_are_bounded_and_utf_8() {
        let setup = Setup::default().file(".env", &"#".repeat(64 * 1024 + 1));
        let path = setup.path(".env");
        let expected = format!("file {path}: is larger than 64 KiB; leave out what is not needed");
        assert_eq!(setup.error(), expected);
        let setup = Setup::default().file(".env", "");
        let path = setup.path(".env");
        std::fs::write(&path, b"A=\xff").unwrap();
        assert_eq!(setup.error(), format!("file {path}: is not UTF-8; save it as UTF-8"));
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
        let settings = Settings::load(&environment, None, &mut Vec::new()).unwrap();
        let error = settings.get("ENV").err().unwrap();
        assert_eq!(error.to_string(), "ENV: is not UTF-8; set it again");
    }
}
