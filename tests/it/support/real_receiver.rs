//! Real receivers for tests: Prometheus 2, Prometheus 3 and VictoriaMetrics, each a child
//! process of its test, on a loopback port and in a folder of its own.
//!
//! `scripts/receivers.sh` brings the binaries into target/receivers/bin (PROMETHEUS3_BIN
//! names another Prometheus 3). Where one is missing, `start` says so aloud and returns
//! None; with CI=true it panics.
//!
//! Nothing here knows what is sent: it starts, stops, and reads back over plain HTTP.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::folder::Folder;
use super::json::Json;
use super::process::{signal, tail, wait_until};
use super::scripted_receiver::own_address;
use super::serving::wait_until_refused;
use super::time::seconds;
use super::{in_root, skip};

/// How long a receiver may take to be ready, or to end after SIGTERM. Usually 50 ms.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Prometheus2,
    Prometheus3,
    VictoriaMetrics,
}

impl Kind {
    /// Returns the name that `scripts/receivers.sh` gives the binary.
    fn name(self) -> &'static str {
        match self {
            Kind::Prometheus2 => "prometheus2",
            Kind::Prometheus3 => "prometheus3",
            Kind::VictoriaMetrics => "victoria-metrics",
        }
    }

    fn binary(self) -> PathBuf {
        if let (Kind::Prometheus3, Some(path)) = (self, std::env::var_os("PROMETHEUS3_BIN")) {
            return path.into();
        }
        in_bin(self.name())
    }
}

/// Returns where `scripts/receivers.sh` puts what it brings under this name.
pub(crate) fn in_bin(name: &str) -> PathBuf {
    in_root("target/receivers/bin").join(name)
}

/// Returns the path of what `scripts/receivers.sh` has brought under this name; None, said aloud,
/// when it has not.
pub(crate) fn brought(name: &str) -> Option<PathBuf> {
    there(in_bin(name))
}

fn there(binary: PathBuf) -> Option<PathBuf> {
    let is_there = binary.is_file();
    if !is_there {
        skip(&format!("{} (scripts/receivers.sh brings it)", binary.display()));
    }
    is_there.then_some(binary)
}

/// A receiver that is not started yet.
#[derive(Debug)]
pub(crate) struct RealSetup {
    kind: Kind,
    flags: Vec<String>,
    external_labels: String,
    out_of_order_time_window: Option<String>,
    rules: Option<String>,
}

impl RealSetup {
    /// Has Prometheus evaluate these groups of rules, in YAML, every second.
    pub(crate) fn rules(mut self, groups: &str) -> RealSetup {
        self.rules = Some(groups.to_owned());
        self
    }

    /// Adds a command-line flag.
    pub(crate) fn flag(mut self, flag: &str) -> RealSetup {
        self.flags.push(flag.to_owned());
        self
    }

    /// Has Prometheus add a label to whatever is read from it.
    pub(crate) fn external_label(mut self, name: &str, value: &str) -> RealSetup {
        self.external_labels = format!("external_labels: {{{name}: {value}}}");
        self
    }

    /// Lets Prometheus take samples that are this much older than the newest ("30m").
    /// VictoriaMetrics takes them anyway.
    pub(crate) fn out_of_order_time_window(mut self, window: &str) -> RealSetup {
        self.out_of_order_time_window = Some(window.to_owned());
        self
    }

    /// Starts it and returns when it is ready; None, said aloud, when it is not installed.
    pub(crate) fn start(self) -> Option<RealReceiver> {
        let binary = there(self.kind.binary())?;
        let (address, folder) = (free_address(), Folder::new());
        let mut receiver = RealReceiver { setup: self, binary, address, folder, child: None };
        receiver.launch();
        Some(receiver)
    }
}

/// A receiver with its port and folder, usually running. Dropping it kills the process and
/// removes the folder.
#[derive(Debug)]
pub(crate) struct RealReceiver {
    setup: RealSetup,
    binary: PathBuf,
    address: SocketAddr,
    folder: Folder,
    child: Option<Child>,
}

impl RealReceiver {
    /// Prepares a Prometheus 2 with the remote-write receiver on.
    pub(crate) fn prometheus2() -> RealSetup {
        RealReceiver::of(Kind::Prometheus2)
    }

    /// Prepares a Prometheus 3 with the remote-write receiver on.
    pub(crate) fn prometheus3() -> RealSetup {
        RealReceiver::of(Kind::Prometheus3)
    }

    /// Prepares a VictoriaMetrics. It keeps about 12 digits of a value.
    pub(crate) fn victoriametrics() -> RealSetup {
        RealReceiver::of(Kind::VictoriaMetrics)
    }

