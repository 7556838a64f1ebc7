#!/usr/bin/env python3
"""Measures push-live-metrics and the Python pipeline in turn; scripts/bench.sh calls it.

Usage: bench.py BINARY SINK [--markdown] [--runs N]

Each row's function gives one measurement of ours and one of theirs; a row that fails says
why in the table, and is missed. Times are of the wall clock unless a row says CPU.
"""

import argparse
import contextlib
import os
import platform
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

from golden import find_python

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
FLEET_COUNT = 10_000
PAST = 1_577_836_800  # 2020-01-01, from where 100 M seconds end in 2023
LATE_COUNT, LATE_S = 500, 0.020
READY_SECONDS = 30


class Failed(Exception):
    """A measurement that could not be made."""


# ---- running things


@dataclass
class Ran:
    wall_s: float
    cpu_s: float
    started_ns: int
    peak_mb: float | None = None


def run(argv, stdout=subprocess.DEVNULL, watch_memory=False, env=None):
    """Runs a command in an empty folder and environment; raises Failed unless it exits with 0.

    The peak is read from the process itself, once a millisecond: the one that wait4 gives
    is at least that of the process that forked, which here is Python.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        started_ns, started = time.time_ns(), time.perf_counter()
        child = subprocess.Popen(
            [str(word) for word in argv], cwd=folder, env=env or {}, stdin=subprocess.DEVNULL,
            stdout=stdout, stderr=log,
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
        status = Path(f"/proc/{pid}/status").read_text()
        peak = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        if not peak:  # a zombie has no memory
            return peak_kb * 1024 / 1e6
        peak_kb = int(peak[0].split()[1])
        time.sleep(0.001)


@dataclass
class Sink:
    """The receiver that only reads; `body_bytes` and `arrivals_ns` are there when it is over."""

    url: str
    body_bytes: int = 0
    arrivals_ns: list = field(default_factory=list)


@contextlib.contextmanager
def sink():
    pipe = subprocess.PIPE
    with subprocess.Popen([OPTIONS.sink], stdin=pipe, stdout=pipe, text=True) as child:
        seen = Sink(f"http://127.0.0.1:{int(child.stdout.readline())}/api/v1/write")
        try:
            yield seen
        finally:
            child.stdin.close()
            seen.body_bytes, *seen.arrivals_ns = map(int, child.stdout.read().split())


@contextlib.contextmanager
def prometheus():
    """Gives the URL and the process id of a Prometheus 3 that takes remote write."""
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
                    address = text.split('msg="Listening on"')[1].split("address=")[1].split()[0]
                    break
                time.sleep(0.1)
            else:
                raise Failed(f"Prometheus is not ready after {READY_SECONDS} seconds")
            yield f"http://{address}/api/v1/write", child.pid
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()


def cpu_s_of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ours(*flags, **options):
    return run([OPTIONS.binary, *flags], **options)


def theirs(*words, **options):
    return run([*REFERENCE, *words], **options)


def past(count, *flags):
    """Returns the flags of a backfill of `count` datapoints, a second apart."""
    window = ["--start-epoch", PAST, "--end-epoch", PAST + count, "--step-size", "1s"]
    return ["backfill", *SERIES, *window, *flags]


# ---- what is measured: a pair of functions a row, each of which gives a number, or two


def binary_bytes():
    return Path(OPTIONS.binary).stat().st_size


def environment_bytes():
    return sum(path.lstat().st_size for path in VENV.rglob("*") if path.is_file())


def crate_count():
    argv = ["cargo", "tree", "--locked", "--offline", "--prefix", "none", "-e", "normal"]
    tree = subprocess.run([*argv, "--format", "{p}"], cwd=ROOT, capture_output=True, text=True)
    names = {line.removesuffix(" (*)") for line in tree.stdout.splitlines() if line}
    return len(names) - 1


def package_count():
    argv = [VENV / "bin" / "python", "-m", "pip", "list", "--format=freeze"]
    lines = subprocess.run(argv, capture_output=True, text=True).stdout.splitlines()
    return len([line for line in lines if line.split("==")[0] not in ("pip", "setuptools")])


def cold_build_s():
    target = HOME / "cold"
    shutil.rmtree(target, ignore_errors=True)
    words = ["build", "--release", "--locked", "--offline", "--jobs", "2"]
    argv = ["cargo", *words, "--manifest-path", ROOT / "Cargo.toml", "--target-dir", target]
    if cores := shutil.which("taskset"):
        argv = [cores, "-c", "0,1", *argv]
    try:
        return run(argv, env=dict(os.environ)).wall_s
    finally:
        shutil.rmtree(target, ignore_errors=True)


def install_s():
    target = HOME / "cold-venv"
    started = time.perf_counter()
    make_venv(target)
    elapsed = time.perf_counter() - started
    shutil.rmtree(target)
    return elapsed


def first_push_ms():
    with sink() as seen:
        ran = ours(*SERIES, "--duration", "1", "--url", seen.url)
    return (seen.arrivals_ns[0] - ran.started_ns) / 1e6


def their_first_push_ms():
    with sink() as seen:
        ran = theirs("live", seen.url, 1, 60)
    return (seen.arrivals_ns[0] - ran.started_ns) / 1e6


def live_mb():
    with sink() as seen:
        window = ["--duration", "2s", "--interval", "20ms"]
        return ours(*SERIES, *window, "--url", seen.url, watch_memory=True).peak_mb


def their_live_mb():
    with sink() as seen:
        return theirs("live", seen.url, 100, 0.02, watch_memory=True).peak_mb


def cpu_ms_a_datapoint(count=2000):
    window = ["--start-epoch", int(time.time()) - count - 60, "--interval", "1s"]
    with sink() as seen:
        ran = ours(*SERIES, *window, "--duration", f"{count}s", "--url", seen.url)
    check_requests(seen, count)
    return ran.cpu_s * 1e3 / count


def their_cpu_ms_a_datapoint(count=2000):
    with sink() as seen:
        ran = theirs("due", seen.url, count)
    check_requests(seen, count)
    return ran.cpu_s * 1e3 / count


def lateness_ms():
    """Returns the 99th percentile, and how much later the end of the run is than its start."""
    start = int(time.time()) + 2
    window = ["--start-epoch", start, "--interval", f"{LATE_S * 1e3:.0f}ms"]
    with sink() as seen:
        ours(*SERIES, *window, "--duration", f"{LATE_COUNT * LATE_S:.0f}s", "--url", seen.url)
    check_requests(seen, LATE_COUNT)
    return late(seen, start * 1e9)


def their_lateness_ms():
    with sink() as seen:
        theirs("live", seen.url, LATE_COUNT, LATE_S)
    check_requests(seen, LATE_COUNT)
    return late(seen, seen.arrivals_ns[0])


def late(seen, start_ns):
    due_ns = (start_ns + i * LATE_S * 1e9 for i in range(LATE_COUNT))
    late_ms = [(arrival - due) / 1e6 for arrival, due in zip(seen.arrivals_ns, due_ns)]
    tenth = LATE_COUNT // 10
    drift = statistics.median(late_ms[-tenth:]) - statistics.median(late_ms[:tenth])
    return statistics.quantiles(late_ms, n=100)[98], abs(drift)


def lines_a_second(count=10_000_000):
    return count / ours(*past(count, "--output", "-")).wall_s


def their_lines_a_second(count=200_000):
    return count / theirs("text", count).wall_s


def samples_a_second(count=20_000_000):
    """Returns samples a second of the sender's CPU, and of the wall clock."""
    with sink() as seen:
        ran = ours(*past(count, "--url", seen.url))
    check_requests(seen, count / 2000)
    return count / ran.cpu_s, count / ran.wall_s


