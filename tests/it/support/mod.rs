//! What the integration tests share.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

#[cfg(feature = "tls")]
pub(crate) mod certificates;
pub(crate) mod clock;
pub(crate) mod cmd;
pub(crate) mod fifo;
pub(crate) mod folder;
pub(crate) mod json;
pub(crate) mod judge;
pub(crate) mod ledger;
pub(crate) mod library;
pub(crate) mod log;
pub(crate) mod nginx;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod real_receiver;
pub(crate) mod scripted_receiver;
pub(crate) mod serving;
pub(crate) mod side_by_side;
pub(crate) mod step;
pub(crate) mod time;
pub(crate) mod vmalert;
pub(crate) mod window;
pub(crate) mod wire;
pub(crate) mod wire_v2;

/// Returns a path of the checkout, whatever folder the test is started in.
pub(crate) fn in_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns the text of a file of the checkout.
#[track_caller]
pub(crate) fn text_of(path: &str) -> String {
    fs::read_to_string(in_root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Says aloud that a test is skipped for want of this; with CI=true that is a failure.
#[track_caller]
pub(crate) fn skip(missing: &str) {
    assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "no {missing}");
    // Not eprintln, which the test harness would capture.
    let _ = writeln!(io::stderr(), "*** SKIPPED *** a test without {missing}");
}

/// Returns the number that a variable of the environment holds.
pub(crate) fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}
