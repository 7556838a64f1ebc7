//! A vmalert: it evaluates rules with the data of a VictoriaMetrics, and writes ALERTS back.
//!
//! One process, a child of its test, on a loopback port, its files in a folder of its own.
//! `scripts/receivers.sh` brings the binary.

use std::fs::{self, File};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::folder::Folder;
use super::real_receiver::{RealReceiver, brought, free_address};

const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(5);

/// A running vmalert. Dropping it ends the process.
pub(crate) struct Vmalert {
    child: Child,
    // Its files go with it.
    _folder: Folder,
}

impl Vmalert {
    /// Starts it with the text of a file of rules; None, said aloud, when it is not installed.
    ///
    /// A VictoriaMetrics that has found nothing for a rule goes on finding nothing for ten
    /// seconds, so its series should be there before this.
    pub(crate) fn start(receiver: &RealReceiver, rules: &str) -> Option<Vmalert> {
        let binary = brought("vmalert")?;
        let (address, folder) = (free_address(), Folder::new());
        let rules = folder.write("rules.yml", rules);
        let log = folder.write("log", "");
        let file = File::create(&log).expect("its folder is writable");
        let mut child = Command::new(binary)
            .arg(format!("-rule={}", rules.display()))
            .arg(format!("-httpListenAddr={address}"))
            .arg(format!("-datasource.url={}", receiver.url()))
            .arg(format!("-remoteWrite.url={}", receiver.url()))
            // It insists on one. The receiver answers it with an error, which changes nothing.
            .arg(format!("-notifier.url={}", receiver.url()))
            .args(["-evaluationInterval=1s", "-remoteWrite.flushInterval=200ms"])
            .arg("-datasource.queryStep=1s")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("vmalert starts");
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let ended = child.try_wait().expect("our child can be waited for");
            if ended.is_some() || Instant::now() > deadline {
                let _ = child.kill();
                panic!("{ended:?}: {}", fs::read_to_string(&log).unwrap_or_default());
            }
            thread::sleep(POLL);
        }
        Some(Vmalert { child, _folder: folder })
    }
}

impl Drop for Vmalert {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
