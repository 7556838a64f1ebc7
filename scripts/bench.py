#!/usr/bin/env python3
"""Measures the budgets of push-live-metrics; scripts/bench.sh calls it.

Usage: bench.py BINARY SINK FLOOR [--markdown] [--runs N] [--reference] [--only TEXT]

A budget in time is a ratio to a floor of the same run: the unavoidable part of the task, done
alone (examples/floor.rs). --reference measures the Python pipeline instead. A row that could not
be measured has the reason in the table, and counts as missed.
"""

import argparse
import contextlib
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from golden import ensure_venv, make_venv

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "target" / "bench"
VENV = HOME / "venv"
REFERENCE = [VENV / "bin" / "python", ROOT / "scripts" / "bench_reference.py"]
PROMETHEUS = ROOT / "target" / "receivers" / "bin" / "prometheus3"
PACKAGES = [
    "mockseries==0.3.1",
    "numpy==1.26.3",
    "scipy==1.11.4",
    "jinja2==3.1.6",
    "opentelemetry-exporter-prometheus-remote-write==0.66b1",
]

SERIES = ["--metric-name", "cpu", "--labels", "cpu=lina_cp_avg,tenant_uuid=abc123,uuid=device-456"]
FLEET = "cpu=lina_cp_avg,tenant_uuid=abc123,uuid=device-{1..10000}"
PAST = 1_577_836_800  # 2020-01-01, from where 100 M seconds end in 2023
LATE_COUNT, LATE_S = 500, 0.020
PUSH_COUNT, LINE_COUNT, SAMPLE_COUNT, MILLION = 2000, 10_000_000, 20_000_000, 1_000_000
BODY_BYTES = 130  # of a push of SERIES
READY_SECONDS = 30
NOWHERE = "http://127.0.0.1:1/api/v1/write"  # for floor, which pushes nothing there


class Failed(Exception):
    """A measurement that could not be made."""


# ---- running things


@dataclass
class Ran:
    wall_s: float
    cpu_s: float
    started_ns: int
    peak_mb: float | None
    output: str


