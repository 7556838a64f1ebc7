#!/usr/bin/env python3
"""Writes tests/golden/: expected values from independent programs.

Usage: python3 scripts/golden.py        (Python 3.10 to 3.12; needs pip's registry once)

Makes its own virtual environment in target/golden-venv and runs itself again inside it. The
same machine gives the same files; another processor may move the last bit of a few values in
series/, because numpy calls the C library's log, which has a path for FMA.
"""

import os
import random
import shutil
import struct
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / "target" / "golden-venv"
GOLDEN = ROOT / "tests" / "golden"
PACKAGES = ["mockseries==0.3.1", "numpy==1.26.3", "scipy==1.11.4", "mpmath==1.4.1"]
PACKAGES += ["protobuf==6.33.6", "opentelemetry-exporter-prometheus-remote-write==0.66b1"]
PYTHONS = [(3, 10), (3, 11), (3, 12)]  # what both mockseries and the exporter run on

POINT_COUNT, LN_COUNT = 2000, 3000
STALE_NAN = 0x7FF0000000000002
LIVE_MS = 1765969200000  # 2025-12-17T11:00:00Z

DAY = {0: 1.0, 2: 10.8, 4: 18.1, 6: 19.5, 8: 17.6, 10: 15.8, 12: 14.1, 14: 12.8}
DAY |= {16: 10.3, 18: 8.7, 20: 3.6, 22: 1.8}
KNOTS = {hour * 60: value for hour, value in DAY.items()}
DEFAULTS = dict(
    origin="2025-12-17T11:00:00", step_ms=60_000, first_index=0, flat_base=5.0, coefficient=0.1,
    unit_us=3_420_000_000, knots=KNOTS, week=None, utc_offset_min=0, mean=0.0, std=3.0, seed=42,
)
UNEVEN = {95: -2.5, 250: 40.0, 251: 40.0, 700: 39.0, 1020: -1e-3, 1439: 0.25}
STEEP = {0: 0.0, 1: 1e9}
EVERY_7_MINUTES = {m: round(50 * ((m * m) % 997) / 997 - 20, 3) for m in range(0, 1440, 7)}
# Minutes since Monday's midnight.
WEEKEND = {0: 0.0, 5 * 1440: -6.0, 6 * 1440 + 720: -8.0}
UNEVEN_WEEK = {3: 2.0, 611: -2.5, 612: -2.5, 4321: 40.0, 5000: 39.0, 8888: -1e-3, 10_079: 0.25}
EVERY_97_MINUTES = {m: round(9 * ((m * m) % 991) / 991 - 4, 3) for m in range(5, 10_080, 97)}
NO_DAY = dict(knots=None, week=WEEKEND)
EAST = dict(utc_offset_min=330, origin="2025-01-15T17:59:59.999", step_ms=59_999, seed=8)
WEST = dict(utc_offset_min=-570, knots=UNEVEN, step_ms=900_000, seed=2**31)
LONG_AGO = NO_DAY | dict(week=UNEVEN_WEEK, utc_offset_min=-1, step_ms=86_399_999)

