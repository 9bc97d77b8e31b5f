"""Rules for all tests: in CI a test that is skipped unexpectedly is a failure."""

import os
from collections.abc import Iterator

import pytest

# Parts of reasons. CI runs as root, which no file mode keeps from reading, and has nothing beside the repository.
EXPECTED_SKIPS: frozenset[str] = frozenset({"root may read everything", "reference documents are not beside"})

_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        _skipped.append(report.longrepr[2])


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    yield
    surprising = [why for why in _skipped if not any(part in why for part in EXPECTED_SKIPS)]
    if os.environ.get("CI") == "true" and surprising and session.exitstatus == pytest.ExitCode.OK:
        print(f"\nCI does not accept these skips: {sorted(set(surprising))}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
