#!/usr/bin/env python3
"""Measures the budgets of push-live-metrics; scripts/bench.sh calls it and lists its options.

A budget in time is a ratio to a floor of the same run: the unavoidable part of the task, done
alone (examples/floor.rs). --reference measures the Python pipeline instead. A row that could not
be measured has the reason in the table, and counts as missed.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median, quantiles

from golden import ensure_venv, make_venv

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "target" / "bench"
VENV = HOME / "venv"
PROMETHEUS = ROOT / "target" / "receivers" / "bin" / "prometheus3"
PACKAGES = ["mockseries==0.3.1", "numpy==1.26.3", "scipy==1.11.4", "jinja2==3.1.6"]
PACKAGES += ["opentelemetry-exporter-prometheus-remote-write==0.66b1"]

NOWHERE = "127.0.0.1:1"  # for a command that pushes nothing
WRITE = "http://ADDRESS/api/v1/write"  # run() puts the address in
URL = ["--url", WRITE]
SERIES = ["--metric-name", "cpu", "--labels", "cpu=lina_cp_avg,tenant_uuid=abc123,uuid=device-456"]
FLEET = [*SERIES[:3], "cpu=lina_cp_avg,tenant_uuid=abc123,uuid=device-{1..10000}"]
TEXT = ["--output", "-"]
PAST = 1_577_836_800  # 2020-01-01, from where 100 M seconds end in 2023
LATE_COUNT, LATE_S, TENTH = 500, 0.020, 50
PUSH_COUNT, LINE_COUNT, SAMPLE_COUNT, MILLION = 2000, 10_000_000, 20_000_000, 1_000_000
BATCH_SIZE, SLICE, READY_SECONDS = 2000, 200_000, 30
BODY_BYTES = 130  # of a push of SERIES

FLOOR_CRATE = """\
fn main() {
    ctrlc::set_handler(|| ()).unwrap();
    let _ = fastrand::u64(..);
    let _ = lexopt::Parser::from_env();
    let _ = snap::raw::max_compress_len(1);
    let _ = quick_protobuf::sizeofs::sizeof_varint(1);
    let _ = time::OffsetDateTime::now_utc();
    let _ = ureq::get("https://localhost").call();
}
"""


class Failed(Exception):
    """A measurement that could not be made."""


@dataclass
class Ran:
    wall_s: float
    cpu_s: float
    started_ns: int
    peak_mb: float | None
    arrivals_ns: list = field(default_factory=list)  # of requests, where a sink took them


def run(argv, address=NOWHERE, out=subprocess.DEVNULL, watch_memory=False, env=None):
    """Runs a command in an empty folder and environment; raises Failed unless it exits with 0.

    The peak is read from the process itself, once a millisecond: the one that wait4 gives
    is at least that of the process that forked, which here is Python.
    """
    argv = [str(word).replace("ADDRESS", address) for word in argv]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        started_ns, started = time.time_ns(), time.perf_counter()
        child = subprocess.Popen(
            argv, cwd=folder, env=env or {}, stdin=subprocess.DEVNULL, stdout=out, stderr=log
        )
        peak_mb = watch_peak(child.pid) if watch_memory else None
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines() or ["(nothing)"]
            raise Failed(f"exit {child.returncode}: {said[-1]}")
    return Ran(wall_s, usage.ru_utime + usage.ru_stime, started_ns, peak_mb)


def watch_peak(pid):
    peak_kb = 0
    while True:
        peak = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())
        if not peak:  # a zombie has no memory
            return peak_kb * 1024 / 1e6
        peak_kb = int(peak[1])
        time.sleep(0.001)


def into_sink(argv, count=None, **options):
    """Runs a command with a receiver that only reads, and takes `count` requests, else Failed."""
    pipe = subprocess.PIPE
    with subprocess.Popen([OPTIONS.sink], stdin=pipe, stdout=pipe, text=True) as child:
        try:
            ran = run(argv, f"127.0.0.1:{int(child.stdout.readline())}", **options)
        finally:
            child.stdin.close()
            _body_bytes, *arrivals_ns = map(int, child.stdout.read().split())
        ran.arrivals_ns = arrivals_ns
    if count is not None and len(ran.arrivals_ns) != count:
        raise Failed(f"{len(ran.arrivals_ns)} requests came, not {count:.0f}")
    return ran


def into_prometheus(measure):
    """Measures with the address of a Prometheus 3 that takes remote write, and has nothing yet."""
    if not PROMETHEUS.exists():
        raise Failed("no Prometheus 3 (scripts/receivers.sh says why)")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "prometheus.yml").write_text("global: {}\n")
        log = Path(folder, "log")
        argv = [PROMETHEUS, "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
        argv += ["--web.listen-address=127.0.0.1:0", "--web.enable-remote-write-receiver"]
        with log.open("w") as out:
            child = subprocess.Popen(argv, cwd=folder, stdout=out, stderr=out)
        try:
            for _ in range(READY_SECONDS * 10):
                text = log.read_text()
                if "Server is ready to receive web requests" in text:
                    return measure(re.search(r'msg="Listening on".* address=(\S+)', text)[1])
                time.sleep(0.1)
            raise Failed(f"Prometheus is not ready after {READY_SECONDS} seconds")
        finally:
            child.kill()
            child.wait()


ours = lambda *flags: [OPTIONS.binary, *flags]
bare_push = lambda count: [OPTIONS.floor, "push", "ADDRESS", count, BODY_BYTES]
million = lambda: past(MILLION, *URL, start=int(time.time()) - MILLION - 60)


def theirs(*words):
    python = [VENV / "bin" / "python", "-X", f"pycache_prefix={HOME}"]
    return [*python, ROOT / "scripts" / "bench_reference.py", *words]


def past(count, *flags, start=PAST):
    """Returns the flags of a backfill of `count` datapoints, a second apart."""
    window = ["--start-epoch", start, "--end-epoch", start + count, "--step-size", "1s"]
    return ["backfill", *SERIES, *window, *flags]


def live(start, count, interval, *series):
    window = ["--start-epoch", start, "--interval", f"{interval * 1e3:.0f}ms"]
    return [*(series or SERIES), *window, "--duration", f"{count * interval:.0f}s", *URL]


overdue = lambda: ours(*live(int(time.time()) - PUSH_COUNT - 60, PUSH_COUNT, 1))
fleet = lambda: live(int(time.time()) // 60 * 60 - 60, 1, 60, *FLEET)


def floor_s(*words, **options):
    """Returns the seconds that examples/floor.rs prints."""
    with tempfile.TemporaryFile() as out:
        run([OPTIONS.floor, *words], out=out, **options)
        out.seek(0)
        return int(out.read()) / 1e9


cpu_s = lambda argv, count=None: into_sink(argv, count).cpu_s
peak_mb = lambda argv, count=None: into_sink(argv, count, watch_memory=True).peak_mb
push_cpu_ms = lambda argv: cpu_s(argv, PUSH_COUNT) * 1e3 / PUSH_COUNT
p99 = lambda late_ms: quantiles(late_ms, n=100)[98]
# How much later the last tenth of a run is than the first one.
drift = lambda late_ms: abs(median(late_ms[-TENTH:]) - median(late_ms[:TENTH]))


def first_push_ms(argv):
    ran = into_sink(argv, 1)
    return (ran.arrivals_ns[0] - ran.started_ns) / 1e6


def lateness_ms(argv=None):
    """Returns how late each tick is; of another command than ours, against its first one."""
    start = int(time.time()) + 2
    argv_or_ours = argv or ours(*live(start, LATE_COUNT, LATE_S))
    arrivals_ns = into_sink(argv_or_ours, LATE_COUNT).arrivals_ns
    start_ns = arrivals_ns[0] if argv else start * 1e9
    return [(arrivals_ns[i] - start_ns) / 1e6 - i * LATE_S * 1e3 for i in range(LATE_COUNT)]


def cold_build_s(manifest):
    target = HOME / "cold"
    shutil.rmtree(target, ignore_errors=True)
    words = ["build", "--release", "--locked", "--offline", "--jobs", "2"]
    argv = ["cargo", *words, "--manifest-path", manifest, "--target-dir", target]
    if cores := shutil.which("taskset"):
        argv = [cores, "-c", "0,1", *argv]
    try:
        return run(argv, env=dict(os.environ)).wall_s
    finally:
        shutil.rmtree(target, ignore_errors=True)


def floor_crate():
    """Makes a crate that names one item of each dependency, with our profile and lock file."""
    folder = HOME / "floor"
    (folder / "src").mkdir(parents=True, exist_ok=True)
    wanted = ("[dependencies]", "[dev-dependencies]", "[features]", "[profile")
    sections = re.split(r"\n(?=\[)", (ROOT / "Cargo.toml").read_text())
    head = '[package]\nname = "push-live-metrics"\nversion = "0.1.0"\nedition = "2024"\n'
    text = "\n".join([head] + [section for section in sections if section.startswith(wanted)])
    (folder / "Cargo.toml").write_text(text)
    (folder / "src" / "main.rs").write_text(FLOOR_CRATE)
    shutil.copy(ROOT / "Cargo.lock", folder / "Cargo.lock")
    return folder / "Cargo.toml"


def install_s():
    started = time.perf_counter()
    make_venv(HOME / "cold-venv", PACKAGES)
    return time.perf_counter() - started


def number(digits, unit):
    return lambda value: f"{value:,.{digits}f} {unit}".strip()


BYTES, SECONDS, MS, MS_FINE = number(0, "B"), number(2, "s"), number(1, "ms"), number(3, "ms")
MB, RATIO = number(1, "MB"), number(2, "x")


@dataclass
class Row:
    """A budget is a number in the row's unit or, where there is a floor, a ratio to it."""

    what: str
    budget: float | None
    show: object
    measure_it: object
    measure_floor: object = None
    runs_max: int = sys.maxsize
    values: list = field(default_factory=list)
    floors: list = field(default_factory=list)
    error: str = ""

    def measure(self):
        say(self.what)
        try:
            for _ in range(min(OPTIONS.runs, self.runs_max)):
                self.values.append(self.measure_it())
                if self.measure_floor:
                    self.floors.append(self.measure_floor())
        except (Failed, OSError, subprocess.SubprocessError, ValueError) as problem:
            self.error = str(problem) or type(problem).__name__

    def is_missed(self):
        return bool(self.error) or (self.budget is not None and self.measured() > self.budget)

    def measured(self):
        value = median(self.values)
        return value / median(self.floors) if self.floors else value

    def cells(self):
        has_budget, show = self.budget is not None, RATIO if self.measure_floor else self.show
        cells = [self.what, f"≤ {show(self.budget)}" if has_budget else ""]
        if self.error:
            return cells + ["", "", "not measured", "MISSED"]
        cells += [self.show(median(self.values)), "", ""]
        if self.floors:
            cells[3:] = self.show(median(self.floors)), RATIO(self.measured())
        return cells + ["MISSED" if self.is_missed() else "ok" if has_budget else ""]