SERIES = {
    "default": {},
    "from_60000": dict(first_index=60_000),
    "leap_day": dict(origin="2024-02-28T20:00:00", coefficient=2.5, flat_base=100.0),
    "mid_minute": dict(origin="2025-03-04T23:47:31.123", step_ms=1_000, seed=7),
    "hourly": dict(origin="2025-12-17T11:07:09", step_ms=3_600_000, unit_us=86_400_000_000),
    "falling": dict(coefficient=-0.37, flat_base=-12.5, unit_us=1_234_567, step_ms=1_500, seed=1),
    "largest_seed": dict(seed=2**32 - 1, std=0.125, mean=10.7, step_ms=15_000),
    "loud": dict(std=1e6, mean=-3.3, seed=123_456_789, step_ms=300_000),
    "no_noise": dict(std=0.0, mean=0.3, origin="2025-06-30T22:59:58.007", step_ms=61_001),
    "uneven_knots": dict(knots=UNEVEN, step_ms=97_003, seed=3),
    "steep": dict(knots=STEEP, origin="2025-12-31T23:59:55", step_ms=37, std=0.0),
    "many_knots": dict(knots=EVERY_7_MINUTES, std=0.5, step_ms=47_000, seed=99),
    "one_knot": dict(knots={615: 7.25}, origin="2024-12-31T23:30:00", seed=5),
    "two_knots": dict(knots={600: 7.25, 1100: -3.1}, step_ms=300_000, seed=6),
    "east": EAST,
    "west": WEST,
    "no_season": dict(knots=None, coefficient=0.0, flat_base=0.0, std=1.0, seed=11),
    "before_1970": dict(origin="1969-12-31T12:00:00.250", step_ms=43_210, seed=70),
    # The curve of the week, alone and together with that of the day.
    "week": dict(week=WEEKEND, step_ms=900_000),
    "week_by_minutes": dict(week=WEEKEND, origin="2025-12-13T11:00:00"),
    "week_from_20000": dict(week=WEEKEND, first_index=20_000, step_ms=300_000, seed=9),
    "week_alone": NO_DAY | dict(step_ms=600_000),
    "week_alone_no_noise": NO_DAY | dict(std=0.0, mean=0.3, step_ms=301_007, flat_base=0.0),
    "week_mid_minute": dict(week=WEEKEND, origin="2025-03-02T23:47:31.123", step_ms=1_000, seed=7),
    "week_leap_day": dict(week=UNEVEN_WEEK, origin="2024-02-26T20:00:00", step_ms=420_000, seed=2),
    "week_uneven": dict(week=UNEVEN_WEEK, knots=UNEVEN, step_ms=597_003, seed=3),
    "week_many_knots": dict(week=EVERY_97_MINUTES, std=0.5, step_ms=310_001, seed=99),
    "week_many_knots_alone": NO_DAY | dict(week=EVERY_97_MINUTES, std=0.0, step_ms=47_000),
    "week_steep": NO_DAY | dict(week=STEEP, origin="2025-12-28T23:59:55", step_ms=37, std=0.0),
    "week_one_knot": NO_DAY | dict(week={615: 7.25}, origin="2024-12-31T23:30:00", seed=5),
    "week_two_knots": dict(week={600: 7.25, 7100: -3.1}, step_ms=1_800_000, seed=6),
    "week_east": EAST | dict(week=WEEKEND, step_ms=359_999),
    "week_west": WEST | dict(week=UNEVEN_WEEK),
    "week_east_alone": NO_DAY | dict(week=UNEVEN_WEEK, utc_offset_min=840, step_ms=333_333),
    "week_before_1970": dict(week=WEEKEND, origin="1969-12-25T12:00:00.250", step_ms=443_210),
    "week_long_before_1970": LONG_AGO | dict(origin="1902-07-09T03:04:05"),
}


def find_python():
    """Returns a Python that the pinned packages run on."""
    if sys.version_info[:2] in PYTHONS:
        return sys.executable
    for major, minor in reversed(PYTHONS):
        if found := shutil.which(f"python{major}.{minor}"):
            return found
    sys.exit("golden.py: needs Python 3.10, 3.11 or 3.12 on the PATH")


def make_venv(folder, packages):
    """Makes a virtual environment; returns its Python."""
    python = folder / "bin" / "python"
    subprocess.run([find_python(), "-m", "venv", "--clear", folder], check=True, stdout=sys.stderr)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *packages]
    subprocess.run(pip, check=True, stdout=sys.stderr)
    (folder / "packages.txt").write_text("\n".join(packages) + "\n")
    return python


def ensure_venv(folder, packages):
    """Makes a virtual environment when it is not there or its pins moved; returns its Python."""
    stamp = folder / "packages.txt"
    if stamp.exists() and stamp.read_text().split() == packages:
        return folder / "bin" / "python"
    return make_venv(folder, packages)


def bits(value):
    """Returns the IEEE 754 bits of a float as 16 hex digits."""
    return struct.pack(">d", value).hex()


