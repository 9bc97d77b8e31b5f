"""Only usable cells go on as metrics, with the period as their time and nothing that identifies."""

import getpass
import json
import re
import socket
import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from bewust.fleet import metrics
from bewust.fleet.reading import FleetError
from support.fleets import HEADLINES, cell, found

ZONE = ZoneInfo("Europe/Amsterdam")
FINDINGS = found(
    cell(), cell(name="deepl", usable=False), cell(name="other"), cell("context", "chat"), *HEADLINES,
    cell("any", "any", domain="0123456789ab"),
)  # fmt: skip
NAMES = [f"genai_usage.workstations.{end}" for end in ("estimate", "ci95.low", "ci95.high")]


def parsed() -> ExportMetricsServiceRequest:
    request: ExportMetricsServiceRequest = ParseDict(
        json.loads(metrics.otlp_json(FINDINGS, ZONE)), ExportMetricsServiceRequest()
    )
    return request


def test_otlp_json_has_three_gauges_of_the_usable_cells() -> None:
    (resource,) = parsed().resource_metrics
    found_metrics = resource.scope_metrics[0].metrics
    assert [metric.name for metric in found_metrics] == NAMES
    for metric in found_metrics:
        assert metric.WhichOneof("data") == "gauge"
        assert len(metric.gauge.data_points) == 5
    values = [metric.gauge.data_points[0].as_double for metric in found_metrics]
    assert values == [400.0, 380.0, 420.0]


def test_otlp_has_an_empty_resource_no_exemplar_and_the_bounds_of_the_period() -> None:
    (resource,) = parsed().resource_metrics
    assert not resource.resource.attributes
    point = resource.scope_metrics[0].metrics[0].gauge.data_points[0]
    assert not point.exemplars
    times = [datetime.fromtimestamp(t / 1e9, ZONE) for t in (point.start_time_unix_nano, point.time_unix_nano)]
    assert times == [datetime(2026, 11, 16, tzinfo=ZONE), datetime(2026, 11, 23, tzinfo=ZONE)]


def test_attributes_are_those_of_the_cell_and_no_others() -> None:
    points = parsed().resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points
    attributes = [{each.key: each.value.string_value for each in point.attributes} for point in points]
    assert {"service": "chatgpt", "context": "chat", "block": "service", "period": "2026-W47", "mechanism": "split",
            "domain": "0123456789ab"} in attributes  # fmt: skip
    assert {"block": "any", "period": "2026-W47", "mechanism": "split", "domain": "all"} in attributes
    assert "deepl" not in str(attributes)


SAMPLE = re.compile(r'[a-z][a-z0-9_]*\{(?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*\} -?[0-9.]+(?:e[+-]?[0-9]+)?')


def test_prometheus_text_can_be_read() -> None:
    lines = metrics.prometheus(FINDINGS).decode().splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    assert len(samples) == 15
    assert all(SAMPLE.fullmatch(line) for line in samples)
    assert sum(line.startswith("# TYPE") and line.endswith(" gauge") for line in lines) == 3
    assert len({line.rsplit(" ", 1)[0] for line in samples}) == 15, "no series is there twice"


def test_a_label_cannot_break_out_of_its_quotes() -> None:
    assert metrics._escaped('a"b\\c\nd') == 'a\\"b\\\\c\\nd'


def test_neither_names_this_machine_or_its_person() -> None:
    both = metrics.prometheus(FINDINGS) + metrics.otlp_json(FINDINGS, ZONE)
    for word in (socket.gethostname(), getpass.getuser(), "host", "instance", "service.name", "user", "telemetry.sdk"):
        assert word.encode() not in both, word


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    """A collector on loopback: its address, and what it was sent."""
    received: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers.get("Authorization", ""), body))
            self.send_response(200 if self.path == "/v1/metrics" else 404)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_collector_gets_the_same_points(
    collector: tuple[str, list[tuple[str, str, bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20x")
    url, received = collector
    metrics.send(FINDINGS, ZONE, f"{url}/v1/metrics")
    ((path, authorization, body),) = received
    assert (path, authorization) == ("/v1/metrics", "Bearer x")
    assert ExportMetricsServiceRequest.FromString(body) == parsed()


def test_a_collector_that_refuses_or_is_not_there_is_one_clear_error(
    collector: tuple[str, list[tuple[str, str, bytes]]],
) -> None:
    for url in (f"{collector[0]}/elsewhere", "http://127.0.0.1:1/v1/metrics"):
        with pytest.raises(FleetError, match="did not take the metrics") as error:
            metrics.send(FINDINGS, ZONE, url)
        assert "\n" not in str(error.value)