def rows():
    once = dict(runs_max=1)
    due = ours(*SERIES, "--duration", "1", *URL)
    short = ours(*SERIES, "--duration", "2s", "--interval", "20ms", *URL)
    text, push = past(LINE_COUNT, *TEXT), past(SAMPLE_COUNT, *URL)
    ours_built = lambda: cold_build_s(ROOT / "Cargo.toml")
    floor_built = lambda: cold_build_s(floor_crate())
    ours_first, bare_first = lambda: first_push_ms(due), lambda: first_push_ms(bare_push(1))
    ours_cpu, bare_cpu = lambda: push_cpu_ms(overdue()), lambda: push_cpu_ms(bare_push(PUSH_COUNT))
    text_cpu, text_floor = lambda: cpu_s(ours(*text)), lambda: floor_s("text", *text)
    push_cpu = lambda: cpu_s(ours(*push), SAMPLE_COUNT / BATCH_SIZE)
    push_floor = lambda: floor_s("snap", *push)
    stored = lambda: into_prometheus(lambda to: run(ours(*million()), to).wall_s)
    posted = lambda: into_prometheus(lambda to: floor_s("post", to, *million(), address=to))

    def peak_row(size, count, *flags, requests=None, **options):
        what = "by remote write" if requests else "as OpenMetrics"
        peak = lambda: peak_mb(ours(*past(count, *flags)), requests)
        return Row(f"peak memory, backfill {what}, {size}", 8, MB, peak, **options)

    return [
        Row("static binary", 2.1e6, BYTES, lambda: Path(OPTIONS.binary).stat().st_size, **once),
        Row("cold release build, 2 cores", 1.5, SECONDS, ours_built, floor_built, runs_max=2),
        Row("start to first accepted push, loopback", 3, MS, ours_first, bare_first),
        Row("peak memory, live, one series", 2.5, MB, lambda: peak_mb(short)),
        Row("CPU per pushed datapoint", 3, MS_FINE, ours_cpu, bare_cpu),
        Row("lateness of a tick, p99 of 500", 3, MS, lambda: p99(lateness_ms())),
        Row("drift over 500 ticks", 0.5, MS, lambda: drift(lateness_ms())),
        Row("backfill as OpenMetrics, 10 M lines, CPU", 1.5, SECONDS, text_cpu, text_floor),
        Row("backfill by remote write, 20 M samples, CPU", 2, SECONDS, push_cpu, push_floor),
        Row("a million samples into Prometheus 3", 1.3, SECONDS, stored, posted),
        peak_row("1 M", MILLION, *TEXT),
        peak_row("1 M", MILLION, *URL, requests=MILLION / BATCH_SIZE),
        peak_row("100 M (once)", 100 * MILLION, *TEXT, **once),
        peak_row("100 M (once)", 100 * MILLION, *URL, requests=100 * MILLION / BATCH_SIZE, **once),
        Row("10,000 series, one tick, CPU", 2, MS,
            lambda: cpu_s(ours(*fleet())) * 1e3, lambda: floor_s("snap", *fleet()) * 1e3),
        Row("10,000 series, one tick, peak memory", 9, MB, lambda: peak_mb(ours(*fleet()))),
    ]