def mockseries_values(p, count):
    """Returns the first `count` values, as the real package gives them."""
    from mockseries.noise import GaussianNoise
    from mockseries.seasonality import DailySeasonality, WeeklySeasonality
    from mockseries.trend import LinearTrend
    from mockseries.utils import datetime_range

    unit = timedelta(microseconds=p["unit_us"])
    signal = LinearTrend(coefficient=p["coefficient"], time_unit=unit, flat_base=p["flat_base"])
    offset = timedelta(minutes=p["utc_offset_min"])
    for curve, knots in [(DailySeasonality, p["knots"]), (WeeklySeasonality, p["week"])]:
        if knots is not None:
            knots = {timedelta(minutes=minute): value for minute, value in knots.items()}
            signal = signal + curve(knots, utc_offset=offset)
    signal = signal + GaussianNoise(mean=p["mean"], std=p["std"], random_seed=p["seed"])
    start, step = datetime.fromisoformat(p["origin"]), timedelta(milliseconds=p["step_ms"])
    points = datetime_range(granularity=step, start_time=start, num_points=count)
    return signal.generate(points)


def write_series(name, p):
    since_1970 = datetime.fromisoformat(p["origin"]) - datetime(1970, 1, 1)
    knots = lambda key: ",".join(f"{m}={v!r}" for m, v in p[key].items()) if p[key] else "none"
    lines = [f"origin_ms {since_1970 // timedelta(milliseconds=1)}"]
    keys = ("step_ms", "first_index", "flat_base", "coefficient", "unit_us")
    lines += [f"{key} {p[key]}" for key in keys]
    lines += [f"knots {knots('knots')}", f"weekly_knots {knots('week')}"]
    lines += [f"utc_offset_ms {p['utc_offset_min'] * 60_000}", f"noise_mean {p['mean']}"]
    lines += [f"noise_std {p['std']}", f"seed {p['seed']}", "values"]
    values = mockseries_values(p, p["first_index"] + POINT_COUNT)
    lines += [bits(value) for value in values[p["first_index"] :]]
    write(f"series/{name}.txt", lines)


def ln_arguments():
    """Yields arguments where a logarithm goes wrong, then squared radii as the noise has them."""
    rng = random.Random(20251217)
    for exponent in list(range(1, 53)) + [104]:
        yield from (1.0 - 2.0**-exponent, 2.0**-exponent, 1.0 + 2.0**-exponent)
    edges = [edge for eighth in range(5, 12) for edge in (eighth / 8, eighth / 8 - 1 / 16)]
    for x in (edge + ulps * 2.0**-52 for edge in edges for ulps in (-2, -1, 0, 1, 2)):
        yield from (x, x / 8)
    yield from (2.0**-1022, 1.7976931348623157e308, 2.718281828459045, 10.0)
    yield from (1.0 + rng.uniform(-1, 1) * 2.0 ** -rng.randrange(1, 50) for _ in range(600))
    yield from (rng.uniform(1, 2) * 2.0 ** rng.randrange(-110, 60) for _ in range(300))
    while True:
        r2 = rng.uniform(-1, 1) ** 2 + rng.uniform(-1, 1) ** 2
        if 0 < r2 < 1:
            yield r2


def write_ln():
    from mpmath import log, mp, mpf

    mp.prec = 300
    lines = []
    for _, x in zip(range(LN_COUNT), ln_arguments()):
        exact = log(mpf(x))
        lines.append(f"{bits(x)} {bits(float(exact))} {bits(float(exact - mpf(float(exact))))}")
    write("ln.txt", lines)


HELP = "Live metric data"
COUNTER, GAUGE = 1, 2


def series(labels, samples, help_text=HELP, starts=None):
    """One series of a case: samples of (f64 or its bits, ms); help None = no metadata.

    A counter has the start timestamp of each sample.
    """
    to_bits = lambda value: value if isinstance(value, int) else int(bits(value), 16)
    return dict(
        name=labels["__name__"],
        labels=sorted(labels.items()),
        samples=[(to_bits(value), ms) for value, ms in samples],
        help=help_text,
        type=GAUGE if starts is None else COUNTER,
        starts=starts or [None] * len(samples),
    )


