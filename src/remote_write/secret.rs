//! The value of a secret, read when a request needs it. Never kept, never shown.

use std::fs;
use std::io::{self, Read};

use crate::cli::config::Secret;
use crate::error::Error;

/// What is read of a file that holds a secret.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Returns the secret; that of a file as it is now.
///
/// # Errors
/// When the file cannot be read or holds nothing.
pub(super) fn read_secret(secret: &Secret) -> Result<String, Error> {
    let path = match secret {
        Secret::Inline(value) => return Ok(value.clone()),
        Secret::File(path) => path,
    };
    let mut text = String::new();
    let read = fs::File::open(path)
        .and_then(|file| file.take(SECRET_BYTES_MAX).read_to_string(&mut text))
        .and_then(|_| match text.trim_end_matches(['\r', '\n']) {
            "" => Err(io::Error::other("it is empty")),
            value => Ok(value.to_owned()),
        });
    read.map_err(|source| Error::File {
        doing: "read the secret in",
        path: path.clone(),
        source,
        way_out: "put the value there, or name another file",
    })
}