def their_samples_a_second(count=200_000):
    with sink() as seen:
        ran = theirs("backfill", seen.url, count)
    check_requests(seen, count / 2000)
    return count / ran.cpu_s, count / ran.wall_s


def text_mb(count):
    return ours(*past(count, "--output", "-"), watch_memory=True).peak_mb


def their_text_mb(count):
    return theirs("text", count, watch_memory=True).peak_mb


def push_mb(count):
    with sink() as seen:
        return ours(*past(count, "--url", seen.url), watch_memory=True).peak_mb


def their_push_mb(count):
    with sink() as seen:
        return theirs("backfill", seen.url, count, watch_memory=True).peak_mb


def fleet(url, ticks, *flags):
    start = int(time.time()) // 60 * 60 - ticks * 60
    window = ["--start-epoch", start, "--duration", ticks]
    return ["--metric-name", "cpu", "--labels", FLEET, *window, "--url", url, *flags]


def fan_out_cpu_ms():
    with sink() as seen:
        return ours(*fleet(seen.url, 1)).cpu_s * 1e3


def their_fan_out_cpu_ms():
    with sink() as seen:
        return theirs("fan-out", seen.url, FLEET_COUNT).cpu_s * 1e3


def fan_out_mb():
    with sink() as seen:
        return ours(*fleet(seen.url, 1), watch_memory=True).peak_mb