def run(argv, watch_memory=False, wants_output=False, env=None):
    """Runs a command in an empty folder and environment; raises Failed unless it exits with 0.

    The peak is read from the process itself, once a millisecond: the one that wait4 gives
    is at least that of the process that forked, which here is Python.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        out = tempfile.TemporaryFile() if wants_output else subprocess.DEVNULL
        started_ns, started = time.time_ns(), time.perf_counter()
        child = subprocess.Popen(
            [str(word) for word in argv], cwd=folder, env=env or {}, stdin=subprocess.DEVNULL,
            stdout=out, stderr=log,
        )
        peak_mb = watch_peak(child.pid) if watch_memory else None
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines() or ["(nothing)"]
            raise Failed(f"exit {child.returncode}: {said[-1]}")
        output = ""
        if wants_output:
            out.seek(0)
            output = out.read().decode()
    return Ran(wall_s, usage.ru_utime + usage.ru_stime, started_ns, peak_mb, output)


def watch_peak(pid):
    peak_kb = 0
    while True:
        status = Path(f"/proc/{pid}/status").read_text()
        peak = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        if not peak:  # a zombie has no memory
            return peak_kb * 1024 / 1e6
        peak_kb = int(peak[0].split()[1])
        time.sleep(0.001)


@dataclass
class Sink:
    """The receiver that only reads; `body_bytes` and `arrivals_ns` are there when it is over."""

    address: str
    body_bytes: int = 0
    arrivals_ns: list = field(default_factory=list)

    @property
    def url(self):
        return f"http://{self.address}/api/v1/write"

    def check(self, count):
        if len(self.arrivals_ns) != count:
            raise Failed(f"{len(self.arrivals_ns)} requests came, not {count:.0f}")


@contextlib.contextmanager
def sink():
    pipe = subprocess.PIPE
    with subprocess.Popen([OPTIONS.sink], stdin=pipe, stdout=pipe, text=True) as child:
        seen = Sink(f"127.0.0.1:{int(child.stdout.readline())}")
        try:
            yield seen
        finally:
            child.stdin.close()
            seen.body_bytes, *seen.arrivals_ns = map(int, child.stdout.read().split())


@contextlib.contextmanager
def prometheus():
    """Gives the address of a Prometheus 3 that takes remote write, and has nothing yet."""
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
                    break
                time.sleep(0.1)
            else:
                raise Failed(f"Prometheus is not ready after {READY_SECONDS} seconds")
            yield text.split('msg="Listening on"')[1].split("address=")[1].split()[0]
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()


def ours(*flags, **options):
    return run([OPTIONS.binary, *flags], **options)


def floor(*words, **options):
    """Runs examples/floor.rs; returns the seconds that it prints."""
    return int(run([OPTIONS.floor, *words], wants_output=True, **options).output) / 1e9


def theirs(*words, **options):
    return run([*REFERENCE, *words], **options)


def past(count, *flags, start=PAST):
    """Returns the flags of a backfill of `count` datapoints, a second apart."""
    window = ["--start-epoch", start, "--end-epoch", start + count, "--step-size", "1s"]
    return ["backfill", *SERIES, *window, *flags]


# ---- what is measured: each gives a number, or two


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
    manifest = (ROOT / "Cargo.toml").read_text()
    wanted = ("[dependencies]", "[dev-dependencies]", "[features]", "[profile")
    head = '[package]\nname = "push-live-metrics"\nversion = "0.1.0"\nedition = "2024"\n'
    sections = re.split(r"\n(?=\[)", manifest)
    text = "\n".join([head] + [section for section in sections if section.startswith(wanted)])
    (folder / "Cargo.toml").write_text(text)
    shutil.copy(ROOT / "Cargo.lock", folder / "Cargo.lock")
    (folder / "src" / "main.rs").write_text(
        "fn main() {\n    ctrlc::set_handler(|| ()).unwrap();\n    let _ = fastrand::u64(..);\n"
        "    let _ = lexopt::Parser::from_env();\n    let _ = snap::raw::max_compress_len(1);\n"
        "    let _ = quick_protobuf::sizeofs::sizeof_varint(1);\n"
        "    let _ = time::OffsetDateTime::now_utc();\n"
        '    let _ = ureq::get("https://localhost").call();\n}\n'
    )
    return folder / "Cargo.toml"


def first_push_ms(start):
    with sink() as seen:
        ran = start(seen)
    return (seen.arrivals_ns[0] - ran.started_ns) / 1e6


def bare_push(seen, count=1):
    return run([OPTIONS.floor, "push", seen.address, count, BODY_BYTES])


def push_cpu_ms():
    window = ["--start-epoch", int(time.time()) - PUSH_COUNT - 60, "--interval", "1s"]
    with sink() as seen:
        ran = ours(*SERIES, *window, "--duration", f"{PUSH_COUNT}s", "--url", seen.url)
    seen.check(PUSH_COUNT)
    return ran.cpu_s * 1e3 / PUSH_COUNT


def bare_push_cpu_ms():
    with sink() as seen:
        ran = bare_push(seen, PUSH_COUNT)
    seen.check(PUSH_COUNT)
    return ran.cpu_s * 1e3 / PUSH_COUNT


def live_mb():
    with sink() as seen:
        window = ["--duration", "2s", "--interval", "20ms"]
        return ours(*SERIES, *window, "--url", seen.url, watch_memory=True).peak_mb


def lateness_ms():
    """Returns the 99th percentile, and how much later the end of the run is than its start."""
    start = int(time.time()) + 2
    window = ["--start-epoch", start, "--interval", f"{LATE_S * 1e3:.0f}ms"]
    with sink() as seen:
        ours(*SERIES, *window, "--duration", f"{LATE_COUNT * LATE_S:.0f}s", "--url", seen.url)
    return late(seen, start * 1e9)


def late(seen, start_ns):
    seen.check(LATE_COUNT)
    due_ns = (start_ns + i * LATE_S * 1e9 for i in range(LATE_COUNT))
    late_ms = [(arrival - due) / 1e6 for arrival, due in zip(seen.arrivals_ns, due_ns)]
    tenth = LATE_COUNT // 10
    drift = statistics.median(late_ms[-tenth:]) - statistics.median(late_ms[:tenth])
    return statistics.quantiles(late_ms, n=100)[98], abs(drift)


def push_past(count=SAMPLE_COUNT, **options):
    with sink() as seen:
        ran = ours(*past(count, "--url", seen.url), **options)
    seen.check(count / 2000)
    return ran


def into_prometheus_s(with_floor):
    """Returns the seconds that a million samples take into a Prometheus that has none."""
    start = int(time.time()) - MILLION - 60
    with prometheus() as address:
        flags = past(MILLION, "--url", f"http://{address}/api/v1/write", start=start)
        return floor("post", address, *flags) if with_floor else ours(*flags).wall_s


def fleet(url):
    start = int(time.time()) // 60 * 60 - 60
    window = ["--start-epoch", start, "--duration", 1]
    return ["--metric-name", "cpu", "--labels", FLEET, *window, "--url", url]


def push_fleet(**options):
    with sink() as seen:
        return ours(*fleet(seen.url), **options)


# ---- rows


def number(digits, unit):
    return lambda value: f"{value:,.{digits}f} {unit}".strip()


BYTES, COUNT, SECONDS = number(0, "B"), number(0, ""), number(2, "s")
MS, MS_FINE, MB, RATIO = number(1, "ms"), number(3, "ms"), number(1, "MB"), number(2, "x")


@dataclass
class Row:
    """A budget is a number in the row's unit or, where there are floors, a ratio to them."""

    what: str
    budget: float | None
    show: object
    values: list
    floors: list
    error: str = ""

    def is_missed(self):
        return bool(self.error) or (self.budget is not None and self.measured() > self.budget)

    def measured(self):
        value = statistics.median(self.values)
        return value / statistics.median(self.floors) if self.floors else value

    def cells(self):
        budget = ""
        if self.budget is not None:
            budget = f"≤ {(RATIO if self.floors else self.show)(self.budget)}"
        if self.error:
            return [self.what, budget, "", "", "not measured", "MISSED"]
        measured, bare, ratio = self.show(statistics.median(self.values)), "", ""
        if self.floors:
            bare, ratio = self.show(statistics.median(self.floors)), RATIO(self.measured())
        verdict = "" if self.budget is None else "MISSED" if self.is_missed() else "ok"
        return [self.what, budget, measured, bare, ratio, verdict]


