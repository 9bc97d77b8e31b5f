"""Rules for all tests: in CI a test that is skipped unexpectedly is a failure."""

import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

# Parts of reasons. CI runs as root, which no file mode keeps from reading.
EXPECTED_SKIPS: frozenset[str] = frozenset(
    {
        "root may read everything",
        "only Windows has a registry",
        "only who may mount can make a small disk",
        "this machine has no IPv6",
        "only POSIX lists what a process has open",
        "only who may make network namespaces can have a site vanish",
    }
)

# A slow machine is no finding: what something costs is measured in tests/benchmarks.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.load_profile("here")

_skipped: list[str] = []


@pytest.fixture(scope="session", autouse=True)
def no_configuration_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a machine's administrator put into /etc/bewust is no part of any test, nor of the commands it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BEWUST_CONFIG", str(tmp_path_factory.mktemp("no-configuration")))
        yield


class OneScreen(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Has the tests with browsers run one after another, beside the rest: they share a port and a screen."""

    def _split_scope(self, nodeid: str) -> str:
        return "e2e" if nodeid.startswith("tests/e2e/") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneScreen:
    return OneScreen(config, log)


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
