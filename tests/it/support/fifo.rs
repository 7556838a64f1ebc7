//! A log that a test reads for a while, and then nobody.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Source: asm-generic/fcntl.h, in octal there too.
const O_NONBLOCK: i32 = 0o4000;
/// Nothing that is waited for takes longer.
const LIMIT: Duration = Duration::from_secs(120);

/// A FIFO, both ends of which are open here: whoever writes into it finds a reader.
pub(crate) struct Fifo {
    file: File,
    read: Vec<u8>,
}

impl Fifo {
    /// Makes one at `path`.
    pub(crate) fn at(path: &Path) -> Fifo {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        let mut options = File::options();
        let file = options.read(true).write(true).custom_flags(O_NONBLOCK).open(path).unwrap();
        Fifo { file, read: Vec::new() }
    }

    /// Reads until `text` has come.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + LIMIT;
        let is_there = |read: &[u8]| String::from_utf8_lossy(read).contains(text);
        while !is_there(&self.read) {
            assert!(Instant::now() < deadline, "{}", String::from_utf8_lossy(&self.read));
            let mut bytes = [0; 4096];
            match self.file.read(&mut bytes) {
                Ok(count) => self.read.extend(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Fills it, so that the next write of anybody else does not return.
    pub(crate) fn fill(&mut self) {
        // A pipe takes less than a page whole or not at all.
        for size in [4096, 1] {
            while self.file.write(&vec![b'x'; size]).is_ok() {}
        }
    }
}