def their_fan_out_mb():
    with sink() as seen:
        return theirs("fan-out", seen.url, FLEET_COUNT, watch_memory=True).peak_mb


def bytes_a_sample(protocol):
    with sink() as seen:
        ours(*fleet(seen.url, 1, "--protocol", protocol))
    return seen.body_bytes / FLEET_COUNT


def their_bytes_a_sample():
    with sink() as seen:
        theirs("fan-out", seen.url, FLEET_COUNT)
    return seen.body_bytes / FLEET_COUNT


def into_prometheus_cpu_ms(protocol, ticks=10):
    """Returns the sender's and the receiver's CPU a tick, of series that are new to it."""
    with prometheus() as (url, pid):
        before = cpu_s_of(pid)
        ran = ours(*fleet(url, ticks, "--protocol", protocol))
        return ran.cpu_s * 1e3 / ticks, (cpu_s_of(pid) - before) * 1e3 / ticks


def check_requests(seen, count):
    if len(seen.arrivals_ns) != count:
        raise Failed(f"{len(seen.arrivals_ns)} requests came, not {count:.0f}")


# ---- rows


def number(digits, unit):
    return lambda value: f"{value:,.{digits}f} {unit}".strip()


BYTES, COUNT, SECONDS = number(0, "B"), number(0, ""), number(1, "s")
MS, MS_FINE, MB, RATE = number(1, "ms"), number(3, "ms"), number(1, "MB"), number(2, "M/s")


@dataclass
class Row:
    what: str
    budget: float | None
    show: object
    ours: list
    theirs: list
    more_is_better: bool = False
    error: str = ""

    def value(self):
        return statistics.median(self.ours)

    def is_missed(self):
        if self.error:
            return True
        if self.budget is None:
            return False
        return self.value() < self.budget if self.more_is_better else self.value() > self.budget

    def cells(self):
        sign = "≥" if self.more_is_better else "≤"
        budget = "" if self.budget is None else f"{sign} {self.show(self.budget)}"
        if self.error:
            return [self.what, budget, "not measured", "", "", "MISSED"]
        value = self.value()
        reference = ratio = ""
        if self.theirs:
            theirs = statistics.median(self.theirs)
            reference = self.show(theirs)
            better, worse = (value, theirs) if self.more_is_better else (theirs, value)
            # A ratio to a zero would be one to the measuring error.
            if self.show(worse) != self.show(0):
                ratio = f"{better / worse:,.{0 if better >= 10 * worse else 1}f} x"
        verdict = "" if self.budget is None else "MISSED" if self.is_missed() else "ok"
        return [self.what, budget, self.show(value), reference, ratio, verdict]


def measure(names, measure_ours, measure_theirs=None, scale=1, runs=None, **options):
    """Returns a row for each of `names`: pairs of what and budget, in the order of the numbers."""
    say(names[0][0])
    numbers, their_numbers, error = [], [], ""
    try:
        for _ in range(runs or OPTIONS.runs):
            numbers.append(as_tuple(measure_ours()))
            if measure_theirs:
                their_numbers.append(as_tuple(measure_theirs()))
    except (Failed, OSError, subprocess.SubprocessError) as problem:
        error = str(problem) or type(problem).__name__
    rows = []
    for i, (what, budget) in enumerate(names):
        mine = [values[i] * scale for values in numbers]
        other = [values[i] * scale for values in their_numbers]
        rows.append(Row(what, budget, ours=mine, theirs=other, error=error, **options))
    return rows


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


