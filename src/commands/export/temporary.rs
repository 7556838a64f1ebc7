//! A file that has its name only when it is complete. Never replaces a file unless told to.

use std::fs::{self, File};
use std::io;
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Shutdown;

const PREFIX: &str = ".push-live-metrics.";
const SUFFIX: &str = ".tmp";
/// The extension of a complete file whose name was taken, in place of the suffix: no run takes it
/// for a file that is being written.
const COMPLETE: &str = "om";

/// The file that is being written, until it has its name. It is removed at the end of the run,
/// also by a signal while the main thread is stuck in a write. Its writer holds a lock on it, by
/// which other runs know that it lives.
#[derive(Clone, Debug, Default)]
pub(super) struct Temporary(Arc<Mutex<Option<PathBuf>>>);

impl Temporary {
    /// Removes the files in the folder of `target` whose writers are dead.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn remove_left_over(target: &Path) -> io::Result<()> {
        for entry in fs::read_dir(target.with_file_name("."))?.flatten() {
            let name = entry.file_name();
            let is_ours =
                name.to_str().is_some_and(|n| n.starts_with(PREFIX) && n.ends_with(SUFFIX));
            // Not through a link, and no FIFO, which would wait for its writer.
            if !is_ours || !entry.file_type().is_ok_and(|file_type| file_type.is_file()) {
                continue;
            }
            if File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Creates the file, in the folder of `target`.
    ///
    /// # Errors
    /// Nothing can be created there.
    pub(super) fn create_beside(&self, target: &Path) -> io::Result<File> {
        let mut slot = self.slot();
        let mut attempt = 0;
        loop {
            // Short, because the target's name may have the maximum length. Counted, because in a
            // container an earlier run may have had the same process id.
            let name = format!("{PREFIX}{}.{attempt}{SUFFIX}", process::id());
            let path = target.with_file_name(name);
            if path.with_extension(COMPLETE).exists() {
                attempt += 1;
                continue;
            }
            match File::create_new(&path) {
                Ok(file) if !is_taken_away(&file, &path)? => {
                    *slot = Some(path);
                    return Ok(file);
                }
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => attempt += 1,
            }
        }
    }

    /// Renames the complete file to `target`, and replaces a file of that name.
    ///
    /// # Errors
    /// The file has another name, returned with the cause, and is kept.
    pub(super) fn rename_to(&self, target: &Path) -> Result<(), (PathBuf, io::Error)> {
        self.name(|path| fs::rename(path, target))
    }

    /// Names the complete file `target` by `link`, which fails when a file of that name exists. A
    /// file system without links needs two steps, a check and a rename, after `warn`.
    ///
    /// # Errors
    /// The file has another name, returned with the cause, and is kept.
    pub(super) fn link_to(
        &self,
        target: &Path,
        link: impl Fn(&Path, &Path) -> io::Result<()>,
        warn: impl Fn(),
    ) -> Result<(), (PathBuf, io::Error)> {
        // EPERM or EOPNOTSUPP. Source: link(2).
        let has_no_links = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported)
        };
        self.name(|path| match link(path, target) {
            Ok(()) => {
                // The file has its name, even if the temporary one cannot be removed.
                let _ = fs::remove_file(path);
                Ok(())
            }
            Err(error) if !has_no_links(&error) => Err(error),
            Err(_) if target.symlink_metadata().is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => {
                warn();
                fs::rename(path, target)
            }
        })
    }

    fn name(&self, give: impl Fn(&Path) -> io::Result<()>) -> Result<(), (PathBuf, io::Error)> {
        // Held, so that a signal does not remove it meanwhile. The file is no longer ours to
        // remove, whether it gets its name or not.
        let mut slot = self.slot();
        let path = slot.take().expect("it was created");
        give(&path).map_err(|error| {
            let complete = path.with_extension(COMPLETE);
            match fs::rename(&path, &complete) {
                Ok(()) => (complete, error),
                Err(_) => (path, error),
            }
        })
    }

    /// Removes the file, unless it is complete.
    pub(super) fn remove(&self) {
        remove(&mut self.slot());
    }

    /// Returns what removes the file when its writer is stuck.
    pub(super) fn shutdown(&self) -> Shutdown {
        let [finishing, discarded] = [self.clone(), self.clone()];
        let finish = move || {
            let mut slot = finishing.slot();
            remove(&mut slot);
            // Held to the end of the process, so that the main thread cannot take it for a file
            // that is there.
            mem::forget(slot);
        };
        let discard = move || {
            if let Ok(mut slot) = discarded.0.try_lock() {
                remove(&mut slot);
            }
        };
        Shutdown { finish: Box::new(finish), discard: Box::new(discard), ..Shutdown::default() }
    }

    fn slot(&self) -> MutexGuard<'_, Option<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove(slot: &mut Option<PathBuf>) {
    if let Some(path) = slot.take() {
        // An error that prevents this was already reported by the write.
        let _ = fs::remove_file(path);
    }
}

/// Locks a file that was created at `path`; tells whether another run removed it before it was
/// locked, as left over.
fn is_taken_away(file: &File, path: &Path) -> io::Result<bool> {
    match file.try_lock() {
        Err(fs::TryLockError::WouldBlock) => return Ok(true),
        // A file system without locks: no run can lock the file, so none removes it.
        Ok(()) | Err(fs::TryLockError::Error(_)) => {}
    }
    let ours = file.metadata()?;
    Ok(!fs::symlink_metadata(path).is_ok_and(|there| there.ino() == ours.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Two file systems without hard links, and what becomes of a name that is free or taken.
    #[test]
    fn without_hard_links_a_file_that_is_there_is_left_alone() {
        let folder = std::env::temp_dir().join(format!("temporary-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let target = folder.join("out.om");
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::Unsupported] {
            let temporary = Temporary::default();
            let mut file = temporary.create_beside(&target).unwrap();
            io::Write::write_all(&mut file, b"new").unwrap();
            let no_link = |_: &Path, _: &Path| Err(kind.into());
            let warnings = Cell::new(0);
            let warn = || warnings.set(warnings.get() + 1);
            temporary.link_to(&target, no_link, warn).unwrap();
            assert_eq!(warnings.get(), 1);
            assert_eq!(fs::read(&target).unwrap(), b"new");

            fs::write(&target, "precious").unwrap();
            temporary.create_beside(&target).unwrap();
            let (kept, error) = temporary.link_to(&target, no_link, warn).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&target).unwrap(), b"precious");
            temporary.remove();
            assert!(kept.is_file());
            fs::remove_file(kept).unwrap();
            fs::remove_file(&target).unwrap();
        }
        fs::remove_dir(folder).unwrap();
    }
}