def fleet(labels, **options):
    by_uuid = [(labels | {"uuid": f"device-{k:03}"}, k / 7) for k in range(1, 41)]
    return [series(labels, [(value, LIVE_MS)], **options) for labels, value in by_uuid]


CPU = {"__name__": "cpu", "uuid": "device-456", "tenant_uuid": "abc123", "cpu": "lina_cp_avg"}
UNICODE = {"__name__": "temp:c", "city": "Zürich", "emoji": "🚀 up", "quote": 'a"b\\c,d=e {x}'}
TOTAL = CPU | {"__name__": "requests_total"}
RESET_SAMPLES = [(i % 3 * 1.5, LIVE_MS + i * 60_000) for i in range(9)]
RESET_STARTS = [LIVE_MS + i // 3 * 180_000 for i in range(9)]
MESSAGES = {
    "plain": [series(CPU, [(12.45, LIVE_MS)])],
    "name_only": [series({"__name__": "up"}, [(1.0, LIVE_MS)])],
    "no_metadata": [series(CPU, [(12.45, LIVE_MS)], None)],
    "zero": [series(CPU, [(0.0, LIVE_MS)])],
    "negative_zero": [series(CPU, [(-0.0, LIVE_MS)])],
    "negative_value": [series(CPU, [(-273.15, LIVE_MS)])],
    "extremes": [series(CPU, [(5e-324, 1), (1.7976931348623157e308, 2), (-1e-300, 2**62)])],
    "infinities": [series(CPU, [(float("inf"), LIVE_MS), (float("-inf"), LIVE_MS + 1)])],
    "stale_marker": [series(CPU, [(STALE_NAN, LIVE_MS)])],
    "ordinary_nan": [series(CPU, [(0x7FF8000000000001, LIVE_MS)])],
    "timestamp_zero": [series(CPU, [(12.45, 0)])],
    "timestamp_negative": [series(CPU, [(12.45, -1), (0.5, -(2**63))])],
    "all_zero": [series(CPU, [(0.0, 0)])],
    "many_samples": [series(CPU, [(i * 0.3 - 7, LIVE_MS + i * 60_000) for i in range(20)])],
    "many_series": fleet(CPU),
    "two_metrics": [series(CPU, [(1.5, LIVE_MS)]), series(UNICODE, [(2.5, LIVE_MS)], "Other")],
    "unicode": [series(UNICODE, [(21.5, LIVE_MS)], "Température ≥ 0 °C, “quoted”")],
    "empty_help": [series(CPU, [(12.45, LIVE_MS)], "")],
    "long_help": [series(CPU, [(12.45, LIVE_MS)], "0123456789 ünïcode " * 60 + "end")],
    "long_value": [series(CPU | {"uuid": "x" * 3000}, [(12.45, LIVE_MS)])],
    "counter": [series(TOTAL, [(i * 0.7, LIVE_MS + i) for i in range(3)], starts=[LIVE_MS] * 3)],
    "counter_reset": [series(TOTAL, RESET_SAMPLES, starts=RESET_STARTS)],
    "counters": fleet(TOTAL, starts=[LIVE_MS - 1]),
    "counter_before_1970": [series(TOTAL, [(0.0, -5), (2.5, 0)], starts=[-5, -5])],
    "counter_stale": [series(TOTAL, [(STALE_NAN, LIVE_MS + 1)], starts=[LIVE_MS])],
    "no_samples": [series(CPU, [])],
    "empty_request": [],
}


def set_value(sample, value_bits):
    """Sets a value and proves that Python kept the bits, a signalling NaN's too."""
    sample.value = struct.unpack(">d", struct.pack(">Q", value_bits))[0]
    assert int(bits(sample.value), 16) == value_bits


def encode_v1(case):
    from opentelemetry.exporter.prometheus_remote_write.gen import remote_pb2, types_pb2

    assert types_pb2.MetricMetadata.MetricType.Value("GAUGE") == GAUGE
    assert types_pb2.MetricMetadata.MetricType.Value("COUNTER") == COUNTER
    request = remote_pb2.WriteRequest()
    for one in case:
        written = request.timeseries.add()
        for name, value in one["labels"]:
            written.labels.add(name=name, value=value)
        for value_bits, ms in one["samples"]:
            set_value(written.samples.add(timestamp=ms), value_bits)
        if one["help"] is not None:
            kind, name = one["type"], one["name"]
            request.metadata.add(type=kind, metric_family_name=name, help=one["help"])
    return request.SerializeToString(deterministic=True), []


V2_FIELDS = {
    "Request": "repeated string symbols 4; repeated TimeSeries timeseries 5",
    "TimeSeries": "repeated uint32 labels_refs 1; repeated Sample samples 2; Metadata metadata 5",
    "Sample": "double value 1; int64 timestamp 2; int64 start_timestamp 3",
    # The type is an enum, which is the same varint on the wire.
    "Metadata": "int32 type 1; uint32 help_ref 3; uint32 unit_ref 4",
}


def v2_request_class():
    """Builds io.prometheus.write.v2.Request at run time, as far as a gauge or counter needs it.

    Source: Remote-Write 2.0 specification (rc.4), "Protobuf Message".
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    package = "io.prometheus.write.v2"
    file = descriptor_pb2.FileDescriptorProto(name="v2.proto", package=package, syntax="proto3")
    for message_name, fields in V2_FIELDS.items():
        message = file.message_type.add(name=message_name)
        for text in fields.split("; "):
            kind, name, number = text.removeprefix("repeated ").split()
            label = field.LABEL_REPEATED if text.startswith("repeated") else field.LABEL_OPTIONAL
            added = message.field.add(name=name, number=int(number), label=label)
            if kind in V2_FIELDS:
                added.type, added.type_name = field.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                added.type = field.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.Request"))


def encode_v2(case):
    request = v2_request_class()()
    table = {"": 0}
    ref = lambda text: table.setdefault(text, len(table))
    for one in case:
        written = request.timeseries.add()
        written.labels_refs.extend(ref(text) for pair in one["labels"] for text in pair)
        for (value_bits, ms), start in zip(one["samples"], one["starts"]):
            set_value(written.samples.add(timestamp=ms, start_timestamp=start), value_bits)
        if one["help"] is not None:
            written.metadata.type = one["type"]
            written.metadata.help_ref = ref(one["help"])
    request.symbols.extend(table)
    return request.SerializeToString(deterministic=True), list(table)


def once_a_family(case):
    """Leaves the metadata in the first series of each metric: 1.0 has one entry a family."""
    first = {one["name"]: one for one in reversed(case)}
    return [one if one is first[one["name"]] else one | {"help": None} for one in case]


def write_messages(file_name, encode, form=lambda case: case):
    lines = []
    for name, case in MESSAGES.items():
        case = form(case)
        encoded, symbols = encode(case)
        lines.append(f"case {name}")
        for one in case:
            lines += ["series"] + [f"label {key} {value}" for key, value in one["labels"]]
            if one["help"] is not None:
                lines.append(f"metadata {one['type']} {one['name']} {one['help']}")
            for (value_bits, ms), start in zip(one["samples"], one["starts"]):
                counted_from = "" if start is None else f" {start}"
                lines.append(f"sample {value_bits:016x} {ms}{counted_from}")
        lines += [f"symbol {text}" for text in symbols]
        lines += [f"bytes {encoded.hex()}", ""]
    write(file_name, lines[:-1])


def write(name, lines):
    path = GOLDEN / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    if "GOLDEN_VENV" not in os.environ:
        python = ensure_venv(VENV, PACKAGES)
        environment = dict(os.environ, GOLDEN_VENV="1", MPLCONFIGDIR=str(VENV / "matplotlib"))
        os.execve(python, [str(python), str(Path(__file__).resolve())], environment)
    for name, changes in SERIES.items():
        write_series(name, DEFAULTS | changes)
    write_ln()
    write_messages("write_request_v1.txt", encode_v1, once_a_family)
    write_messages("write_request_v2.txt", encode_v2)
    print(f"golden.py: wrote {len(SERIES)} series and {len(MESSAGES)} messages in two versions")


if __name__ == "__main__":
    main()