def measure(names, measure_it, measure_floor=None, runs=None, show=MS):
    """Returns a row for each of `names`: pairs of what and budget, in the order of the numbers."""
    if OPTIONS.only not in names[0][0]:
        return
    say(names[0][0])
    numbers, floors, error = [], [], ""
    try:
        for _ in range(runs or OPTIONS.runs):
            numbers.append(as_tuple(measure_it()))
            if measure_floor:
                floors.append(measure_floor())
    except (Failed, OSError, subprocess.SubprocessError, ValueError) as problem:
        error = str(problem) or type(problem).__name__
    for i, (what, budget) in enumerate(names):
        yield Row(what, budget, show, [values[i] for values in numbers], floors, error)


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


def rows():
    def one(what, budget, *measures, **options):
        yield from measure([(what, budget)], *measures, **options)

    yield from one("static binary", 2.1e6, lambda: Path(OPTIONS.binary).stat().st_size, runs=1, show=BYTES)
    yield from one(
        "cold release build, 2 cores", 1.5, lambda: cold_build_s(ROOT / "Cargo.toml"),
        lambda: cold_build_s(floor_crate()), runs=min(OPTIONS.runs, 2), show=SECONDS,
    )
    due = [*SERIES, "--duration", "1", "--url"]
    yield from one(
        "start to first accepted push, loopback", 3,
        lambda: first_push_ms(lambda seen: ours(*due, seen.url)), lambda: first_push_ms(bare_push),
    )
    yield from one("peak memory, live, one series", 2.5, live_mb, show=MB)
    yield from one("CPU per pushed datapoint", 3, push_cpu_ms, bare_push_cpu_ms, show=MS_FINE)
    names = [("lateness of a tick, p99 of 500", 3), ("drift over 500 ticks", 0.5)]
    yield from measure(names, lateness_ms)
    lines = past(LINE_COUNT, "--output", "-")
    yield from one(
        "backfill as OpenMetrics, 10 M lines, CPU", 1.5, lambda: ours(*lines).cpu_s,
        lambda: floor("text", *lines), show=SECONDS,
    )
    samples = past(SAMPLE_COUNT, "--url", NOWHERE)
    yield from one(
        "backfill by remote write, 20 M samples, CPU", 2, lambda: push_past().cpu_s,
        lambda: floor("snap", *samples), show=SECONDS,
    )
    yield from one(
        "a million samples into Prometheus 3", 1.3, lambda: into_prometheus_s(False),
        lambda: into_prometheus_s(True), show=SECONDS,
    )
    for count, name, runs in (MILLION, "1 M", None), (100 * MILLION, "100 M (once)", 1):
        to_nowhere = past(count, "--output", "-")
        yield from one(
            f"peak memory, backfill as OpenMetrics, {name}", 8,
            lambda: ours(*to_nowhere, watch_memory=True).peak_mb, runs=runs, show=MB,
        )
        yield from one(
            f"peak memory, backfill by remote write, {name}", 8,
            lambda: push_past(count, watch_memory=True).peak_mb, runs=runs, show=MB,
        )
    yield from one(
        "10,000 series, one tick, CPU", 2, lambda: push_fleet().cpu_s * 1e3,
        lambda: floor("snap", *fleet(NOWHERE)) * 1e3,
    )
    yield from one(
        "10,000 series, one tick, peak memory", 9, lambda: push_fleet(watch_memory=True).peak_mb, show=MB
    )