def all_rows():
    name = "static binary; Python environment"
    yield from measure([(name, 2.1e6)], binary_bytes, environment_bytes, runs=1, show=BYTES)
    name = "crates; Python packages"
    yield from measure([(name, 40)], crate_count, package_count, runs=1, show=COUNT)
    name = "cold release build, 2 cores; pip install"
    yield from measure([(name, 60)], cold_build_s, install_s, show=SECONDS)
    name = "start to first accepted push, loopback"
    yield from measure([(name, 10)], first_push_ms, their_first_push_ms, show=MS)
    yield from measure([("peak memory, live, one series", 5)], live_mb, their_live_mb, show=MB)
    name = "CPU per pushed datapoint"
    yield from measure([(name, 1)], cpu_ms_a_datapoint, their_cpu_ms_a_datapoint, show=MS_FINE)
    names = [("lateness of a tick, p99 of 500", 10), ("drift over 500 ticks", 0.5)]
    yield from measure(names, lateness_ms, their_lateness_ms, show=MS)
    yield from measure(
        [("backfill as OpenMetrics, lines", 3)], lines_a_second, their_lines_a_second,
        scale=1e-6, show=RATE, more_is_better=True,
    )
    yield from measure(
        [("backfill by remote write, samples by sender's CPU", 5), ("same, by the clock", None)],
        samples_a_second, their_samples_a_second, scale=1e-6, show=RATE, more_is_better=True,
    )
    for what, mine, other in [
        ("OpenMetrics", text_mb, their_text_mb),
        ("remote write", push_mb, their_push_mb),
    ]:
        small, large = 1_000_000, 100_000_000
        name = f"peak memory, backfill as {what}"
        both = (lambda: mine(small)), (lambda: other(small))
        yield from measure([(f"{name}, 1 M", 8)], *both, show=MB)
        yield from measure([(f"{name}, 100 M (once)", 8)], lambda: mine(large), runs=1, show=MB)
    name = "10,000 series, one tick, CPU"
    yield from measure([(name, 50)], fan_out_cpu_ms, their_fan_out_cpu_ms, show=MS)
    name = "10,000 series, one tick, peak memory"
    yield from measure([(name, 64)], fan_out_mb, their_fan_out_mb, show=MB)
    for protocol in 1, 2:
        name = f"10,000 series by {protocol}.0, bytes a sample"
        once = lambda: bytes_a_sample(protocol)
        yield from measure([(name, None)], once, their_bytes_a_sample, runs=1, show=number(1, "B"))
    for protocol in 1, 2:
        name = f"10,000 series by {protocol}.0 into Prometheus 3, CPU a tick"
        names = [(f"{name}, sender", None), (f"{name}, Prometheus", None)]
        yield from measure(names, lambda: into_prometheus_cpu_ms(protocol), show=MS)


# ---- the environment and the table


def make_venv(folder):
    python = find_python()
    try:
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True, stdout=sys.stderr)
        pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", *PACKAGES], check=True, stdout=sys.stderr)
    except subprocess.CalledProcessError as problem:
        raise Failed(f"the Python environment: {problem}") from problem


def ensure_venv():
    stamp = VENV / "packages.txt"
    if not stamp.exists() or stamp.read_text().split() != PACKAGES:
        say("making the Python environment")
        try:
            make_venv(VENV)
        except Failed as problem:
            say(f"{problem}; every row that needs it will fail")
            return
        stamp.write_text("\n".join(PACKAGES) + "\n")


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def machine():
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    model = models[0].split(":")[1].strip() if models else platform.machine()
    return f"{os.cpu_count()} cores, {model}"


def print_table(rows):
    cells = [["what", "budget", "measured", "reference", "ratio", ""]] + [row.cells() for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(6)]
    for row in cells:
        padded = [row[0].ljust(widths[0])] + [text.rjust(widths[i]) for i, text in enumerate(row)][1:]
        print("  ".join(padded).rstrip())


def print_markdown(rows):
    print(f"Medians of {OPTIONS.runs}, {date.today()}, {machine()}, `make bench`; the reference is the")
    print("Python pipeline (mockseries, jinja2, opentelemetry's exporter) in the same run.\n")
    print("| what | budget | measured | reference | ratio |\n|---|--:|--:|--:|--:|")
    for row in rows:
        *cells, verdict = row.cells()
        cells[2] = f"**{cells[2]}**" if verdict == "MISSED" else cells[2]
        print(f"| {' | '.join(cells)} |")


def main():
    ensure_venv()
    subprocess.run(["cargo", "fetch", "--locked", "--quiet"], cwd=ROOT, check=False)
    rows = list(all_rows())
    (print_markdown if OPTIONS.markdown else print_table)(rows)
    missed = [row for row in rows if row.is_missed()]
    for row in missed:
        say(f"MISSED: {row.what}" + (f": {row.error}" if row.error else ""))
    sys.exit(1 if missed else 0)


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("sink", type=os.path.abspath)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    OPTIONS = parse_options()
    main()