def reference_rows():
    ensure_venv(VENV, PACKAGES)
    sizes = lambda: (path.lstat().st_size for path in VENV.rglob("*") if path.is_file())
    verb = lambda name, *words: theirs(name, WRITE, *words)
    late_ms = lambda: lateness_ms(verb("live", LATE_COUNT, LATE_S))
    table = [
        ("Python environment", BYTES, lambda: sum(sizes()), 1),
        ("pip install", SECONDS, install_s, 1),
        ("start to first accepted push", MS, lambda: first_push_ms(verb("live", 1, 60))),
        ("peak memory, live", MB, lambda: peak_mb(verb("live", 100, 0.02))),
        ("CPU per pushed datapoint", MS_FINE, lambda: push_cpu_ms(verb("due", PUSH_COUNT))),
        ("lateness of a tick, p99 of 500", MS, lambda: p99(late_ms())),
        ("drift over 500 ticks", MS, lambda: drift(late_ms())),
        ("OpenMetrics, 10 M lines, CPU", SECONDS, lambda: cpu_s(theirs("text", SLICE)) * 50),
        ("remote write, 20 M samples, CPU", SECONDS, lambda: cpu_s(verb("backfill", SLICE)) * 100),
        ("peak memory, OpenMetrics, 1 M", MB, lambda: peak_mb(theirs("text", MILLION)), 1),
        ("10,000 series, one tick, CPU", MS, lambda: cpu_s(verb("fan-out", 10_000)) * 1e3),
    ]
    return [Row(what, None, show, it, None, *runs_max) for what, show, it, *runs_max in table]


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def print_table(cells):
    """Prints Markdown, in columns."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    machine = f"{os.cpu_count()} cores, {model[1] if model else platform.machine()}"
    print(f"Medians of {OPTIONS.runs}, {date.today()}, {machine}, `make bench`.\n")
    head = ["what", "budget", "measured", "floor", "ratio", ""]
    widths = [max(map(len, column)) for column in zip(head, *cells)]
    rule = ["-" * (width - 1) + ":" for width in widths[1:]]
    for what, *numbers in [head, ["-" * widths[0], *rule], *cells]:
        padded = [what.ljust(widths[0])] + [n.rjust(w) for n, w in zip(numbers, widths[1:])]
        print(f"| {' | '.join(padded)} |")


def main():
    subprocess.run(["cargo", "fetch", "--locked", "--quiet"], cwd=ROOT, check=False)
    measured = reference_rows() if OPTIONS.reference else rows()
    table = [row for row in measured if OPTIONS.only in row.what]
    for row in table:
        row.measure()
    print_table([row.cells() for row in table])
    missed = [row for row in table if row.is_missed()]
    for row in missed:
        say(f"MISSED: {row.what}" + (f": {row.error}" if row.error else ""))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for program in "binary", "sink", "floor":
        parser.add_argument(program, type=os.path.abspath)
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose names have this")
    OPTIONS = parser.parse_args()
    main()
