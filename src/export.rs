//! The backfill verb into a file: OpenMetrics text, complete or not there at all.
//!
//! Writes to a temporary name beside the file and renames it. Memory is flat in the window's
//! length.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

use crate::cli::config::{SeriesConfig, Window};
use crate::clock::Clock;
use crate::error::{Error, Exit};
use crate::openmetrics::{self, Lines};
use crate::remote_write::Metadata;

/// Lines between two looks at the clock and for a signal; also the size of a write.
const LINES_PER_WRITE: u64 = 4096;

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
    pub fn into_file(
        self,
        path: &Path,
        clock: &impl Clock,
        on_progress: impl FnMut(u64),
    ) -> Result<Exit, Error> {
        let failed = |source| Error::File {
            doing: "write",
            path: path.to_owned(),
            source,
            way_out: "free space, or name a file in a folder that can be written to",
        };
        let temporary = temporary_name(path);
        let written = File::create_new(&temporary).and_then(|mut file| {
            let exit = self.into_writer(&mut file, clock, on_progress)?;
            // The name must not be there before the bytes are.
            file.sync_all().map(|()| exit)
        });
        match written {
            Ok(Exit::Success) => {
                fs::rename(&temporary, path).map(|()| Exit::Success).map_err(failed)
            }
            other => {
                // What keeps it from being removed kept it from being written.
                let _ = fs::remove_file(&temporary);
                other.map_err(failed)
            }
        }
    }

    /// Writes to stdout; a reader that leaves early is an error, for what it has is not whole.
    ///
    /// # Errors
    /// Stdout does not take it.
    pub fn into_stdout(
        self,
        clock: &impl Clock,
        on_progress: impl FnMut(u64),
    ) -> Result<Exit, Error> {
        self.into_writer(&mut io::stdout().lock(), clock, on_progress).map_err(Error::Stdout)
    }

    fn into_writer(
        self,
        out: &mut impl Write,
        clock: &impl Clock,
        mut on_progress: impl FnMut(u64),
    ) -> io::Result<Exit> {
        let Self { series, window } = self;
        let metadata = Metadata { metric_name: &series.metric_name, help: &series.description };
        let mut text = openmetrics::header(metadata);
        let mut line_count = 0;
        let iters = series.iters_from(window.first_index);
        for (labels, iter) in series.label_sets.iter().zip(iters) {
            let lines = Lines::of(labels);
            for (_, sample) in (0..window.tick_count).zip(iter) {
                lines.push(sample, &mut text);
                line_count += 1;
                if line_count % LINES_PER_WRITE == 0 {
                    out.write_all(text.as_bytes())?;
                    text.clear();
                    on_progress(line_count);
                    if clock.is_interrupted() {
                        return Ok(Exit::Interrupted);
                    }
                }
            }
        }
        text.push_str(openmetrics::END);
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(Exit::Success)
    }
}

/// Returns a name beside `path` that no other run uses.
fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", process::id()));
    path.with_file_name(name)
}
