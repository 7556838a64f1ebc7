//! The backfill verb into a file: OpenMetrics text, complete or not there at all.
//!
//! Writes to a temporary name beside the file and renames it. Memory is flat in the window's
//! length.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

use crate::cli::config::{SeriesConfig, Window};
use crate::error::{Error, Escaped, Exit};
use crate::openmetrics::{self, Lines};
use crate::remote_write::Metadata;
use crate::report::{Field, Report};
use crate::words::counted;

/// What is written at once.
const BYTES_PER_WRITE: usize = 64 * 1024;

/// What is written.
#[derive(Clone, Copy)]
pub struct Export<'a> {
    /// The series.
    pub series: &'a SeriesConfig,
    /// The ticks.
    pub window: Window,
}

impl Export<'_> {
    /// Writes into the file at `path`, which is there when all is written.
    ///
    /// # Errors
    /// The file cannot be written; a part of it is not left behind.
    pub fn into_file(self, path: &Path, report: &Report) -> Result<Exit, Error> {
        let failed = |source| Error::File {
            doing: "write",
            path: path.to_owned(),
            source,
            way_out: "free space, or name a file in a folder that can be written to",
        };
        let temporary = temporary_name(path);
        let written = File::create_new(&temporary).and_then(|mut file| {
            self.into_writer(&mut file)?;
            // The name must not be there before the bytes are.
            file.sync_all()
        });
        if let Err(source) = written.and_then(|()| fs::rename(&temporary, path)) {
            // What keeps it from being removed kept it from being written.
            let _ = fs::remove_file(&temporary);
            return Err(failed(source));
        }
        let count = self.window.tick_count * self.series.label_sets.len() as u64;
        let text = format!("Wrote {} to {}", counted(count, "datapoint"), shown(path));
        report.info("written", &[("written", Field::Count(count))], &text);
        Ok(Exit::Success)
    }

    /// Writes to stdout; a reader that leaves early is an error, for what it has is not whole.
    ///
    /// # Errors
    /// Stdout does not take it.
    pub fn into_stdout(self) -> Result<Exit, Error> {
        self.into_writer(&mut io::stdout().lock()).map(|()| Exit::Success).map_err(Error::Stdout)
    }

    fn into_writer(self, out: &mut impl Write) -> io::Result<()> {
        let Self { series, window } = self;
        let metadata = Metadata { metric_name: &series.metric_name, help: &series.description };
        let mut text = openmetrics::header(metadata);
        let iters = series.iters_from(window.first_index);
        for (labels, iter) in series.label_sets.iter().zip(iters) {
            let lines = Lines::of(labels);
            for (_, sample) in (0..window.tick_count).zip(iter) {
                lines.push(sample, &mut text);
                if text.len() >= BYTES_PER_WRITE {
                    out.write_all(text.as_bytes())?;
                    text.clear();
                }
            }
        }
        text.push_str(openmetrics::END);
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// Returns a name beside `path` that no other run uses.
fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", process::id()));
    path.with_file_name(name)
}

fn shown(path: &Path) -> String {
    Escaped(&path.to_string_lossy()).to_string()
}