    /// Prepares one of each, with the relative error of the values that it keeps.
    pub(crate) fn each() -> [(RealSetup, f64); 3] {
        [
            (RealReceiver::prometheus2(), 0.0),
            (RealReceiver::prometheus3(), 0.0),
            (RealReceiver::victoriametrics(), 2e-12),
        ]
    }

    fn of(kind: Kind) -> RealSetup {
        let external_labels = String::new();
        let (out_of_order_time_window, rules) = (None, None);
        RealSetup { kind, flags: Vec::new(), external_labels, out_of_order_time_window, rules }
    }

    /// Returns the base URL, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the remote-write URL.
    pub(crate) fn write_url(&self) -> String {
        format!("{}/api/v1/write", self.url())
    }

    /// Returns the address it listens on, for a proxy in front of it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns whether it is a VictoriaMetrics.
    pub(crate) fn is_victoriametrics(&self) -> bool {
        self.setup.kind == Kind::VictoriaMetrics
    }

    /// Returns the promtool of its version, or else an older one; None, said aloud, when there is
    /// none.
    pub(crate) fn promtool(&self) -> Option<PathBuf> {
        let is_own = self.setup.kind == Kind::Prometheus3 && in_bin("promtool3").is_file();
        brought(if is_own { "promtool3" } else { "promtool2" })
    }

