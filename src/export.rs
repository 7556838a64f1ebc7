//! The backfill verb into a file: OpenMetrics text, complete or not there at all.
//!
//! A file is written under a temporary name beside it and renamed, so that half of one is never
//! seen; what is no file (a FIFO, /dev/null) is written into, and never replaced. Memory is flat
//! in the window's length.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cli::config::{SeriesConfig, Window};
use crate::clock::{Clock, LastResort};
use crate::error::{Error, Exit};
use crate::openmetrics::{self, Lines};
use crate::progress::Progress;
use crate::remote_write::Metadata;
use crate::report::Report;

/// What is written at once.
const BYTES_PER_WRITE: usize = 64 * 1024;

/// What to know when there is nothing to take back.
const NOT_WHOLE: &str = "what was read is not whole";

/// What is written.
#[derive(Clone, Copy)]
pub struct Export<'a> {
    /// The series.
    pub series: &'a SeriesConfig,
    /// The ticks.
    pub window: Window,
    /// Told how far it is.
    pub report: &'a Report,
}

impl Export<'_> {
    /// Writes into the file at `path`, which is there when all is written, and not before.
    ///
    /// Returns `Exit::Interrupted`, and leaves nothing behind, after a signal.
    ///
    /// # Errors
    /// The file cannot be written; a part of it is not left behind.
    pub fn into_file(
        self,
        path: &Path,
        temporary: &Temporary,
        clock: &impl Clock,
    ) -> Result<Exit, Error> {
        let replaced = path.metadata().ok();
        if replaced.as_ref().is_some_and(|metadata| !metadata.is_file()) {
            return self.into_device(path, clock);
        }
        let target = without_links(path);
        let mut file =
            temporary.create_beside(&target).map_err(|source| cannot_create(path, source))?;
        if let Some(metadata) = replaced {
            // As if it had been written into: only its owner may give it away, hence no error.
            let _ = fchown(&file, Some(metadata.uid()), Some(metadata.gid()));
            let _ = file.set_permissions(metadata.permissions());
        }
        match self.into_writer(&mut file, clock).map_err(|source| cannot_write(path, source))? {
            Exit::Success => {}
            exit => return Ok(exit),
        }
        // The name must not be there before the bytes are.
        file.sync_all().map_err(|source| cannot_write(path, source))?;
        temporary.rename_to(&target).map_err(|source| cannot_create(path, source))?;
        Ok(Exit::Success)
    }

    /// Writes into what is there and is no file, such as a FIFO.
    fn into_device(self, path: &Path, clock: &impl Clock) -> Result<Exit, Error> {
        let mut device =
            File::options().write(true).open(path).map_err(|source| cannot_create(path, source))?;
        self.into_writer(&mut device, clock).map_err(|source| Error::Unwritten {
            path: Some(path.to_owned()),
            source,
            aftermath: NOT_WHOLE,
        })
    }

    /// Writes to stdout; a reader that leaves early is an error, for what it has is not whole.
    ///
    /// Returns `Exit::Interrupted` after a signal.
    ///
    /// # Errors
    /// Stdout does not take it.
    pub fn into_stdout(self, clock: &impl Clock) -> Result<Exit, Error> {
        self.into_writer(&mut io::stdout().lock(), clock).map_err(|source| Error::Unwritten {
            path: None,
            source,
            aftermath: NOT_WHOLE,
        })
    }

    fn into_writer(self, out: &mut impl Write, clock: &impl Clock) -> io::Result<Exit> {
        let Self { series, window, report } = self;
        let total = window.tick_count * series.label_sets.len() as u64;
        let mut progress = Progress::new(report, total, clock.steady());
        let mut done = 0;
        let metadata = Metadata { metric_name: &series.metric_name, help: &series.description };
        let mut text = openmetrics::header(metadata);
        let iters = series.iters_from(window.first_index);
        for (labels, iter) in series.label_sets.iter().zip(iters) {
            let lines = Lines::of(labels);
            for (_, sample) in (0..window.tick_count).zip(iter) {
                lines.push(sample, &mut text);
                done += 1;
                if text.len() >= BYTES_PER_WRITE {
                    out.write_all(text.as_bytes())?;
                    text.clear();
                    progress.show(done, clock.steady());
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

/// The file that is being written, until it has its name. It goes when this is dropped, or when
/// a signal ends the process while the main thread is stuck in a write.
#[derive(Clone, Debug, Default)]
pub struct Temporary(Arc<Mutex<Option<PathBuf>>>);

impl Temporary {
    fn create_beside(&self, target: &Path) -> io::Result<File> {
        let mut slot = self.slot();
        let mut attempt = 0;
        loop {
            // Short, for the name beside it may be as long as a name can be; counted, for in a
            // container another run, long dead, may have had the same process id.
            let name = format!(".push-live-metrics.{}.{attempt}.tmp", process::id());
            let path = target.with_file_name(name);
            match File::create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => attempt += 1,
                created => {
                    *slot = created.is_ok().then_some(path);
                    return created;
                }
            }
        }
    }

    fn rename_to(&self, target: &Path) -> io::Result<()> {
        let mut slot = self.slot();
        let path = slot.as_ref().expect("it was created");
        fs::rename(path, target)?;
        *slot = None;
        Ok(())
    }

    fn slot(&self) -> MutexGuard<'_, Option<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the temporary file at the end of the run, however it ends.
pub struct Cleanup(pub Temporary);

impl Drop for Cleanup {
    fn drop(&mut self) {
        remove(&mut self.0.slot());
    }
}

impl LastResort for Temporary {
    fn cancel_request(&mut self) {}

    fn exit(&mut self) {
        // Held to the end, so that the main thread cannot take it for a file that is there.
        let mut slot = self.slot();
        remove(&mut slot);
        Self::exit_at_once();
    }

    fn exit_at_once() {
        process::exit(i32::from(Exit::Interrupted as u8));
    }
}

fn remove(slot: &mut Option<PathBuf>) {
    if let Some(path) = slot.take() {
        // What keeps it from being removed kept it from being written.
        let _ = fs::remove_file(path);
    }
}

/// Returns the path that a symbolic link at `path` leads to, be it there or not.
fn without_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // As many as Linux follows; what is one still then is opened, and the system says no.
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) => path = path.with_file_name("").join(target),
            Err(_) => break,
        }
    }
    path
}

fn cannot_create(path: &Path, source: io::Error) -> Error {
    let way_out = "name a file in a folder that can be written to";
    Error::File { doing: "write", path: path.to_owned(), source, way_out }
}

fn cannot_write(path: &Path, source: io::Error) -> Error {
    let aftermath = "nothing of it is kept";
    Error::Unwritten { path: Some(path.to_owned()), source, aftermath }
}
