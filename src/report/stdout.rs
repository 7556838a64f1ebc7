//! The only writer to stdout, which is for data.

#![allow(clippy::disallowed_methods, reason = "here it is written")]

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::terminal::shows_colour as shows_colour_in;

/// Size of one write.
const PRINT_BYTES: usize = 64 * 1024;

/// Prints parts of a text to stdout. A reader that stops reading ends it without an error.
///
/// # Errors
/// When stdout cannot take it, for instance because the disk is full.
pub fn print(parts: impl IntoIterator<Item = impl AsRef<str>>) -> io::Result<()> {
    let mut stdout = BufWriter::with_capacity(PRINT_BYTES, open()?);
    let written = parts
        .into_iter()
        .try_for_each(|part| stdout.write_all(part.as_ref().as_bytes()))
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Tells whether output to stdout has colours.
pub fn shows_colour() -> bool {
    shows_colour_in(&io::stdout())
}

/// Returns stdout as a file, because std's own handle ignores EBADF.
///
/// # Errors
/// There is no stdout.
pub fn open() -> io::Result<File> {
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

/// Checks that datapoints written to stdout do not vanish because it was closed.
///
/// std replaces a closed stdout by /dev/null, open for reading and writing; `>/dev/null` is open
/// for writing only. A daemon has stdin and stdout on a /dev/null of both kinds, which is fine.
///
/// # Errors
/// It was closed.
pub fn check() -> io::Result<()> {
    let is_null_for_both = |fd: &str| {
        let link = Path::new("/proc/self/fd").join(fd);
        let is_for_both = link.symlink_metadata().is_ok_and(|link| link.mode() & 0o600 == 0o600);
        is_for_both && link.read_link().is_ok_and(|path| path == Path::new("/dev/null"))
    };
    if is_null_for_both("1") && !is_null_for_both("0") {
        let problem = "it is closed (or /dev/null, open for reading too); redirect it with >FILE";
        return Err(io::Error::other(problem));
    }
    Ok(())
}