    /// Returns where Prometheus has its blocks.
    pub(crate) fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Ends it with SIGKILL, as a crash would. Prometheus keeps what it has answered with
    /// 2xx; VictoriaMetrics loses its last second or so.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child that was not waited for can be killed");
            child.wait().expect("a killed child ends");
        }
    }

    /// Ends it with SIGTERM and waits until it has written everything and is gone.
    pub(crate) fn stop(&mut self) {
        let Some(child) = &mut self.child else { return };
        signal(child.id(), "TERM");
        let status = wait_until(child, Instant::now() + PATIENCE);
        assert!(status.is_some(), "{} ignores SIGTERM", self.setup.kind.name());
        self.child = None;
    }

    /// Starts it again on the same port and folder; stops it first if it runs.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    /// Returns the raw samples (milliseconds since 1970, value) of the one series that
    /// `selector` selects, from `start_ms` to `end_ms`, both included, oldest first.
    /// From Prometheus the values are the stored bits; stale markers are left out.
    pub(crate) fn samples(&self, selector: &str, start_ms: i64, end_ms: i64) -> Vec<(i64, f64)> {
        let mut samples = match self.setup.kind {
            Kind::Prometheus2 | Kind::Prometheus3 => {
                self.samples_of_prometheus(selector, start_ms, end_ms)
            }
            Kind::VictoriaMetrics => self.samples_of_victoriametrics(selector, start_ms, end_ms),
        };
        samples.retain(|&(timestamp_ms, _)| (start_ms..=end_ms).contains(&timestamp_ms));
        samples
    }

    /// Returns what a query of one series gives at a time.
    pub(crate) fn query(&self, query: &str, time_ms: i64) -> f64 {
        let path = format!("/api/v1/query?query={}", percent_encoded(query));
        let (status, body) = self.get(&format!("{path}&time={}&nocache=1", seconds(time_ms)));
        assert_eq!(status, 200, "query {query}: {body}");
        let json = Json::parse(&body).unwrap_or_else(|error| panic!("{error} in {body:.300}"));
        match json.get("data").get("result").array() {
            [series] => series.get("value").array()[1].text().parse().unwrap(),
            all => panic!("query {query}: {} series", all.len()),
        }
    }

    /// Returns status and body of a GET.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(self.address, path).unwrap_or_else(|error| {
            panic!("GET {path} of {}: {error}\n{}", self.setup.kind.name(), self.log_tail())
        })
    }

    /// An instant query over a range selector gives the raw samples, and has no limit of
    /// 11,000 points as a range query has (its limit is 50 million samples).
    fn samples_of_prometheus(&self, selector: &str, start_ms: i64, end_ms: i64) -> Vec<(i64, f64)> {
        // Prometheus 3 leaves the range's left end out, Prometheus 2 does not.
        let range_ms = end_ms - start_ms + 1;
        let query = percent_encoded(&format!("{selector}[{range_ms}ms]"));
        let time = seconds(end_ms);
        let (status, body) = self.get(&format!("/api/v1/query?query={query}&time={time}"));
        assert_eq!(status, 200, "query {selector}: {body}");
        let json = Json::parse(&body).unwrap_or_else(|error| panic!("{error} in {body:.300}"));
        let series = json.get("data").get("result").array();
        assert!(series.len() <= 1, "{selector} selects more than one series: {body:.300}");
        let pairs = series.iter().flat_map(|series| series.get("values").array());
        // As in [1700000000.123,"1.5"].
        pairs
            .map(|pair| match pair.array() {
                [Json::Number(seconds), Json::Text(value)] => (ms(seconds), value.parse().unwrap()),
                _ => panic!("{pair:?}"),
            })
            .collect()
    }

    fn samples_of_victoriametrics(
        &self,
        selector: &str,
        start_ms: i64,
        end_ms: i64,
    ) -> Vec<(i64, f64)> {
        // Otherwise new samples show after a second or so.
        let (status, body) = self.get("/internal/force_flush");
        assert_eq!(status, 200, "force_flush: {body}");
        let (status, body) = self.get(&format!(
            "/api/v1/export/csv?format=__timestamp__:unix_ms,__value__&match[]={}&start={}&end={}",
            percent_encoded(selector),
            seconds(start_ms),
            seconds(end_ms)
        ));
        assert_eq!(status, 200, "export {selector}: {body}");
        // Newer versions put a header line first.
        let rows = body.lines().filter(|line| !line.starts_with("__timestamp__"));
        let pairs = rows.map(|row| row.split_once(',').expect("two columns"));
        let sample = |(ms, value): (&str, &str)| (ms.parse().unwrap(), value.parse().unwrap());
        let mut samples: Vec<(i64, f64)> = pairs.map(sample).collect();
        // Its blocks come in no promised order.
        samples.sort_by_key(|&(timestamp_ms, _)| timestamp_ms);
        samples
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log_tail(&self) -> String {
        tail(&fs::read_to_string(self.log_path()).unwrap_or_default(), 15)
    }

    fn launch(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("its folder is writable");
        let mut command = Command::new(&self.binary);
        command.args(self.own_flags()).args(&self.setup.flags);
        command
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a file can be shared"))
            .stdout(log);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.binary.display()));
        self.child = Some(child);
        self.wait_until_ready();
    }

    fn own_flags(&self) -> Vec<String> {
        let (folder, address) = (self.folder.path().display(), self.address);
        if self.setup.kind == Kind::VictoriaMetrics {
            return vec![
                format!("-storageDataPath={folder}/data"),
                format!("-httpListenAddr={address}"),
                "-retentionPeriod=100y".to_owned(),
            ];
        }
        let storage = match &self.setup.out_of_order_time_window {
            Some(window) => format!("storage:\n  tsdb:\n    out_of_order_time_window: {window}\n"),
            None => String::new(),
        };
        let rule_files = match &self.setup.rules {
            Some(rules) => {
                let file = self.folder.write("rules.yml", rules);
                format!("rule_files: ['{}']\n", file.display())
            }
            None => String::new(),
        };
        let global = format!("evaluation_interval: 1s, {}", self.setup.external_labels);
        let config = format!("global: {{{global}}}\n{rule_files}{storage}");
        let config = self.folder.write("prometheus.yml", config);
        vec![
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={folder}/data"),
            "--storage.tsdb.retention.time=100y".to_owned(),
            format!("--web.listen-address={address}"),
            "--web.enable-remote-write-receiver".to_owned(),
        ]
    }

    fn wait_until_ready(&mut self) {
        let path = if self.setup.kind == Kind::VictoriaMetrics { "/health" } else { "/-/ready" };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = get(self.address, path);
            let child = self.child.as_mut().expect("launch has set it");
            if let Some(status) = child.try_wait().expect("our child can be waited for") {
                panic!("{} ended with {status}:\n{}", self.setup.kind.name(), self.log_tail());
            }
            // By TLS it says 400 to plain HTTP.
            if matches!(answer, Ok((200 | 400, _))) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{} is not ready:\n{}",
                self.setup.kind.name(),
                self.log_tail()
            );
            thread::sleep(POLL);
        }
    }
}

impl Drop for RealReceiver {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns an address that is free, and stays so while nobody listens there: its IP is nobody
/// else's, and no connection goes out from it.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((own_address(), 0)).expect("a port on loopback");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    wait_until_refused(address);
    address
}

/// Returns status and body of a GET by HTTP/1.0, so that the answer is neither chunked nor kept
/// alive.
fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let timeout = Duration::from_secs(30);
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, body.to_owned()))
}

/// Encodes `text` for a query string.
pub(super) fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Reads `1700000000`, `1700000000.5` or `1700000000.123` as milliseconds, without a float.
pub(super) fn ms(seconds: &str) -> i64 {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    format!("{whole}{fraction:0<3}").parse().expect("milliseconds")
}
