"""The aggregate as metrics: OTLP data points and a Prometheus text file. Never anything of a workstation.

Belongs here: usable cells as gauges. The points are made by hand: an SDK's meters add an instance id and the
time of the export, and refuse negative numbers. Times are the bounds of the period; the resource is empty.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import datetime, time
from urllib.error import URLError
from urllib.request import Request, urlopen
from zoneinfo import ZoneInfo

from google.protobuf.json_format import MessageToJson  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.util.re import parse_env_headers

from bewust.fleet.estimates import EVERY, Cell
from bewust.fleet.findings import Findings
from bewust.fleet.reading import FleetError
from bewust.statistics.counters import period_end, period_start

NAMES: Mapping[str, str] = {
    "genai_usage.workstations.estimate": "estimate",
    "genai_usage.workstations.ci95.low": "low",
    "genai_usage.workstations.ci95.high": "high",
}
ABOUT: Mapping[str, str] = {
    "estimate": "Estimated number of workstations with the cell in the period.",
    "low": "Lower end of the 95 % interval of that estimate.",
    "high": "Upper end of the 95 % interval of that estimate.",
}
TIMEOUT = 30  # seconds for a collector to answer


def passed_on(findings: Findings) -> Iterator[tuple[Cell, dict[str, str]]]:
    """Yield each usable cell of workstations with its attributes. Sums over services are left out: another unit."""
    for cell in findings.cells:
        of_service = cell.block == "service"
        if cell.usable and (of_service or (cell.domain == EVERY and cell.block in ("any", "internal", "reminder"))):
            service, context = (cell.cell, findings.fact(cell.cell).context) if of_service else ("", "")
            yield cell, {"service": service, "context": context, "block": cell.block, "period": cell.period,
                         "mechanism": cell.mechanism, "domain": cell.domain}  # fmt: skip


def otlp(findings: Findings, zone: ZoneInfo) -> ExportMetricsServiceRequest:
    """Return the gauges; `zone` is the one whose weeks count."""
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    scope.scope.name = "bewust.fleet"
    cells = list(passed_on(findings))
    for name, field in NAMES.items():
        metric = scope.metrics.add(name=name, description=ABOUT[field], unit="{workstation}")
        for cell, attributes in cells:
            _add(metric, getattr(cell, field), attributes, _bounds(cell.period, zone))
    return request


def _add(metric: Metric, value: float, attributes: Mapping[str, str], bounds: tuple[int, int]) -> None:
    point = metric.gauge.data_points.add(as_double=value, start_time_unix_nano=bounds[0], time_unix_nano=bounds[1])
    for key, text in attributes.items():
        if text:
            point.attributes.add(key=key).value.string_value = text


def _bounds(period: str, zone: ZoneInfo) -> tuple[int, int]:
    days = (period_start(period), period_end(period))
    start, end = (int(datetime.combine(day, time(), zone).timestamp()) * 1_000_000_000 for day in days)
    return start, end


def otlp_json(findings: Findings, zone: ZoneInfo) -> bytes:
    """Return the gauges in OTLP's JSON encoding, as a collector's file receiver reads it."""
    text: str = MessageToJson(otlp(findings, zone), indent=None)
    return f"{text}\n".encode()


def send(findings: Findings, zone: ZoneInfo, url: str) -> None:
    """Post the gauges to a collector, such as https://collector.example/v1/metrics. Raises FleetError.

    A collector's credentials are those of OTEL_EXPORTER_OTLP_HEADERS, as for every exporter. Not the
    exporter of the SDK: that one leaves out when a gauge began.
    """
    headers = {"Content-Type": "application/x-protobuf"}
    headers |= parse_env_headers(os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", ""), liberal=True)
    request = Request(url, otlp(findings, zone).SerializeToString(), headers)
    try:
        with urlopen(request, timeout=TIMEOUT):
            pass
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise FleetError(
            f"--otlp {url}: the collector did not take the metrics ({reason}). Check the address (it "
            "ends in /v1/metrics), and whether this machine may reach it."
        ) from error


def prometheus(findings: Findings) -> bytes:
    """Return the gauges as a text file for the textfile collector, without times: Prometheus has its own."""
    cells = list(passed_on(findings))
    lines = []
    for name, field in NAMES.items():
        plain = name.replace(".", "_")
        lines += [f"# HELP {plain} {ABOUT[field]}", f"# TYPE {plain} gauge"]
        for cell, attributes in cells:
            labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in attributes.items())
            lines.append(f"{plain}{{{labels}}} {getattr(cell, field):.10g}")
    return ("\n".join(lines) + "\n").encode()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
