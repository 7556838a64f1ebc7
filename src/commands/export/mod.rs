//! The backfill verb into a file: OpenMetrics text, and never half of it.
//!
//! The file has a temporary name in the same folder until it is complete. Anything but a regular
//! file (a FIFO, /dev/null) is written into and never replaced. Memory is flat in the window's
//! length.

mod temporary;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Escaped, Exit};
use crate::openmetrics::{self, Lines};
use crate::plan::Plan;
use crate::report::progress::Progress;
use crate::report::words::count_of;
use crate::report::{Field, Level, Report, stdout};
use temporary::Temporary;

/// What is written at once.
const BYTES_PER_WRITE: usize = 64 * 1024;

/// The hint when incomplete output cannot be taken back.
const NOT_WHOLE: &str = "the output is incomplete";

/// What the backfill verb needs to write a file.
#[derive(Debug)]
pub struct ExportConfig {
    /// The ticks to write.
    pub plan: Plan,
    /// The file, which appears when it is complete; `None` for stdout.
    pub path: Option<PathBuf>,
    /// Whether a file that has its name is replaced.
    pub is_replacing: bool,
}

/// Writes the window; returns when it is all written, or interrupted.
///
/// # Errors
/// Not all could be written.
pub fn run(config: &ExportConfig, report: &Report, clock: &SystemClock) -> Result<Exit, Error> {
    let temporary = Temporary::default();
    clock.watch_signals(temporary.shutdown());
    let export = Export { config, report, temporary, clock };
    let (exit, name) = match &config.path {
        Some(path) => (export.to_file(path)?, path.to_string_lossy()),
        None => (export.to_stdout()?, "stdout".into()),
    };
    let name = Escaped(&name);
    if exit == Exit::Success {
        let count = config.plan.sample_count();
        let text = format!("Wrote {} to {name}", count_of(count, "datapoint"));
        report.info("written", &[("written", Field::Count(count))], &text);
    } else {
        report.end_quiet();
        report.info("end", &[], &format!("Interrupted! The output to {name} is incomplete"));
    }
    Ok(exit)
}

/// A backfill into a file or to stdout.
///
/// An incomplete file never has the name that was asked for, and is removed at the end; one that a
/// killed run left (SIGKILL, or any signal under nohup) is removed by the next run into its folder.
struct Export<'a> {
    config: &'a ExportConfig,
    report: &'a Report,
    temporary: Temporary,
    clock: &'a dyn Clock,
}

impl Export<'_> {
    /// Writes into the file at `path`, which appears when all is written.
    fn to_file(&self, path: &Path) -> Result<Exit, Error> {
        let replaced = path.metadata().ok();
        if replaced.as_ref().is_some_and(|metadata| !metadata.is_file()) {
            return self.to_device(path);
        }
        let target = resolved(path);
        // A file that cannot be removed does not stop the run.
        let _ = Temporary::remove_left_over(&target);
        let mut file =
            self.temporary.create_beside(&target).map_err(|source| cannot_create(path, source))?;
        if let Some(metadata) = replaced {
            // As if it had been overwritten. Only root can change the owner, so errors are ignored.
            let _ = fchown(&file, Some(metadata.uid()), Some(metadata.gid()));
            let _ = file.set_permissions(metadata.permissions());
        }
        let failed = not_written(Some(path), "the incomplete file is removed");
        let exit = self.write(&mut file).map_err(&failed)?;
        if exit == Exit::Success {
            // The bytes must be on disk before the name is.
            file.sync_all().map_err(&failed)?;
            self.name(path, &target)?;
        }
        Ok(exit)
    }

    /// Renames the complete file to the name asked for. Without `--force`, a file that took that
    /// name during the run keeps it.
    fn name(&self, path: &Path, target: &Path) -> Result<(), Error> {
        let named = if self.config.is_replacing {
            self.temporary.rename_to(target)
        } else {
            let warn = || {
                let text = format!(
                    "'{}' is on a file system without hard links: a file that takes the name at \
                     the last moment is lost",
                    Escaped(&path.to_string_lossy())
                );
                self.report.log(Level::Warning, "no_links", &[], &text);
            };
            self.temporary.link_to(target, |from, to| fs::hard_link(from, to), warn)
        };
        named.map_err(|(kept, source)| {
            let [kept, path] = [&*kept, path].map(|path| path.to_string_lossy());
            let what =
                format!("rename the complete file '{}' to '{}'", Escaped(&kept), Escaped(&path));
            let hint = "rename it to a name that is free";
            Error::Io { what, source, hint, exit: Exit::Incomplete }
        })
    }

    /// Writes into something that is not a regular file, such as a FIFO.
    fn to_device(&self, path: &Path) -> Result<Exit, Error> {
        let mut device =
            File::options().write(true).open(path).map_err(|source| cannot_create(path, source))?;
        self.write(&mut device).map_err(not_written(Some(path), NOT_WHOLE))
    }

    /// Writes to stdout; a reader that leaves early is an error, because it has only a part.
    fn to_stdout(&self) -> Result<Exit, Error> {
        stdout::check().map_err(Error::on_stdout)?;
        let written = stdout::open().and_then(|mut file| self.write(&mut file));
        written.map_err(not_written(None, NOT_WHOLE))
    }

    fn write(&self, out: &mut impl Write) -> io::Result<Exit> {
        let plan = &self.config.plan;
        let mut progress = Progress::new(self.report, plan.sample_count(), self.clock.steady());
        let mut done = 0;
        let metadata = plan.metadata();
        // Each family has its own header, and its series follow it.
        let mut families = metadata.iter().peekable();
        let mut text = String::new();
        let iters = plan.iters_from(plan.window.first_index);
        for (labels, mut iter) in plan.label_sets.iter().zip(iters) {
            if let Some(family) = families.next_if(|m| m.metric_name == labels.metric_name()) {
                text.push_str(&openmetrics::header(*family));
            }
            let lines = Lines::of(labels);
            for sample in iter.before(plan.window.end_index()) {
                lines.push(sample, &mut text);
                done += 1;
                if text.len() >= BYTES_PER_WRITE {
                    out.write_all(text.as_bytes())?;
                    text.clear();
                    progress.show(done, self.clock.steady());
                    if self.clock.is_interrupted() {
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

impl Drop for Export<'_> {
    fn drop(&mut self) {
        // Leaves no incomplete file, and no status line.
        self.temporary.remove();
        self.report.status("");
    }
}

/// Returns the path that a symbolic link at `path` leads to, whether it exists or not.
fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // As many links as Linux follows; opening one more fails.
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) => path = path.with_file_name("").join(target),
            Err(_) => break,
        }
    }
    path
}

fn cannot_create(path: &Path, source: io::Error) -> Error {
    let hint = "name a file in a folder that can be written to";
    Error::file("write", path, source, hint)
}

fn not_written(path: Option<&Path>, hint: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| {
        let name = path.map(|path| format!("'{}'", Escaped(&path.to_string_lossy())));
        let what = format!("write all of the output to {}", name.as_deref().unwrap_or("stdout"));
        Error::Io { what, source, hint, exit: Exit::Incomplete }
    }
}