# ---- the Python pipeline


def into_sink(*words, **options):
    """Runs the pipeline with the sink's URL as its second word."""
    with sink() as seen:
        ran = theirs(words[0], seen.url, *words[1:], **options)
    return ran, seen


def install_s():
    target = HOME / "cold-venv"
    started = time.perf_counter()
    make_venv(target, PACKAGES)
    elapsed = time.perf_counter() - started
    shutil.rmtree(target)
    return elapsed


def their_lateness_ms():
    _, seen = into_sink("live", LATE_COUNT, LATE_S)
    return late(seen, seen.arrivals_ns[0])


def reference_rows():
    def one(what, measure_it, **options):
        yield from measure([(what, None)], measure_it, **options)

    def size():
        return sum(path.lstat().st_size for path in VENV.rglob("*") if path.is_file())

    def first_push():
        ran, seen = into_sink("live", 1, 60)
        return (seen.arrivals_ns[0] - ran.started_ns) / 1e6

    ensure_venv(VENV, PACKAGES)
    yield from one("Python environment", size, runs=1, show=BYTES)
    yield from one("pip install", install_s, runs=1, show=SECONDS)
    yield from one("start to first accepted push", first_push)
    yield from one("peak memory, live", lambda: into_sink("live", 100, 0.02, watch_memory=True)[0].peak_mb, show=MB)
    yield from one("CPU per pushed datapoint", lambda: into_sink("due", PUSH_COUNT)[0].cpu_s * 1e3 / PUSH_COUNT, show=MS_FINE)
    yield from measure([("lateness of a tick, p99 of 500", None), ("drift over 500 ticks", None)], their_lateness_ms)
    yield from one("OpenMetrics, 10 M lines, CPU", lambda: theirs("text", 200_000).cpu_s * 50, show=SECONDS)
    yield from one("remote write, 20 M samples, CPU", lambda: into_sink("backfill", 200_000)[0].cpu_s * 100, show=SECONDS)
    yield from one("peak memory, OpenMetrics, 1 M", lambda: theirs("text", MILLION, watch_memory=True).peak_mb, runs=1, show=MB)
    yield from one("10,000 series, one tick, CPU", lambda: into_sink("fan-out", 10_000)[0].cpu_s * 1e3)


# ---- the table


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def machine():
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    model = models[0].split(":")[1].strip() if models else platform.machine()
    return f"{os.cpu_count()} cores, {model}"


def print_table(measured):
    cells = [["what", "budget", "measured", "floor", "ratio", ""]] + [row.cells() for row in measured]
    widths = [max(len(row[i]) for row in cells) for i in range(6)]
    for row in cells:
        padded = [row[0].ljust(widths[0])] + [text.rjust(widths[i]) for i, text in enumerate(row)][1:]
        print("  ".join(padded).rstrip())


def print_markdown(measured):
    print(f"Medians of {OPTIONS.runs}, {date.today()}, {machine()}, `make bench`.\n")
    print("| what | budget | measured | floor | ratio |\n|---|--:|--:|--:|--:|")
    for row in measured:
        *cells, verdict = row.cells()
        cells[2] = f"**{cells[2]}**" if verdict == "MISSED" else cells[2]
        print(f"| {' | '.join(cells)} |")


def main():
    subprocess.run(["cargo", "fetch", "--locked", "--quiet"], cwd=ROOT, check=False)
    measured = list(reference_rows() if OPTIONS.reference else rows())
    (print_markdown if OPTIONS.markdown else print_table)(measured)
    missed = [row for row in measured if row.is_missed()]
    for row in missed:
        say(f"MISSED: {row.what}" + (f": {row.error}" if row.error else ""))
    sys.exit(1 if missed else 0)


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("sink", type=os.path.abspath)
    parser.add_argument("floor", type=os.path.abspath)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose names have this")
    return parser.parse_args()


if __name__ == "__main__":
    OPTIONS = parse_options()
    main()
