"""A pytest plugin for mitmproxy's own tests: installs our replacements, and writes down what failed."""

import json
import os
from pathlib import Path

import pytest

from bewust_addons.patches import hooks, http1, http2, http_errors, lifetime, tls

INSTALL = "BEWUST_PATCHES"  # environment: set, to install our replacements
RESULTS = "BEWUST_RESULTS"  # environment: the file that gets {"ran": number, "failed": {test: why}}

_failed: dict[str, str] = {}
_ran: set[str] = set()


def pytest_configure(config: pytest.Config) -> None:
    """Install what the inspector installs; hooks stay commands, as their tests wait for them.

    Not liveness: it asks to be woken at each HTTP/2 request, which would be another command in each of their scripts.
    """
    if os.environ.get(INSTALL):
        hooks.install(hooks.Hooks([]), called=())
        for patch in (tls, http1, http2, lifetime):
            patch.install()
        http_errors.install(hooks.Hooks([]))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember each test that ran, and how it failed."""
    _ran.add(report.nodeid)
    if report.failed:
        lines = [line for line in report.longreprtext.splitlines() if line.startswith("E ")]
        _failed[report.nodeid] = lines[0][1:].strip() if lines else report.longreprtext[-200:]


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that cannot be imported has failed, too."""
    if report.failed:
        _failed[report.nodeid] = report.longreprtext[-200:]


def pytest_sessionfinish() -> None:
    """Write the results."""
    Path(os.environ[RESULTS]).write_text(json.dumps({"ran": len(_ran), "failed": _failed}))
