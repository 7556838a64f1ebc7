//! Secrets: given, or in files that are read again for each request.
//!
//! They are never printed, and reading them never blocks a run.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Largest file of secrets, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A value that must not be printed: given, or read from a file again for each request.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The value itself.
    Inline(String),
    /// The content of a pipe or the like, which gives it once.
    Once(String),
    /// A file that holds the value; a trailing line end is not part of it.
    File {
        /// The file.
        path: PathBuf,
        /// The folder that it must be in or under, links resolved.
        folder: Option<PathBuf>,
    },
}

impl Secret {
    /// Returns the secret in a file, which is read now if it is not a regular one.
    ///
    /// # Errors
    /// As `read`.
    pub fn in_file(path: &Path) -> Result<Secret, Error> {
        let read = |metadata: fs::Metadata| match metadata.is_file() {
            true => Ok(Secret::File { path: path.into(), folder: None }),
            false => read_text(path).map(Secret::Once),
        };
        fs::metadata(path).and_then(read).map_err(|source| unreadable(path, source))
    }

    /// Returns the secret in a regular file in or under `folder`, links resolved.
    ///
    /// # Errors
    /// As `read`; the file lies elsewhere.
    pub fn in_file_under(path: &Path, folder: &Path) -> Result<Secret, Error> {
        let folder = folder.canonicalize().map_err(|source| unreadable(folder, source))?;
        let secret = Secret::File { path: path.into(), folder: Some(folder) };
        secret.read().map(|_| secret)
    }

    /// Returns the value, which may be empty; that of a file as it is now.
    ///
    /// # Errors
    /// When the file cannot be read, is not a regular one (any more), is larger than 64 KiB, or
    /// is not UTF-8.
    pub fn read(&self) -> Result<String, Error> {
        match self {
            Secret::Inline(value) | Secret::Once(value) => Ok(value.clone()),
            Secret::File { path, folder } => {
                read_regular(path, folder.as_deref()).map_err(|source| unreadable(path, source))
            }
        }
    }
}

fn read_regular(path: &Path, folder: Option<&Path>) -> io::Result<String> {
    if let Some(folder) = folder
        && !path.canonicalize()?.starts_with(folder)
    {
        return Err(io::Error::other("it is not in or under the current directory"));
    }
    // Opening a pipe without a writer would block.
    match fs::metadata(path)?.is_file() {
        true => read_text(path),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::from_utf8(read_small(path)?).map_err(io::Error::other)?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

/// Reads a file of up to 64 KiB.
///
/// # Errors
/// It cannot be read, or is larger.
pub fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)? as u64 {
        ..=FILE_BYTES_MAX => Ok(bytes),
        _ => Err(io::Error::other("it is larger than 64 KiB")),
    }
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    let hint = "check its name and permissions";
    Error::file("read the secret in", path, source, hint)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Inline(_) | Secret::Once(_) => f.write_str("***"),
            Secret::File { path, .. } => write!(f, "@{}", path.display()),
        }
    }
}

/// What is wrong with a secret; the text does not contain it.
pub type Problem = &'static str;

/// Checks a bearer token.
/// Source: RFC 6750, section 2.1, extended to any visible ASCII.
///
/// # Errors
/// It is not a token.
pub fn check_token(token: &str) -> Result<(), Problem> {
    check_text(token)?;
    let scheme = token.split(char::is_whitespace).next().unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Err("begins with 'Bearer', which is added for you");
    }
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("has a character that a token cannot have");
    }
    Ok(())
}

/// Checks a user name or a password.
///
/// # Errors
/// It is empty, or not on one line.
pub fn check_text(text: &str) -> Result<(), Problem> {
    match text {
        "" => Err("is empty"),
        text if text.contains(['\n', '\r']) => Err("has a line end in it"),
        text if text.contains(char::is_control) => Err("has a control character in it"),
        _ => Ok(()),
    }
}

/// Checks the value of a header.
/// Source: RFC 9110, section 5.5, without its obsolete bytes.
///
/// # Errors
/// It is not a valid value.
pub fn check_header_value(value: &str) -> Result<(), Problem> {
    match value {
        "" => Err("has no value"),
        value if value.contains(char::is_control) => Err("has a control character in its value"),
        value if !value.is_ascii() => Err("has a value that is not ASCII"),
        _ => Ok(()),
    }
}
