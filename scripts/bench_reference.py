"""The Python pipeline that push-live-metrics replaces, as `make bench` measures it.

Usage, in the environment that scripts/bench.py makes:
    bench_reference.py live URL COUNT INTERVAL_S     a push, then a sleep, COUNT times
    bench_reference.py due URL COUNT                 COUNT datapoints of the past, a push each
    bench_reference.py text COUNT                    OpenMetrics text on stdout
    bench_reference.py backfill URL COUNT            requests of 2,000 samples
    bench_reference.py fan-out URL SERIES            one tick of so many series

mockseries generates; the text is rendered by jinja2; messages are made and sent by
opentelemetry-exporter-prometheus-remote-write. Exit 1 when a push fails.
"""

import sys
import time
from datetime import datetime, timedelta, timezone

from mockseries.noise import GaussianNoise
from mockseries.seasonality import DailySeasonality
from mockseries.trend import LinearTrend
from mockseries.utils import datetime_range
from opentelemetry.exporter.prometheus_remote_write import PrometheusRemoteWriteMetricsExporter
from opentelemetry.sdk.metrics.export import MetricExportResult

NAME = "cpu"
LABELS = {"cpu": "lina_cp_avg", "tenant_uuid": "abc123", "uuid": "device-456"}
HELP = "Live metric data"
BATCH_SIZE = 2000
DAY = {0: 1.0, 2: 10.8, 4: 18.1, 6: 19.5, 8: 17.6, 10: 15.8, 12: 14.1, 14: 12.8}
DAY |= {16: 10.3, 18: 8.7, 20: 3.6, 22: 1.8}

TEMPLATE = """\
# HELP {{ name }} {{ help }}
# TYPE {{ name }} gauge
{% for time, value in points -%}
{{ name }}{ {%- for key, text in labels.items() -%}
{{ key }}="{{ text }}"{{ "," if not loop.last }}{%- endfor -%} } {{ value }} {{ time }}
{% endfor -%}
# EOF
"""


def generate(start, step, count, seed=42):
    """Returns the times in epoch seconds and the values of the default series."""
    signal = (
        LinearTrend(coefficient=0.1, time_unit=timedelta(hours=0.95), flat_base=5)
        + DailySeasonality({timedelta(hours=hour): value for hour, value in DAY.items()})
        + GaussianNoise(mean=0, std=3, random_seed=seed)
    )
    start = start.replace(microsecond=0, tzinfo=None)
    points = datetime_range(granularity=step, start_time=start, num_points=count)
    epoch = int(start.replace(tzinfo=timezone.utc).timestamp())
    step_s = step.total_seconds()
    return [epoch + i * step_s for i in range(count)], signal.generate(points)


class Pusher:
    def __init__(self, url):
        self.exporter = PrometheusRemoteWriteMetricsExporter(endpoint=url)

    def push(self, sample_sets):
        """Sends pairs of value and epoch milliseconds by label set, in one request."""
        series = self.exporter._convert_to_timeseries(sample_sets, [])
        message = self.exporter._build_message(series)
        result = self.exporter._send_message(message, self.exporter._build_headers())
        if result is not MetricExportResult.SUCCESS:
            sys.exit(1)


def label_set(**changes):
    return tuple(({"__name__": NAME} | LABELS | changes).items())


def sample(seconds, value):
    return float(value), int(seconds * 1000)


def live(url, count, interval_s):
    times, values = generate(datetime.now(timezone.utc), timedelta(seconds=interval_s), count)
    pusher = Pusher(url)
    for i, value in enumerate(values):
        pusher.push({label_set(): [sample(time.time(), value)]})
        if i < count - 1:
            time.sleep(interval_s)


def due(url, count):
    start = datetime.now(timezone.utc) - timedelta(seconds=count)
    pusher = Pusher(url)
    for point in zip(*generate(start, timedelta(seconds=1), count)):
        pusher.push({label_set(): [sample(*point)]})


def text(count):
    from jinja2 import Template

    points = zip(*generate(datetime(2025, 1, 1), timedelta(minutes=1), count))
    template = Template(TEMPLATE, keep_trailing_newline=True)
    stream = template.stream(name=NAME, help=HELP, labels=LABELS, points=points)
    stream.enable_buffering(4096)
    stream.dump(sys.stdout)


def backfill(url, count):
    times, values = generate(datetime(2020, 1, 1), timedelta(seconds=1), count)
    pusher = Pusher(url)
    for first in range(0, count, BATCH_SIZE):
        batch = slice(first, first + BATCH_SIZE)
        pusher.push({label_set(): [sample(*point) for point in zip(times[batch], values[batch])]})


def fan_out(url, series_count):
    now = datetime.now(timezone.utc)
    sample_sets = {}
    for k in range(series_count):
        points = zip(*generate(now, timedelta(minutes=1), 1, seed=42 + k))
        sample_sets[label_set(uuid=f"device-{k + 1}")] = [sample(*point) for point in points]
    pusher = Pusher(url)
    sets = list(sample_sets.items())
    for first in range(0, series_count, BATCH_SIZE):
        pusher.push(dict(sets[first : first + BATCH_SIZE]))


def main():
    verbs = {"live": live, "due": due, "text": text, "backfill": backfill, "fan-out": fan_out}
    kinds = {"live": (str, int, float), "text": (int,)}
    verb, *values = sys.argv[1:]
    verbs[verb](*(kind(value) for kind, value in zip(kinds.get(verb, (str, int)), values)))


if __name__ == "__main__":
    main()
