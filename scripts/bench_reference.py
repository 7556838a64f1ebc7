"""The Python pipeline that push-live-metrics replaces, as `make bench` measures it.

Usage, in the environment that scripts/bench.py makes: bench_reference.py VERB, where VERB is
    live URL COUNT INTERVAL_S     a push, then a sleep, COUNT times
    due URL COUNT                 COUNT datapoints of the past, a push each
    text COUNT                    OpenMetrics text on stdout
    backfill URL COUNT            requests of 2,000 samples
    fan-out URL SERIES            one tick of so many series

mockseries generates; the text is rendered by jinja2; messages are made and sent by
opentelemetry-exporter-prometheus-remote-write. Exit 1 when a push fails.
"""

import sys
import time
from datetime import datetime, timedelta, timezone

from golden import DEFAULTS, mockseries_values
from opentelemetry.exporter.prometheus_remote_write import PrometheusRemoteWriteMetricsExporter
from opentelemetry.sdk.metrics.export import MetricExportResult

NAME = "cpu"
LABELS = {"cpu": "lina_cp_avg", "tenant_uuid": "abc123"}
UUID = "device-456"
HELP = "Live metric data"
BATCH_SIZE = 2000

TEMPLATE = """\
# HELP {{ name }} {{ help }}
# TYPE {{ name }} gauge
{% for time, value in points -%}
{{ name }}{ {%- for key, text in labels.items() -%}
{{ key }}="{{ text }}"{{ "," if not loop.last }}{%- endfor -%} } {{ value }} {{ time }}
{% endfor -%}
# EOF
"""


def generate(start, step_s, count, seed=42):
    """Returns pairs of epoch seconds and value of the default series."""
    start = start.replace(microsecond=0, tzinfo=None)
    changes = dict(origin=start.isoformat(), step_ms=step_s * 1000, seed=seed)
    epoch = int(start.replace(tzinfo=timezone.utc).timestamp())
    times = [epoch + i * step_s for i in range(count)]
    return zip(times, mockseries_values(DEFAULTS | changes, count))


class Pusher:
    def __init__(self, url):
        self.exporter = PrometheusRemoteWriteMetricsExporter(endpoint=url)

    def push(self, points_by_uuid):
        """Sends pairs of epoch seconds and value by uuid, in one request."""
        sample_sets = {
            tuple(({"__name__": NAME} | LABELS | {"uuid": uuid}).items()):
                [(float(value), int(seconds * 1000)) for seconds, value in points]
            for uuid, points in points_by_uuid
        }
        series = self.exporter._convert_to_timeseries(sample_sets, [])
        message = self.exporter._build_message(series)
        result = self.exporter._send_message(message, self.exporter._build_headers())
        if result is not MetricExportResult.SUCCESS:
            sys.exit(1)


def live(url, count, interval_s):
    pusher = Pusher(url)
    points = generate(datetime.now(timezone.utc), interval_s, count)
    for i, (_, value) in enumerate(points):
        pusher.push([(UUID, [(time.time(), value)])])
        if i < count - 1:
            time.sleep(interval_s)


def due(url, count):
    pusher = Pusher(url)
    for point in generate(datetime.now(timezone.utc) - timedelta(seconds=count), 1, count):
        pusher.push([(UUID, [point])])


def text(count):
    from jinja2 import Template

    points = generate(datetime(2025, 1, 1), 60, count)
    template = Template(TEMPLATE, keep_trailing_newline=True)
    labels = LABELS | {"uuid": UUID}
    stream = template.stream(name=NAME, help=HELP, labels=labels, points=points)
    stream.enable_buffering(4096)
    stream.dump(sys.stdout)


def backfill(url, count):
    points, pusher = list(generate(datetime(2020, 1, 1), 1, count)), Pusher(url)
    for first in range(0, count, BATCH_SIZE):
        pusher.push([(UUID, points[first : first + BATCH_SIZE])])


def fan_out(url, series_count):
    now, pusher = datetime.now(timezone.utc), Pusher(url)
    fleet = [(f"device-{k + 1}", generate(now, 60, 1, 42 + k)) for k in range(series_count)]
    for first in range(0, series_count, BATCH_SIZE):
        pusher.push(fleet[first : first + BATCH_SIZE])


if __name__ == "__main__":
    verbs = {"live": live, "due": due, "text": text, "backfill": backfill, "fan-out": fan_out}
    kinds = {"live": (str, int, float), "text": (int,)}
    verb, *words = sys.argv[1:]
    verbs[verb](*(kind(word) for kind, word in zip(kinds.get(verb, (str, int)), words)))
