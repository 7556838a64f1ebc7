//! The static binary needs no other file: it runs in a folder as its root that has only this file,
//! and pushes to a real Prometheus. There is no /proc, /dev, HOME or zone file, the environment is
//! empty, no file can be written, and the user has no rights.
//!
//! That takes root, or else a user namespace (`unshare -r`), where there is one user.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use push_live_metrics::report::utc_time;
use push_live_metrics::series::TimestampMs;

use crate::support::certificates::certificates;
use crate::support::cmd::Cmd;
use crate::support::folder::Folder;
use crate::support::process::{Run, Running};
use crate::support::real_receiver::{RealReceiver, RealSetup};
use crate::support::time::now_ms;
use crate::support::window::Window;
use crate::support::{in_root, skip};

/// Runs the binary with `$@` in the root `$ROOT`, which is read-only for it.
const ENTER: &str = r#"PATH=$PATH:/usr/sbin:/sbin user=--userspec=65534:65534
    [ "$(id -u)" = 0 ] || map=-r
    [ "$(id -u)" = 0 ] && [ "$(awk 'NR == 1 { print $3 }' /proc/self/uid_map)" != 1 ] || user=
    exec unshare $map -m sh -c 'mount --bind "$ROOT" "$ROOT" && mount -o remount,bind,ro "$ROOT" &&
        exec env -i ${ZONE:+"TZ=$ZONE"} "$@"' - "$(command -v chroot)" $user "$ROOT" /push-live-metrics "$@""#;

/// A folder that is a root.
struct Root(Folder);

impl Root {
    /// Returns one with the static binary; None, said aloud, where there can be none.
    fn new() -> Option<Root> {
        let script = |flag: &str| {
            let mut script = Command::new(in_root("scripts/static.sh"));
            script.args(Some(flag).filter(|flag| !flag.is_empty()));
            // With what cargo tells its tests, ring would be built anew, now and the next time.
            for (name, _) in env::vars_os() {
                let text = name.to_string_lossy();
                if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                    script.env_remove(&name);
                }
            }
            let output = script.stderr(Stdio::inherit()).output().expect("there is sh");
            String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
        };
        let lacks = script("--lacks");
        if !lacks.is_empty() {
            skip(&lacks);
            return None;
        }
        let root = Root(Folder::new());
        fs::set_permissions(root.0.path(), Permissions::from_mode(0o755)).unwrap();
        // Whoever may enter it finds nothing to run there yet.
        let entered = root.enter(Cmd::bare());
        if entered.code != 127 {
            skip(&format!("a root of one's own: {}", entered.stderr));
            return None;
        }
        fs::copy(in_root(&script("")), root.0.path().join("push-live-metrics")).unwrap();
        Some(root)
    }

    /// Adds a file that everybody may read.
    fn file(&self, name: &str, content: &str) {
        let path = self.0.write(name, content);
        fs::set_permissions(path, Permissions::from_mode(0o444)).unwrap();
    }

    /// Starts the binary in it.
    fn start(&self, cmd: Cmd) -> Running {
        cmd.env("ROOT", self.0.path()).shell(ENTER).start()
    }

    /// Runs the binary in it.
    fn enter(&self, cmd: Cmd) -> Run {
        self.start(cmd).wait()
    }

    /// Pushes five datapoints of a metric of their own, and reads them back.
    #[track_caller]
    fn check_push(&self, name: &'static str, url: String, zone: &str, more: &[&str]) {
        let window = Window { name, url, ..Window::past(5, 1) }.and(more);
        let minute = || format!("[{}:", &utc_time(TimestampMs(now_ms()))[..16]);
        for verb in ["", "verify"] {
            let before = minute();
            let run = self.enter(window.cmd(verb).env("ZONE", zone));
            run.assert_code(0).assert_says("] [INFO] Local time: UTC\n");
            let minutes = [before, minute()];
            assert!(minutes.iter().any(|minute| run.stderr.starts_with(minute)), "{}", run.stderr);
        }
    }
}

#[test]
fn the_static_binary_needs_nothing_but_itself() {
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    let Some(bare) = Root::new() else { return };
    let before = bare.0.names();
    bare.check_push("by_ip", receiver.write_url(), "", &[]);
    bare.check_push("zone_without_a_file", receiver.write_url(), "Asia/Tokyo", &[]);

    let sender = |url| Cmd::to(url).flag("flush-timeout", "100ms");
    let run = bare.enter(sender("http://receiver.test:9/"));
    run.assert_code(4).assert_says("receiver.test");

    bare.enter(Cmd::bare().switch("help")).assert_code(0);
    let series = || Cmd::bare().and(&["--metric-name", "m", "--labels", "a=b", "--since", "1d"]);
    bare.enter(series().verb("preview")).assert_code(0);
    let exported = bare.enter(series().verb("backfill").flag("output", "-"));
    assert_eq!(exported.assert_code(0).stdout.lines().last(), Some("# EOF"));
    bare.enter(series().verb("backfill").flag("output", "/x.om")).assert_code(2);
    assert_eq!(bare.0.names(), before, "nothing was written");
}

/// There is no /proc to look whether the signal is ignored.
#[test]
fn the_static_binary_ends_on_a_signal_in_an_empty_root() {
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    let Some(bare) = Root::new() else { return };
    let running = bare.start(Cmd::to(&receiver.write_url()).ticks(10, 60_000));
    running.wait_for_event("sleeping", 1);
    running.signal("TERM");
    assert_eq!(running.wait().assert_code(130).summary().accepted, 1);
}

#[test]
fn the_static_binary_finds_a_name_and_an_authority_in_files() {
    let Some(certificates) = certificates() else { return };
    let folder = Folder::new();
    let [certificate, key] = ["server.pem", "server.key"].map(|name| certificates.typed(name));
    let web = format!("tls_server_config: {{cert_file: {certificate}, key_file: {key}}}\n");
    let web = format!("--web.config.file={}", folder.write("web.yml", web).display());
    let setups = [RealReceiver::prometheus2(), RealReceiver::prometheus2().flag(&web)];
    let [Some(plain), Some(encrypted)] = setups.map(RealSetup::start) else { return };
    let Some(root) = Root::new() else { return };
    root.file("ca.pem", &certificates.content("ca.pem"));
    fs::create_dir(root.0.path().join("etc")).unwrap();
    let by_name = |scheme: &str, receiver: &RealReceiver| {
        root.file("etc/hosts", &format!("{} localhost\n", receiver.address().ip()));
        format!("{scheme}://localhost:{}/api/v1/write", receiver.address().port())
    };
    root.check_push("by_name", by_name("http", &plain), "", &[]);
    let url = by_name("https", &encrypted);
    root.check_push("encrypted", url.clone(), "", &["--ca-file", "/ca.pem"]);
    root.enter(Cmd::to(&url)).assert_code(3).assert_says("certificate");
}
